"""Which system calls containers may make: Paid's own list, the same on every engine.

An engine's own profile is as old as the engine: Docker 20.10 lets `io_uring_setup` and
`memfd_secret` through. This one is an allow-list of what compilers, interpreters, package managers,
test runners, databases and debuggers use; all else fails with EPERM, as in a container of old.
Left out on purpose, among others:

- io_uring, userfaultfd, bpf, perf_event_open, memfd_secret, keyctl: large parts of the kernel, open
  to attack, that no build needs;
- mount, setns, unshare, and clone with a namespace: an agent that is root in a namespace of its own
  reaches kernel code that is written for administrators;
- prlimit64 for another process: it would take the gateway's forwarder, which is process 1, its file
  descriptors;
- sockets of other families than Unix, IP and netlink, and 32-bit system calls.

ptrace is allowed, because debuggers and leak checkers use it; process 1 cannot be traced
(`reports.hide_from_the_agent`), and everything else in the container is the agent's own.

A name that an engine's libseccomp does not know is passed over there, so newer names do no harm.
"""

from __future__ import annotations

import errno
import json
from functools import cache
from typing import Any

FILES = """
access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr
file_getattr flistxattr flock fremovexattr fsetxattr fstat fstatfs fsync ftruncate futimesat getcwd
getdents getdents64 getxattr getxattrat inotify_add_watch inotify_init inotify_init1
inotify_rm_watch ioctl lchown lgetxattr link linkat listxattr listxattrat llistxattr lremovexattr
lseek lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open openat openat2 pread64 preadv
preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr
removexattrat rename renameat renameat2 rmdir sendfile setxattr setxattrat splice stat statfs statx
symlink symlinkat sync sync_file_range syncfs tee truncate umask unlink unlinkat utime utimensat
utimes vmsplice write writev
"""
WAITS = """
epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
epoll_wait_old eventfd eventfd2 io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit
pause pipe pipe2 poll ppoll pselect6 select signalfd signalfd4 timerfd_create timerfd_gettime
timerfd_settime
"""
MEMORY = """
brk cachestat madvise membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect mremap
mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_vm_readv
process_vm_writev remap_file_pages map_shadow_stack
"""
PROCESSES = """
arch_prctl capget capset execve execveat exit exit_group fork futex futex_requeue futex_wait
futex_waitv futex_wake get_robust_list get_thread_area getegid geteuid getgid getgroups getpgid
getpgrp getpid getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid getuid
ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset landlock_restrict_self
pidfd_open pidfd_send_signal prctl ptrace restart_syscall rseq rt_sigaction rt_sigpending
rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
sched_setscheduler sched_yield seccomp set_robust_list set_thread_area set_tid_address setfsgid
setfsuid setgid setgroups setitimer setpgid setpriority setregid setresgid setresuid setreuid
setrlimit setsid setuid sigaltstack tgkill tkill vfork wait4 waitid getitimer alarm
"""
CLOCKS = """
clock_getres clock_gettime clock_nanosleep getcpu getrandom gettimeofday
nanosleep sysinfo time timer_create timer_delete timer_getoverrun timer_gettime timer_settime times
uname
"""
SOCKETS = """
accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg
sendmmsg sendmsg sendto setsockopt shutdown socketpair
"""
SHARED = """
mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd
semctl semget semop semtimedop shmat shmctl shmdt shmget
"""
ARM = "arm_fadvise64_64 cacheflush sync_file_range2"

KEPT_OUT = frozenset(
    """
    add_key bpf chroot clone clone3 fsconfig fsmount fsopen init_module io_uring_enter
    io_uring_register io_uring_setup kexec_load keyctl memfd_secret mount move_mount open_tree
    open_by_handle_at perf_event_open personality pivot_root prlimit64 reboot request_key setns
    socket umount2 unshare userfaultfd
    """.split()  # noqa: SIM905
)
"""What no profile of Paid's lets through whatever its arguments are."""
ARCHITECTURES = ("SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64")
NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET of linux/sched.h."""
SOCKET_FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK (which lists a host's own addresses)."""
PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
"""Linux, and a 32-bit machine's name of itself; the last one only asks."""


@cache
def profile_text() -> str:
    """The profile as engines take it: the same text each time."""
    return json.dumps(profile(), separators=(",", ":"))


def profile() -> dict[str, Any]:
    """The profile in the engine's own terms."""
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.EPERM,
        "archMap": [{"architecture": name, "subArchitectures": []} for name in ARCHITECTURES],
        "syscalls": [
            _allowed(*names()),
            # its flags are in memory, where no filter looks; told that it is missing, libc uses
            # clone
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS},
            _where("clone", _masked(0, NEW_NAMESPACES, 0)),
            _where("prlimit64", _equal(0, 0)),
            *(_where("socket", _equal(0, family)) for family in SOCKET_FAMILIES),
            *(_where("personality", _equal(0, value)) for value in PERSONALITIES),
        ],
    }


def names() -> tuple[str, ...]:
    """The calls that are allowed whatever their arguments are."""
    groups = (FILES, WAITS, MEMORY, PROCESSES, CLOCKS, SOCKETS, SHARED, ARM)
    return tuple(sorted({name for group in groups for name in group.split()}))


def is_tight(option: str) -> bool:
    """Whether a security option of a container, as the engine tells it, is a profile of Paid's.

    Of any version: a container that an earlier one made is followed to its end. So what it keeps
    out is looked at, and not its very text.
    """
    kind, _, text = option.partition("=")
    if kind != "seccomp":
        return False
    try:
        told = json.loads(text)
        rules = [rule for rule in told["syscalls"] if rule["action"] != "SCMP_ACT_ERRNO"]
        always = {name for rule in rules if not rule.get("args") for name in rule["names"]}
        return told["defaultAction"] == "SCMP_ACT_ERRNO" and not always & KEPT_OUT
    except (ValueError, KeyError, TypeError):
        return False


def _allowed(*allowed: str) -> dict[str, Any]:
    return {"names": list(allowed), "action": "SCMP_ACT_ALLOW"}


def _where(name: str, condition: dict[str, Any]) -> dict[str, Any]:
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": [condition]}


def _equal(index: int, value: int) -> dict[str, Any]:
    return {"index": index, "value": value, "op": "SCMP_CMP_EQ"}


def _masked(index: int, mask: int, value: int) -> dict[str, Any]:
    return {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
