"""What a hostile agent tries from inside its container: files, process 1, the kernel, the network.

This file is the agent: `bin/attack` gives its text to the container's own Python, so it imports the
standard library alone. Each attempt returns evidence (a text) when it got what it wanted; an
attempt that the sandbox stopped raises OSError, or returns an empty text. The results are printed,
a JSON object a line.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

Attempt = Callable[[], object]
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID = 1 << 28, 1 << 17, 1 << 30, 1 << 29
AT_FDCWD = -100
PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206
RLIMIT_NOFILE, RLIMIT_CPU = 7, 0
SOCK_RAW = socket.SOCK_RAW


def call(number: int, *arguments: object) -> int:
    """A system call by its number (x86-64); raises OSError where the kernel refuses it."""
    done: int = LIBC.syscall(number, *arguments)
    if done < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return done


def calls(number: int, *arguments: object) -> Attempt:
    """The attempt to make one system call: it has what it wanted when the kernel makes the call."""
    return lambda: f"returned {call(number, *arguments)}"


def writes(path: str, text: str = "evil") -> Attempt:
    """The attempt to write into a file of the system."""

    def attempt() -> str:
        with open(path, "a") as file:
            file.write(text)
        return "written"

    return attempt


def reads(path: str) -> Attempt:
    """The attempt to read a file of the system; an empty or zeroed file holds nothing."""

    def attempt() -> str:
        with open(path, "rb") as file:
            return repr(file.read(64).strip(b"\0")) if file.read(1) else ""

    return attempt


def connects(
    family: int, address: tuple[str, int] | str, kind: int = socket.SOCK_STREAM
) -> Attempt:
    """The attempt to reach an address outside."""

    def attempt() -> str:
        with socket.socket(family, kind) as client:
            client.settimeout(2)
            client.connect(address)
            client.send(b"x")
        return f"reached {address!r}"

    return attempt


def opens(family: int, kind: int, protocol: int = 0) -> Attempt:
    """The attempt to open a kind of socket that speaks past TCP and UDP."""

    def attempt() -> str:
        socket.socket(family, kind, protocol).close()
        return "opened"

    return attempt


def runs(*argv: str) -> Attempt:
    """The attempt to have a program succeed."""

    def attempt() -> str:
        done = subprocess.run(argv, capture_output=True, timeout=20)
        return "succeeded" if done.returncode == 0 else ""

    return attempt


def kills_process_1(number: int) -> Attempt:
    """The attempt to end paid-step; the kernel must drop the signal."""

    def attempt() -> str:
        os.kill(1, number)
        time.sleep(0.2)  # the attempt succeeds by a death that nobody reports
        return "" if Path("/proc/1").exists() else "process 1 is gone"

    return attempt


def limits_process_1(resource: int) -> Attempt:
    """The attempt to take files or processor time from process 1 and its forwarder."""
    return lambda: f"returned {call(302, 1, resource, struct.pack('QQ', 0, 0), None)}"


def takes_a_descriptor_of_process_1() -> str:
    """pidfd_open, then pidfd_getfd of the descriptor that the signed reports go through."""
    handle = call(434, 1, 0)
    return f"has descriptor {call(438, handle, 1, 0)}"


def reads_memory_of_process_1() -> str:
    """process_vm_readv, which asks no file's mode."""
    buffer = ctypes.create_string_buffer(8)
    here = struct.pack("QQ", ctypes.addressof(buffer), 8)
    there = struct.pack("QQ", 0x400000, 8)
    return f"read {call(310, 1, here, 1, there, 1, 0)} bytes"


def becomes_root() -> str:
    """setuid(0), however it is spelt."""
    os.setuid(0)
    return f"is user {os.getuid()}"


def makes_a_device() -> str:
    """A character device of the host's memory."""
    os.mknod("/tmp/mem", stat.S_IFCHR | 0o666, os.makedev(1, 1))  # noqa: S108 - the container's
    return "made"


def finds_privileged_programs() -> str:
    """A setuid or setgid program, or one with file capabilities, anywhere in the image."""
    found = list(_privileged(Path("/")))
    return ", ".join(found[:5])


def _privileged(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if f"{folder}{name}" not in ("/proc", "/sys")]
        for path in (f"{folder}/{name}" for name in files):
            try:
                if _is_privileged(path):
                    yield path
            except OSError:
                continue


