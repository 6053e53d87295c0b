"""Looks at the sandbox from inside, before anything of the agent runs in it.

Each finding is an opening: one sentence that says which lock is not shut. The expected values
are those of the host's hardening (paid/containers/engine.py).
"""

from __future__ import annotations

import os
import resource
import stat

CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
DOCKER_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock")
DEVICES = {
    *("null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "pts", "shm"),
    *("mqueue", "fd", "stdin", "stdout", "stderr", "core"),
}
PRIVILEGED = (
    *("su", "mount", "umount", "passwd", "chfn", "chsh", "chage", "expiry", "gpasswd", "newgrp"),
    *("sudo", "ping", "pkexec", "fusermount", "unix_chkpwd", "crontab"),
)
"""What Debian installs setuid or setgid, in most images."""
SYSTEM = "/"


def openings(pids: int, memory_bytes: int, system: str = SYSTEM) -> list[str]:
    """Everything that is not as tight as it must be; empty when the agent may start.

    `system` is the root folder that is looked at, so that a test can show a loose one.
    """
    return [
        *_process(system),
        *_calls(),
        *_file_system(system),
        *_programs(system),
        *_network(system),
        *_limits(system, pids, memory_bytes),
    ]


def _process(system: str) -> list[str]:
    found = []
    fields = dict(
        line.split(":", 1) for line in _text(system, "proc/self/status").splitlines() if ":" in line
    )
    for name in CAPABILITY_SETS:
        if int(fields[name], 16) != 0:
            found.append(f"{name} is {fields[name].strip()}, not empty")
    if fields.get("NoNewPrivs", "0").strip() != "1":
        found.append("new privileges can be gained (NoNewPrivs is not 1)")
    if fields.get("Seccomp", "0").strip() != "2":
        found.append("no seccomp filter holds (Seccomp is not 2)")
    for name in ("Uid", "Gid"):
        if set(fields[name].split()) != {"1000"}:
            found.append(f"{name} is {' '.join(fields[name].split())}, not 1000")
    if set(fields.get("Groups", "").split()) - {"1000"}:
        found.append(f"supplementary groups {fields['Groups'].strip()}")
    return found


def _calls() -> list[str]:
    """Whether Paid's own seccomp profile holds: an engine's default lets each of these through."""
    found = []
    try:
        resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE)
        found.append("limits of other processes can be set (the seccomp profile is not Paid's)")
    except PermissionError:
        pass
    return found


def _programs(system: str) -> list[str]:
    """Programs that would run as another user; a look at every file would cost each start."""
    found = []
    for folder in ("bin", "usr/bin", "usr/sbin"):
        for name in PRIVILEGED:
            try:
                mode = os.stat(os.path.join(system, folder, name)).st_mode
            except OSError:
                continue
            if mode & (stat.S_ISUID | stat.S_ISGID):
                found.append(f"/{folder}/{name} runs as another user (setuid or setgid)")
    return found


def _file_system(system: str) -> list[str]:
    found = []
    if not os.statvfs(system).f_flag & os.ST_RDONLY:
        found.append("the root file system is writable")
    for path in ("mirror", "run/paid/task", "run/paid/gateway", "run/paid/changes"):
        place = os.path.join(system, path)
        if os.path.exists(place) and not os.statvfs(place).f_flag & os.ST_RDONLY:
            found.append(f"/{path} is writable")
    sockets = {path: os.path.join(system, path.lstrip("/")) for path in DOCKER_SOCKETS}
    found += [f"{path} is there" for path, place in sockets.items() if os.path.exists(place)]
    for entry in os.scandir(os.path.join(system, "dev")):
        if entry.name not in DEVICES:
            found.append(f"device /dev/{entry.name}")
        elif stat.S_ISBLK(entry.stat(follow_symlinks=False).st_mode):
            found.append(f"block device /dev/{entry.name}")
    return found


def _network(system: str) -> list[str]:
    lines = _text(system, "proc/net/dev").splitlines()[2:]
    names = [line.split(":")[0].strip() for line in lines]
    # Kernels with tunnel modules show these in every namespace, down and without an address.
    idle = {"lo", "tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0"}
    return [f"network interface {name}" for name in names if name not in {*idle, "ip6gre0"}]


def _limits(system: str, pids: int, memory_bytes: int) -> list[str]:
    groups = os.path.join(system, "sys/fs/cgroup")
    found = []
    if pids and _limit(groups, "pids.max", "pids/pids.max") != pids:
        found.append(f"the limit of {pids} processes does not hold")
    if memory_bytes:
        held = _limit(groups, "memory.max", "memory/memory.limit_in_bytes")
        if held is None or held > memory_bytes:
            found.append(f"the limit of {memory_bytes} bytes of memory does not hold")
    return found


def _limit(groups: str, unified: str, legacy: str) -> int | None:
    """A limit of this container's control group, version 2 or 1; None when there is none."""
    for name in (unified, legacy):
        try:
            text = _text(groups, name).strip()
        except OSError:
            continue
        return None if text == "max" else int(text)
    return None


def oom_kills(groups: str = "/sys/fs/cgroup") -> int:
    """How many processes of this container the kernel killed for want of memory."""
    for name in ("memory.events", "memory/memory.oom_control"):
        try:
            text = _text(groups, name)
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _text(*path: str) -> str:
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()
