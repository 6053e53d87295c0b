"""Reads what the engine made of our locks: section 5 of the CIS Docker benchmark, as a function.

`openings` looks at a container before anything runs in it. The probe inside the container
(image/paid_step/probe.py) then looks from the other side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from paid.containers import seccomp
from paid.containers.hardening import CHANGES_MOUNT, GATEWAY_MOUNT, TASK_MOUNT, USER
from paid.containers.task import SYSTEM_FILES

Facts = Mapping[str, Any]
READ_ONLY_MOUNTS = frozenset(
    {
        "/mirror",
        TASK_MOUNT,
        GATEWAY_MOUNT,
        CHANGES_MOUNT,
        *(f"/etc/{name}" for name in SYSTEM_FILES),
    }
)
KNOWN_MOUNTS = READ_ONLY_MOUNTS | {"/workspace"}
SECRET_FREE_VARIABLES = frozenset({"PAID_REPORT_KEY", "PAID_RUN_TOKEN"})


def openings(facts: Facts) -> list[str]:
    """Every lock that is open, as a sentence. `facts` is the engine's inspect answer."""
    return [finding for rule in RULES for finding in rule(facts)]


def _privileges(facts: Facts) -> Iterator[str]:
    host = facts["HostConfig"]
    if host.get("Privileged"):
        yield "the container is privileged"
    if [name.upper() for name in host.get("CapDrop") or []] != ["ALL"]:
        yield "not all capabilities are dropped"
    if host.get("CapAdd"):
        yield f"capabilities are added: {', '.join(host['CapAdd'])}"
    options = host.get("SecurityOpt") or []
    if not any(option.startswith("no-new-privileges") for option in options):
        yield "new privileges can be gained"
    if any(option.endswith("false") for option in options if "no-new-privileges" in option):
        yield "new privileges can be gained"
    for option in options:
        if option.replace("=", ":").endswith(":unconfined") or option == "label:disable":
            yield f"a security profile is off: {option}"
    if not any(map(seccomp.is_tight, options)):
        yield "the seccomp profile is not Paid's"
    if facts["Config"].get("User") != USER:
        yield f"the user is {facts['Config'].get('User') or 'root'}, not {USER}"
    if host.get("GroupAdd"):
        yield "groups are added"


def _namespaces(facts: Facts) -> Iterator[str]:
    host = facts["HostConfig"]
    if host.get("NetworkMode") != "none":
        yield f"the network is {host.get('NetworkMode')}, not none"
    if host.get("IpcMode") not in ("private", "none"):
        yield f"the IPC namespace is {host.get('IpcMode') or 'the default'}, not private"
    for name in ("PidMode", "UTSMode", "UsernsMode"):
        if host.get(name):
            yield f"{name} is {host[name]}"
    if host.get("PortBindings") or host.get("PublishAllPorts"):
        yield "ports are published"
    if host.get("Links") or host.get("ExtraHosts") or host.get("Dns"):
        yield "names of other hosts are given"
    if host.get("CgroupParent"):
        yield f"the control group's parent is {host['CgroupParent']}"


def _file_system(facts: Facts) -> Iterator[str]:
    host = facts["HostConfig"]
    if not host.get("ReadonlyRootfs"):
        yield "the root file system is writable"
    if host.get("Devices") or host.get("DeviceRequests") or host.get("DeviceCgroupRules"):
        yield "devices are passed in"
    if host.get("VolumesFrom") or host.get("Binds"):
        yield "volumes come from elsewhere"
    for name in ("MaskedPaths", "ReadonlyPaths"):
        if host.get(name) == []:
            yield f"{name} is empty: parts of /proc are open"
    for place, options in (host.get("Tmpfs") or {}).items():
        if not {"nosuid", "nodev"} <= set(options.split(",")) or "size=" not in options:
            yield f"the tmpfs {place} is not nosuid, nodev and bounded"
    for mount in facts.get("Mounts") or []:
        yield from _mount(mount)


def _mount(mount: Facts) -> Iterator[str]:
    target = mount["Destination"]
    if target not in KNOWN_MOUNTS and mount.get("Type") != "tmpfs":
        yield f"{target} is mounted"
    if target in READ_ONLY_MOUNTS and mount.get("RW", True):
        yield f"{target} is writable"
    if mount.get("Propagation") not in (None, "", "rprivate", "private"):
        yield f"mounts under {target} propagate"
    if "docker.sock" in mount.get("Source", ""):
        yield "Docker's own socket is mounted"


def _resources(facts: Facts) -> Iterator[str]:
    host = facts["HostConfig"]
    if not host.get("PidsLimit") or host["PidsLimit"] < 0:
        yield "the number of processes has no limit"
    if not host.get("Memory"):
        yield "memory has no limit"
    elif host.get("MemorySwap") not in (host["Memory"], 0, None):
        yield "there is swap beside the memory"
    if not (host.get("NanoCpus") or host.get("CpuQuota")):
        yield "processor time has no limit"
    if host.get("OomKillDisable"):
        yield "the kernel may not end it for its memory"
    log = host.get("LogConfig") or {}
    if log.get("Type") != "json-file" or "max-size" not in (log.get("Config") or {}):
        yield "the log has no bound"
    if (host.get("RestartPolicy") or {}).get("Name") not in ("", "no", None):
        yield "the engine restarts it by itself"


def _environment(facts: Facts) -> Iterator[str]:
    for variable in facts["Config"].get("Env") or []:
        name = variable.partition("=")[0]
        secret = any(word in name.upper() for word in ("TOKEN", "SECRET", "PASSWORD", "API_KEY"))
        if secret and name not in SECRET_FREE_VARIABLES:
            yield f"the environment holds {name}"


RULES: tuple[Callable[[Facts], Iterator[str]], ...] = (
    _privileges,
    _namespaces,
    _file_system,
    _resources,
    _environment,
)