def _is_privileged(path: str) -> bool:
    mode = os.lstat(path).st_mode
    changes_user = stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID)
    return bool(changes_user) or "security.capability" in os.listxattr(path, follow_symlinks=False)


def knows_names() -> str:
    """A resolver that answers would be a way out."""
    return str(socket.getaddrinfo("example.com", 443))


def meets_abstract_sockets() -> str:
    """A socket of the host in the abstract namespace, which no file system guards."""
    lines = Path("/proc/net/unix").read_text().splitlines()[1:]
    return ", ".join(line.split()[-1] for line in lines if " @" in line)


def escapes_by_a_link() -> str:
    """The base's folder, by a link that leaves the workspace."""
    link = Path("/workspace/evil-link")
    link.symlink_to("/run/paid/task/../../../etc/shadow")
    return link.read_text()


def sees_other_interfaces() -> str:
    """Anything beside the loopback."""
    return ", ".join(set(os.listdir("/sys/class/net")) - {"lo"})


def has_capabilities() -> str:
    """Any bit in any set of capabilities."""
    status = Path("/proc/self/status").read_text()
    lines = [line for line in status.splitlines() if line.startswith("Cap")]
    return "".join(line for line in lines if set(line.split()[1]) != {"0"})


def finds_secrets_in_its_environment() -> str:
    """A variable that looks like a key, beside the run's own token."""
    words = ("GITHUB", "DATABASE_URL", "REPORT_KEY", "SECRET", "PASSWORD")
    return ", ".join(name for name in os.environ if any(word in name for word in words))


FILES: dict[str, Attempt] = {
    f"write {path}": writes(path)
    for path in (
        "/evil", "/etc/passwd", "/etc/ld.so.preload", "/etc/hosts", "/usr/bin/git",
        "/opt/paid/paid-step", "/mirror/config", "/mirror/evil", "/run/paid/task/evil",
        "/run/paid/gateway/evil", "/run/paid/changes/evil",
    )
} | {
    f"read {path}": reads(path)
    for path in ("/etc/shadow", "/etc/gshadow", "/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/vda",
                 "/dev/sda", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug",
                 "/sys/firmware/acpi/tables/DSDT")
} | {
    f"turn {path}": writes(path, text)
    for path, text in {
        "/proc/sysrq-trigger": "h", "/proc/sys/kernel/core_pattern": "|/evil",
        "/proc/sys/kernel/hostname": "x", "/proc/sys/vm/overcommit_memory": "1",
        "/proc/sys/net/ipv4/ip_forward": "1", "/sys/kernel/uevent_helper": "/evil",
        "/sys/fs/cgroup/cgroup.procs": "1", "/sys/fs/cgroup/memory/release_agent": "/evil",
        "/sys/fs/cgroup/memory.max": "max", "/sys/fs/cgroup/pids.max": "max",
    }.items()
} | {
    "a link out of the workspace": escapes_by_a_link,
    "a device of the host's memory": makes_a_device,
    "a privileged program": finds_privileged_programs,
}  # fmt: skip

PROCESS_1: dict[str, Attempt] = {
    "read its environment": reads("/proc/1/environ"),
    "read its memory by file": reads("/proc/1/mem"),
    "read its memory by call": reads_memory_of_process_1,
    "read its map": reads("/proc/1/maps"),
    "write to its output": writes("/proc/1/fd/1"),
    "take its descriptor": takes_a_descriptor_of_process_1,
    "trace it": calls(101, PTRACE_ATTACH, 1, 0, 0),
    "seize it": calls(101, PTRACE_SEIZE, 1, 0, 0),
    "kill it": kills_process_1(signal.SIGKILL),
    "stop it": kills_process_1(signal.SIGSTOP),
    "take its open files": limits_process_1(RLIMIT_NOFILE),
    "take its processor time": limits_process_1(RLIMIT_CPU),
    "feed it to the memory killer": writes("/proc/1/oom_score_adj", "1000"),
}

