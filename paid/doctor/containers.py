"""Docker: the engine, what it can enforce, and the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paid.agents import install
from paid.containers.docker_api import DockerApi
from paid.containers.engine import DockerEngine
from paid.doctor import machine, servers
from paid.doctor.findings import Case, Check, Finding, broken, ok, skipped, warning
from paid.errors import PaidError
from paid.settings import Settings
from paid.store import projects

LIMITS = {
    "MemoryLimit": "memory",
    "SwapLimit": "swap",
    "PidsLimit": "processes",
    "CpuCfsQuota": "processors",
}
DOCKER_MEND = "Install and start Docker: `bin/setup` does both on Debian."
DEFAULT_AGENT = "codex"


def engine(case: Case) -> Sequence[Finding]:
    """The engine answers; limits and the sandbox's locks can be enforced."""
    api = DockerApi(case.settings)
    try:
        with api.client() as client:
            info = client.info()
    finally:
        api.close()
    version = f"Docker {info.get('ServerVersion')}, cgroup v{info.get('CgroupVersion', '1')}"
    return [ok("docker", version), _limits(info), _seccomp(info), _workspaces(info)]


def _limits(info: Mapping[str, Any]) -> Finding:
    missing = [word for key, word in LIMITS.items() if info.get(key) is False]
    if missing:
        return broken(
            "container limits",
            f"the kernel does not limit {', '.join(missing)}",
            "Switch the cgroup controllers on (`cgroup_enable=memory swapaccount=1` on the "
            "kernel's command line), or use a machine with cgroup v2.",
        )
    return ok("container limits", "memory, swap, processes and processors")


def _seccomp(info: Mapping[str, Any]) -> Finding:
    if any("seccomp" in option for option in info.get("SecurityOptions") or []):
        return ok("seccomp", "filters system calls")
    return broken("seccomp", "the engine was built without it", "Use a Docker with seccomp.")


def _workspaces(info: Mapping[str, Any]) -> Finding:
    if info.get("OSType") == "linux" and "overlay" in str(info.get("Driver")):
        return ok("workspaces", "overlay volumes: ready in milliseconds, however large")
    return warning(
        "workspaces",
        f"the storage driver {info.get('Driver')} has no overlay volumes: each run checks out anew",
        "Use the overlay2 driver for large repositories.",
    )


def docker_disk(case: Case) -> Sequence[Finding]:
    """Room for images and workspaces."""
    free = DockerEngine(case.settings).disk_free_bytes()
    return [machine.free_space("docker disk", "Docker's folder", free)]


def images(case: Case) -> Sequence[Finding]:
    """The image of every agent that a project uses."""
    installed = {row.name: row.installed for row in install.listing(case.settings)}
    return [_image(name, installed) for name in sorted(_agents(case.settings))]


def _image(name: str, installed: Mapping[str, bool | None]) -> Finding:
    label = f"agent {name}"
    if name not in installed:
        return broken(label, "there is no such agent", "Choose one of `paid agent list`.")
    if installed[name] is None:
        return skipped(label, "whether its image is there, Docker must tell")
    if not installed[name]:
        return broken(label, "its image is not built", f"Run `paid agent install {name}`.")
    return ok(label, "its image is there")


def _agents(settings: Settings) -> set[str]:
    """Those of the projects; the default one where there are none yet."""
    try:
        with servers.database(settings) as opened, opened.session() as session:
            used = {project.agent for project in projects.listing(session)}
    except PaidError:
        used = set()
    return used or {DEFAULT_AGENT}


CHECKS = (
    Check("docker", engine, mend=DOCKER_MEND),
    Check("docker disk", docker_disk, mend=DOCKER_MEND),
    Check("agent images", images, mend=DOCKER_MEND),
)
