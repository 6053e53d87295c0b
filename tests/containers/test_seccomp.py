"""Paid's own seccomp profile: what it keeps out of a live container, and what works in one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from paid.containers import seccomp
from tests.containers.bench import Bench

TRY = r"""
import ctypes, errno, json, os
libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {number_of_each}
def attempt(name, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(NUMBERS[name], *(ctypes.c_long(value) for value in arguments))
    return errno.errorcode.get(ctypes.get_errno(), "done") if result == -1 else "done"
tried = {name: attempt(name) for name in NUMBERS if name not in {own}}
tried["prlimit of process 1"] = attempt("prlimit64", 1, 7, 0, 0)
tried["prlimit of a neighbour"] = attempt("prlimit64", os.getppid(), 7, 0, 0)
tried["prlimit of its own"] = attempt("prlimit64", 0, 7, 0, 0)
tried["a user namespace"] = attempt("clone", 0x10000000 | 17)
tried["a packet socket"] = attempt("socket", 17, 3, 0)
tried["a socket of the kernel's ciphers"] = attempt("socket", 38, 5, 0)
tried["a socket to the hypervisor"] = attempt("socket", 40, 1, 0)
tried["personality without randomness"] = attempt("personality", 0x0040000)
print(json.dumps(tried))
"""
DENIED = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "memfd_secret": 447,
    "userfaultfd": 323, "bpf": 321, "perf_event_open": 298, "keyctl": 250, "add_key": 248,
    "request_key": 249, "mount": 165, "umount2": 166, "fsopen": 430, "open_tree": 428,
    "move_mount": 429, "setns": 308, "unshare": 272, "pivot_root": 155, "chroot": 161,
    "kexec_load": 246, "init_module": 175, "finit_module": 313, "open_by_handle_at": 304,
    "name_to_handle_at": 303, "pidfd_getfd": 438, "process_madvise": 440, "move_pages": 279,
    "swapon": 167, "syslog": 103, "acct": 163, "quotactl": 179, "settimeofday": 164,
    "sethostname": 170, "fanotify_init": 300, "modify_ldt": 154, "iopl": 172, "kcmp": 312,
}  # fmt: skip
"""Their numbers on x86-64, of the kernel's arch/x86/entry/syscalls/syscall_64.tbl."""
OWN = {"prlimit64": 302, "clone": 56, "socket": 41, "personality": 135}


@pytest.fixture(scope="module")
def tried(docker_engine: Any, settings: Any, base_image: str, repository: Any) -> Any:
    """How each call ended in a container."""
    bench = Bench(docker_engine, settings, base_image, repository, 5200)
    script = TRY.replace("{number_of_each}", repr({**DENIED, **OWN})).replace(
        "{own}", repr(set(OWN))
    )
    try:
        return json.loads(bench.python(script).text.splitlines()[-1])
    finally:
        bench.clear()


@pytest.mark.parametrize("call", DENIED)
def test_a_call_that_no_build_needs_is_refused(tried: dict[str, str], call: str) -> None:
    assert tried[call] in ("EPERM", "ENOSYS")


@pytest.mark.parametrize(
    "call",
    ["prlimit of process 1", "prlimit of a neighbour", "a user namespace", "a packet socket",
     "a socket of the kernel's ciphers", "a socket to the hypervisor",
     "personality without randomness"],
)  # fmt: skip
def test_a_call_is_refused_for_its_arguments(tried: dict[str, str], call: str) -> None:
    assert tried[call] == "EPERM"


def test_a_program_may_look_at_its_own_limits(tried: dict[str, str]) -> None:
    assert tried["prlimit of its own"] == "done"


def test_the_forwarder_keeps_its_descriptors_whatever_the_agent_tries(bench: Bench) -> None:
    """Any thread of process 1 stands for all of it; their numbers follow soon behind."""
    script = (
        "import resource\n"
        "for pid in range(1, 20):\n"
        "    for kind in range(16):\n"
        "        try: resource.prlimit(pid, kind, (0, 0)); print('open', pid, kind)\n"
        "        except (PermissionError, ProcessLookupError): pass\n"
    )
    assert bench.python(script).text == ""


WORKS = {
    "threads": "python3 -c 'import threading as t; x = t.Thread(); x.start(); x.join()'",
    "processes": "python3 -c 'import multiprocessing as m; m.Pool(2).map(abs, [1, 2])'",
    "subprocess": "python3 -c 'import subprocess as s; s.run([\"ls\"], check=True)'",
    "asyncio": "python3 -c 'import asyncio; asyncio.run(asyncio.sleep(0))'",
    "node": 'node -e \'const w = new (require("worker_threads").Worker)("1", {eval: true});'
    ' w.on("exit", c => process.exit(c)); require("os").networkInterfaces()\'',
    "npm": "npm --version",
    "git": "git gc --quiet; git clone -q /mirror /tmp/clone",
    "make": "printf 'all: a b\\na b:\\n\\t@touch $@\\n' > M; make -j4 -f M",
    "venv": "python3 -m venv --without-pip /tmp/venv; /tmp/venv/bin/python -c 1",
    "signals": "timeout 5 sh -c 'trap : USR1; kill -USR1 $$'",
    "fifo": "mkfifo /tmp/f; (echo x > /tmp/f &); cat /tmp/f",
    "archives": "tar cf /tmp/a.tar . && mkdir /tmp/a && tar xf /tmp/a.tar -C /tmp/a",
    "shared memory": "python3 -c 'from multiprocessing import shared_memory as s;"
    " m = s.SharedMemory(create=True, size=9); m.close(); m.unlink()'",
    "limits": "ulimit -n 64; sh -c 'ulimit -n'",
}


@pytest.fixture(scope="module")
def worked(docker_engine: Any, settings: Any, base_image: str, repository: Any) -> Any:
    """The name and exit code of each common thing, and what it said."""
    bench = Bench(docker_engine, settings, base_image, repository, 5201)
    lines = [f"({command}) > /tmp/out 2>&1; echo \"{name}:$?:$(tail -n 3 /tmp/out | tr '\\n' ' ')\""
             for name, command in WORKS.items()]  # fmt: skip
    try:
        said = bench.agent("bash", "-c", "\n".join(lines)).text.splitlines()
        return {line.split(":")[0]: line for line in said}
    finally:
        bench.clear()


@pytest.mark.parametrize("thing", WORKS)
def test_what_tools_do_every_day_works(worked: dict[str, str], thing: str) -> None:
    assert worked[thing].startswith(f"{thing}:0:")


def test_a_profile_that_lets_more_through_is_told_apart() -> None:
    assert seccomp.is_tight(f"seccomp={seccomp.profile_text()}")
    others = ["unconfined", "", "[]", '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}']
    for name in sorted(seccomp.KEPT_OUT):
        looser = seccomp.profile()
        looser["syscalls"][0]["names"].append(name)
        others.append(json.dumps(looser))
    assert not [other for other in others if seccomp.is_tight(f"seccomp={other}")]


def test_a_profile_of_another_version_is_no_opening() -> None:
    """Else a new version of Paid would end what an earlier one has started."""
    other = seccomp.profile()
    other["syscalls"][0]["names"] += ["a_call_of_tomorrow"]
    assert seccomp.is_tight(f"seccomp={json.dumps(other)}")


def test_the_profile_is_in_every_containers_configuration_and_allows_nothing_twice() -> None:
    names = seccomp.names()
    conditional = {"clone", "clone3", "prlimit64", "socket", "personality"}
    assert not conditional & set(names)
    assert len(names) == len(set(names))


def test_no_program_of_the_image_runs_as_another_user(bench: Bench) -> None:
    script = (
        'find / -xdev -type f -perm /6000 2>/dev/null; python3 -c "\nimport os\n'
        "for folder, _, names in os.walk('/'):\n"
        "    if folder.startswith(('/proc', '/sys')): continue\n"
        "    for name in names:\n"
        "        path = os.path.join(folder, name)\n"
        "        if os.path.isfile(path) and not os.path.islink(path):\n"
        "            try: found = os.listxattr(path)\n"
        "            except OSError: continue\n"
        "            if 'security.capability' in found: print(path)\n\""
    )
    assert bench.shell(f"{script} 2>/dev/null").text == ""
