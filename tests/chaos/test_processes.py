"""Signals go to processes of the installation under test, and to no others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paid.chaos.processes import Processes
from paid.embedded.process import is_running
from tests.waiting import wait_until

FOREVER = "import time\nwhile True: time.sleep(60)"
PARENT = (
    "import subprocess, sys\n"
    f"child = subprocess.Popen([sys.executable, '-c', {FOREVER!r}])\n"
    "print(child.pid, flush=True)\n"
    "child.wait()"
)


@contextmanager
def a_worker_of(folder: Path, *, pid_file_in: Path, program: str = FOREVER) -> Iterator[tuple]:  # type: ignore[type-arg]
    """A process that looks like the worker of one installation, and stands in another's file."""
    argv = [sys.executable, "-X", f"paid-data={folder}", "-c", program]
    logs = pid_file_in / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        # the kernel shows a program's arguments a moment after it has begun
        wait_until(lambda: is_running(process.pid, str(folder)), "the worker's start")
        (logs / "worker.pid").write_text(f"{process.pid}\n")
        try:
            yield process, Processes(pid_file_in)
        finally:
            process.kill()


def state(pid: int) -> str:
    """R, S, T and so on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_process_of_the_installation_is_killed(tmp_path: Path) -> None:
    with a_worker_of(tmp_path, pid_file_in=tmp_path) as (process, processes):
        assert processes.kill("worker")
        assert process.wait(30) == -9
        assert not processes.kill("worker")


def test_a_number_that_was_given_to_somebody_else_is_left_alone(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    with a_worker_of(other, pid_file_in=mine) as (process, processes):
        assert processes.pid("worker") is None
        assert not processes.kill("worker")
        assert processes.freeze("worker") == []
        assert process.poll() is None


def test_a_freeze_holds_the_children_too_until_the_thaw(tmp_path: Path) -> None:
    with a_worker_of(tmp_path, pid_file_in=tmp_path, program=PARENT) as (process, processes):
        child = int(process.stdout.readline())
        family = processes.freeze("worker")
        assert set(family) >= {process.pid, child}
        wait_until(lambda: {state(pid) for pid in family} == {"T"}, "the freeze")
        processes.thaw(family)
        wait_until(lambda: "T" not in {state(pid) for pid in family}, "the thaw")
        subprocess.run(["kill", str(child)], check=True)


def test_a_part_that_is_not_there_is_nothing_to_kill(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    assert not any(processes.kill(name) for name in ("worker", "gateway", "temporal"))
