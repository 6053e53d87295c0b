"""Bombs of every kind at once beside a healthy run, which does its work all the same (threat 35).

A bomb that fills the disk, with bytes or with files, is in test_disk.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from paid.containers.contract import Limits
from paid.containers.engine import DockerEngine
from paid.containers.task import Task
from tests.containers.bench import MEBIBYTE, Bench

BOMBS = {
    "processes": "import os\nwhile True:\n try: os.fork()\n except OSError: pass",
    "memory": "x = []\nwhile True: x.append(bytearray(10_000_000))",
    "output": "import sys\nwhile True: sys.stdout.write('flood ' * 20_000)",
    "threads": "import threading, time\n"
    "while True:\n try: threading.Thread(target=time.sleep, args=(999,)).start()\n"
    " except RuntimeError: pass",
    "open files": "import os\nends = []\nwhile True:\n try: ends.append(os.pipe())\n"
    " except OSError: pass",
}
SMALL_BOMB = Limits(cpus=0.2, memory_bytes=96 * MEBIBYTE, pids=64, log_bytes=2 * MEBIBYTE)
WORK = """
import pathlib, subprocess
for number in range(20):
    pathlib.Path(f"made-{number}.txt").write_text("made")
    subprocess.run(["git", "add", "."], check=True)
    subprocess.run(["git", "commit", "--quiet", "-m", f"step {number}"], check=True)
"""


@pytest.fixture
def bombs(docker_engine: DockerEngine, bench: Bench) -> Iterator[list[str]]:
    """The names of containers in which a bomb has begun each."""
    benches = [
        Bench(docker_engine, bench.settings, bench.image, bench.repository, 6000 + number)
        for number in range(len(BOMBS))
    ]
    names = []
    for one, script in zip(benches, BOMBS.values(), strict=True):
        task = Task(mode="agent", argv=("python3", "-c", script), grace_seconds=1)
        spec = one.spec("agent", 1, task, limits=SMALL_BOMB)
        one.engine.start(spec)
        names.append(spec.name)
    yield names
    for one in benches:
        one.clear()


def test_a_healthy_run_does_its_work_beside_bombs_of_every_kind(
    bench: Bench, bombs: list[str]
) -> None:
    done = bench.python(WORK)
    assert done.report("agent_exit")["code"] == 0
    assert done.report("collected")["files"] == 20
    kept = []
    for name in bombs:
        facts = bench.engine.inspect(name)
        assert facts is not None
        kept.append(_log_bytes(facts["LogPath"]))
        bench.engine.stop(name, grace_seconds=20)
        assert bench.engine.wait(name, 60.0) is not None, f"{name} did not end"
    assert SMALL_BOMB.log_bytes // 4 < max(kept) <= 2 * SMALL_BOMB.log_bytes


def _log_bytes(path: str) -> int:
    """What the engine keeps of a container's output, in all of its files."""
    shown = subprocess.run(
        ["sh", "-c", 'stat --format %s "$1"*', "sh", path], capture_output=True, text=True
    )
    return sum(int(size) for size in shown.stdout.split())
