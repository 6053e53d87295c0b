"""The CIS Docker benchmark's section on container run time, read from the engine and the kernel.

Written beside the product's own rules (paid/containers/openings.py) and sharing nothing with them.
Each check gives what is wrong, or an empty text. The exceptions are those that
docs/decisions/containers.md records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Facts = Mapping[str, Any]
EXCEPTIONS = {
    "5.1": "AppArmor holds where the host has it",
    "5.2": "SELinux holds where the host has it",
    "5.26": "the worker follows each container; a health check would be the agent's own word",
}
SENSITIVE = ("/", "/boot", "/dev", "/etc", "/lib", "/proc", "/sys", "/usr", "/root", "/var/run",
             "/run", "/var/lib/docker")  # fmt: skip
DEFAULT_CAPABILITIES = 0xA80425FB


def _host(facts: Facts) -> Any:
    return facts["HostConfig"]


def _status(facts: Facts) -> dict[str, str]:
    """What the kernel says of the container's first process."""
    lines = Path(f"/proc/{facts['State']['Pid']}/status").read_text().splitlines()
    return {name: rest.strip() for name, _, rest in (line.partition(":") for line in lines)}


def _same_namespace(facts: Facts, name: str) -> bool:
    own, its = (
        Path(f"/proc/{pid}/ns/{name}").readlink() for pid in ("self", facts["State"]["Pid"])
    )
    return own == its


def _processes(facts: Facts) -> list[str]:
    """The command lines of everything in the container's process namespace."""
    space = Path(f"/proc/{facts['State']['Pid']}/ns/pid").readlink()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "ns/pid").readlink() == space:
                found.append((folder / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found


def _binds(facts: Facts) -> list[str]:
    return [mount["Source"] for mount in facts["Mounts"] if mount["Type"] == "bind"]


def _limit(facts: Facts, unified: str, legacy: str) -> int | None:
    """A limit of the container's control group, as the kernel has it."""
    pid = facts["State"]["Pid"]
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        name = legacy.split("/")[0]
        place = Path(f"/sys/fs/cgroup{path}/{unified}")
        if controllers and name in controllers.split(","):
            place = Path(f"/sys/fs/cgroup/{name}{path}/{legacy.split('/')[1]}")
        if place.exists():
            text = place.read_text().strip()
            return None if text == "max" else int(text)
    return None


CHECKS: dict[str, tuple[str, Callable[[Facts], object]]] = {
    "5.1": ("an AppArmor profile", lambda f: not f.get("AppArmorProfile")),
    "5.2": ("SELinux options", lambda f: "label" not in str(_host(f)["SecurityOpt"])),
    "5.3": ("no capabilities", lambda f: int(_status(f)["CapBnd"], 16) or _host(f)["CapAdd"]),
    "5.4": ("not privileged", lambda f: _host(f)["Privileged"]),
    "5.5": ("no sensitive folder", lambda f: [p for p in _binds(f) if p in SENSITIVE]),
    "5.6": ("no sshd", lambda f: [p for p in _processes(f) if "sshd" in p]),
    "5.7": ("no low ports", lambda f: _host(f)["PortBindings"]),
    "5.8": ("only needed ports", lambda f: f["NetworkSettings"]["Ports"]),
    "5.9": ("a network of its own", lambda f: _same_namespace(f, "net")),
    "5.10": (
        "bounded memory",
        lambda f: (_limit(f, "memory.max", "memory/memory.limit_in_bytes") or 1 << 60) > 1 << 36,
    ),
    "5.11": ("bounded processor time", lambda f: not _host(f)["NanoCpus"]),
    "5.12": ("a read-only root", lambda f: not _host(f)["ReadonlyRootfs"]),
    "5.13": ("ports on one interface", lambda f: f["NetworkSettings"]["Ports"]),
    "5.14": ("no restarts", lambda f: _host(f)["RestartPolicy"]["Name"] not in ("", "no")),
    "5.15": ("processes of its own", lambda f: _same_namespace(f, "pid")),
    "5.16": ("IPC of its own", lambda f: _same_namespace(f, "ipc")),
    "5.17": ("no devices", lambda f: _host(f)["Devices"] or _host(f)["DeviceRequests"]),
    "5.18": (
        "limits only made tighter",
        lambda f: {u["Name"] for u in _host(f)["Ulimits"]} - {"core", "nofile", "fsize"},
    ),
    "5.19": ("private mounts", lambda f: [m for m in f["Mounts"] if "shared" in m["Propagation"]]),
    "5.20": ("a host name of its own", lambda f: _same_namespace(f, "uts")),
    "5.21": ("seccomp", lambda f: _status(f)["Seccomp"] != "2"),
    "5.22": ("no privileged exec", lambda f: f["ExecIDs"]),
    "5.23": ("no exec as root", lambda f: f["ExecIDs"]),
    "5.24": ("the usual control group", lambda f: _host(f)["CgroupParent"]),
    "5.25": ("no new privileges", lambda f: _status(f)["NoNewPrivs"] != "1"),
    "5.26": ("a health check", lambda f: not f["State"].get("Health")),
    "5.27": ("an image by its content", lambda f: f["Config"]["Image"].endswith(":latest")),
    "5.28": ("bounded processes", lambda f: not _limit(f, "pids.max", "pids/pids.max")),
    "5.29": ("not Docker's bridge", lambda f: set(f["NetworkSettings"]["Networks"]) - {"none"}),
    "5.30": ("no host users", lambda f: _host(f)["UsernsMode"] == "host"),
    "5.31": ("no Docker socket", lambda f: [p for p in _binds(f) if "docker.sock" in p]),
    "4.1": ("not root", lambda f: set(_status(f)["Uid"].split()) != {"1000"}),
}
"""The benchmark's number, what it wants, and what tells that it is missing."""


def failures(facts: Facts) -> dict[str, str]:
    """What fails of all checks, by number; the recorded exceptions are left out."""
    return {
        number: wanted
        for number, (wanted, is_missing) in CHECKS.items()
        if number not in EXCEPTIONS and is_missing(facts)
    }
