"""What a container leaves for later while other runs of its host start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from paid.containers.image.paid_step.places import DONE, LATER
from paid.containers.reports import ReportReader
from paid.containers.task import Task
from tests.containers.bench import Bench
from tests.waiting import HANGS_SECONDS

A_LOOK_SECONDS = 1.0
"""Several looks of the container at its mark."""


def held_back(bench: Bench, meanwhile: Callable[[str, Path], None]) -> list[str]:
    """Run an agent whose commits wait; `meanwhile` is called once it has ended. The reports."""
    spec = bench.spec("agent", 1, Task(mode="agent", argv=("touch", "made.txt")))
    mark = spec.task_folder / LATER
    mark.touch()
    bench.engine.start(spec)
    reader, names = ReportReader(bench.engine.report_key(spec.name)), []
    with bench.engine.follow(spec.name) as log:
        for line in log:
            if (report := reader.read(line.text)) is not None:
                names.append(report.name)
                if report.name == "agent_exit":
                    meanwhile(spec.name, mark)
    ended = bench.engine.wait(spec.name, HANGS_SECONDS)
    assert ended is not None
    assert ended.code == DONE
    return names


def test_commits_wait_until_the_others_have_started(bench: Bench) -> None:
    def meanwhile(name: str, mark: Path) -> None:
        assert bench.engine.wait(name, A_LOOK_SECONDS) is None
        mark.unlink()

    names = held_back(bench, meanwhile)
    assert names == ["probe", "ready", "started", "agent_exit", "collected"]


def test_a_stop_ends_the_wait_and_not_the_work(bench: Bench) -> None:
    names = held_back(bench, lambda name, _: bench.engine.stop(name, HANGS_SECONDS))
    assert names[-1] == "collected"