KERNEL: dict[str, Attempt] = {
    "bpf": calls(321, 0, None, 0),
    "userfaultfd": calls(323, 0),
    "userfaultfd, user mode only": calls(323, 1),
    "io_uring_setup": calls(425, 1, ctypes.create_string_buffer(120)),
    "memfd_secret": calls(447, 0),
    "keyctl": calls(250, 0, -3, 0),
    "add_key": calls(248, b"user", b"evil", b"x", 1, -3),
    "request_key": calls(249, b"user", b"evil", None, 0),
    "perf_event_open": calls(298, ctypes.create_string_buffer(128), 0, -1, -1, 0),
    "mount": calls(165, b"none", b"/tmp", b"tmpfs", 0, None),
    "umount": calls(166, b"/tmp", 0),
    "pivot_root": calls(155, b"/tmp", b"/tmp"),
    "chroot": calls(161, b"/tmp"),
    "fsopen": calls(430, b"tmpfs", 0),
    "open_tree": calls(428, AT_FDCWD, b"/", 1),
    "move_mount": calls(429, AT_FDCWD, b"/tmp", AT_FDCWD, b"/tmp", 0),
    "mount_setattr": calls(442, AT_FDCWD, b"/", 0, ctypes.create_string_buffer(32), 32),
    "a user namespace": calls(272, CLONE_NEWUSER),
    "a mount namespace": calls(272, CLONE_NEWNS),
    "a network namespace": calls(272, CLONE_NEWNET),
    "a user namespace, by program": runs("unshare", "--user", "--map-root-user", "true"),
    "join a namespace": calls(308, 0, 0),
    "init_module": calls(175, b"", 0, b""),
    "finit_module": calls(313, 0, b"", 0),
    "kexec_load": calls(246, 0, 0, None, 0),
    "swapon": calls(167, b"/tmp/x", 0),
    "acct": calls(163, None),
    "quotactl": calls(179, 0, b"/", 0, None),
    "syslog": calls(103, 3, ctypes.create_string_buffer(64), 64),
    "iopl": calls(172, 3),
    "ioperm": calls(173, 0x80, 1, 1),
    "sethostname": calls(170, b"evil", 4),
    "open_by_handle_at": calls(304, AT_FDCWD, ctypes.create_string_buffer(16), 0),
    "process_madvise": calls(440, 0, None, 0, 0, 0),
    "set the clock": calls(227, 0, struct.pack("qq", 1, 0)),
    "adjust the clock": calls(159, ctypes.create_string_buffer(b"\1" * 208, 208)),
    "another personality": calls(135, 0x0040000),
    "become root": becomes_root,
    "have capabilities": has_capabilities,
}
"""System calls by their x86-64 numbers (the kernel's arch/x86/entry/syscalls/syscall_64.tbl)."""

NETWORK: dict[str, Attempt] = {
    "the internet": connects(socket.AF_INET, ("1.1.1.1", 443)),
    "the internet, IPv6": connects(socket.AF_INET6, ("2606:4700:4700::1111", 443)),
    "a name server, UDP": connects(socket.AF_INET, ("8.8.8.8", 53), socket.SOCK_DGRAM),
    "the cloud's metadata": connects(socket.AF_INET, ("169.254.169.254", 80)),
    "Docker's bridge": connects(socket.AF_INET, ("172.17.0.1", 2375)),
    "PostgreSQL of the host": connects(socket.AF_INET, ("127.0.0.1", 5432)),
    "Temporal of the host": connects(socket.AF_INET, ("127.0.0.1", 7233)),
    "Docker's socket": connects(socket.AF_UNIX, "/var/run/docker.sock"),
    "containerd's socket": connects(socket.AF_UNIX, "/run/containerd/containerd.sock"),
    "an abstract socket of the host": meets_abstract_sockets,
    "names": knows_names,
    "raw packets": opens(socket.AF_INET, SOCK_RAW, socket.IPPROTO_ICMP),
    "link packets": opens(socket.AF_PACKET, SOCK_RAW),
    "the hypervisor's sockets": opens(40, socket.SOCK_STREAM),
    "the kernel's ciphers": opens(38, socket.SOCK_SEQPACKET),
    "another interface": sees_other_interfaces,
    "keys in the environment": finds_secrets_in_its_environment,
}

AREAS = {"files": FILES, "process 1": PROCESS_1, "kernel": KERNEL, "network": NETWORK}


def main() -> None:
    """Try everything; one line each."""
    for area, attempts in AREAS.items():
        for name, attempt in attempts.items():
            try:
                got, seen = str(attempt() or ""), ""
            except (OSError, subprocess.SubprocessError) as error:
                got, seen = "", str(error)
            record = {"area": area, "attack": name, "got": got, "seen": seen}
            print(json.dumps(record), flush=True)
    print(json.dumps({"area": "end"}), flush=True)


if __name__ == "__main__":
    main()
    sys.exit(0)
