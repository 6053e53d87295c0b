"""One suite for the engine and its stub sibling."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from paid.containers.contract import Engine, StepSpec
from paid.containers.fake import FakeEngine, FakeStep
from paid.containers.reports import ReportReader
from paid.containers.task import Task
from paid.errors import ContainerLostError
from tests.containers.bench import Bench
from tests.waiting import HANGS_SECONDS


@dataclass
class Stage:
    """An engine, and a way to make a step of some lines on it."""

    engine: Engine
    make: Callable[..., StepSpec]

    def start_and_hear(self, spec: StepSpec, text: str) -> None:
        """Start a step and wait until it has said this."""
        self.engine.start(spec)
        with self.engine.follow(spec.name) as log:
            assert any(line.text == text for line in log)

    def said(self, name: str, cursor: str | None = None) -> list[str]:
        """The agent's lines after the cursor."""
        reader = ReportReader(self.engine.report_key(name))
        lines = [line.text for line in self.engine.follow(name, cursor)]
        return [text for text in lines if text and reader.read(text) is None]


def fake_stage(tmp_path: Path) -> Stage:
    scripts: dict[str, FakeStep] = {}
    engine = FakeEngine(lambda spec: scripts[spec.name])

    def make(*lines: str, code: int = 0, endless: bool = False, number: int = 1) -> StepSpec:
        spec = StepSpec(1, "agent", number, "image", tmp_path)
        report = {"report": "started"}
        scripts.setdefault(spec.name, FakeStep((report, *lines), code, endless))
        return spec

    return Stage(engine, make)


def docker_stage(bench: Bench) -> Stage:
    def make(*lines: str, code: int = 0, endless: bool = False, number: int = 1) -> StepSpec:
        script = "".join(f"echo {line}\n" for line in lines)
        script += "sleep 600\n" if endless else ""
        # Ended from inside, so that the container's exit code is the script's own.
        task = Task(mode="agent", argv=("sh", "-c", script))
        return bench.spec("agent", number, task)

    return Stage(bench.engine, make)


@pytest.fixture(params=["fake", "docker"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    if request.param == "fake":
        yield fake_stage(tmp_path)
    else:
        yield docker_stage(request.getfixturevalue("bench"))


def test_a_step_is_started_once_and_adopted_afterwards(stage: Stage) -> None:
    spec = stage.make("one")
    first = stage.engine.start(spec)
    again = stage.engine.start(spec)
    stage.engine.wait(spec.name, HANGS_SECONDS)
    ended = stage.engine.start(spec)
    assert [first.adopted, again.adopted, ended.adopted] == [False, True, True]
    assert first.container_id == again.container_id == ended.container_id
    assert stage.said(spec.name) == ["one"]


def test_the_output_comes_in_order_and_the_end_is_known(stage: Stage) -> None:
    spec = stage.make("one", "two", "three")
    stage.engine.start(spec)
    assert stage.said(spec.name) == ["one", "two", "three"]
    ended = stage.engine.wait(spec.name, HANGS_SECONDS)
    assert ended is not None
    assert (ended.code, ended.oom_killed) == (0, False)


def test_a_reader_goes_on_from_its_cursor(stage: Stage) -> None:
    spec = stage.make(*(f"line{number}" for number in range(20)))
    stage.engine.start(spec)
    stage.engine.wait(spec.name, HANGS_SECONDS)
    lines = list(stage.engine.follow(spec.name))
    for index in range(len(lines)):
        rest = list(stage.engine.follow(spec.name, lines[index].cursor))
        assert [line.text for line in rest] == [line.text for line in lines[index + 1 :]]


def test_waiting_ends_when_its_time_is_over(stage: Stage) -> None:
    spec = stage.make(endless=True)
    stage.engine.start(spec)
    before = time.monotonic()
    assert stage.engine.wait(spec.name, 0.3) is None
    assert time.monotonic() - before < HANGS_SECONDS


def test_a_closed_reader_ends_although_the_step_goes_on(stage: Stage) -> None:
    spec = stage.make("one", endless=True)
    stage.engine.start(spec)
    log = stage.engine.follow(spec.name)
    assert any(line.text == "one" for line in log)
    threading.Timer(0.5, log.close).start()
    assert list(log) == []
    assert stage.engine.wait(spec.name, 0) is None


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_ending_a_step_ends_its_reader_and_can_be_repeated(stage: Stage, how: str) -> None:
    spec = stage.make("one", endless=True)
    stage.start_and_hear(spec, "one")
    for _ in range(2):
        getattr(stage.engine, how)(spec.name)
    ended = stage.engine.wait(spec.name, HANGS_SECONDS)
    assert ended is not None
    assert stage.said(spec.name) == ["one"]


def test_a_frozen_step_can_be_frozen_and_thawed_twice_and_stopped(stage: Stage) -> None:
    spec = stage.make("one", endless=True)
    stage.engine.start(spec)
    for name in ("pause", "pause", "unpause", "unpause", "pause"):
        getattr(stage.engine, name)(spec.name)
    facts = stage.engine.inspect(spec.name)
    assert facts is not None
    assert facts["State"]["Status"] == "paused"
    stage.engine.stop(spec.name, grace_seconds=5)
    assert stage.engine.wait(spec.name, HANGS_SECONDS) is not None


def test_what_is_not_there_is_lost_or_nothing(stage: Stage, tmp_path: Path) -> None:
    engine = stage.engine
    engine.kill("paid-run-0-agent-0")
    engine.stop("paid-run-0-agent-0")
    engine.remove("paid-run-0-agent-0")
    engine.remove_volume("paid-run-0")
    assert engine.inspect("paid-run-0-agent-0") is None
    for call in (
        lambda: engine.wait("paid-run-0-agent-0", 1),
        lambda: list(engine.follow("paid-run-0-agent-0")),
        lambda: engine.copy_out("paid-run-0-agent-0", "/etc/passwd", tmp_path / "x", 10),
    ):
        with pytest.raises(ContainerLostError):
            call()


def test_a_removed_step_ends_its_reader(stage: Stage) -> None:
    spec = stage.make("one", endless=True)
    stage.engine.start(spec)
    threading.Timer(0.5, stage.engine.remove, [spec.name]).start()
    with contextlib.suppress(ContainerLostError):
        list(stage.engine.follow(spec.name))
    stage.engine.remove(spec.name)
    assert stage.engine.inspect(spec.name) is None


def test_what_it_owns_is_listed_with_its_run(stage: Stage) -> None:
    spec = stage.make("one", endless=True)
    stage.engine.start(spec)
    stage.engine.create_volume("paid-run-9999", 9999)
    stage.engine.create_volume("paid-run-9999", 9999)
    assert (spec.name, spec.run_id, "agent", "running") in [
        (item.name, item.run_id, item.kind, item.state) for item in stage.engine.owned()
    ]
    assert 9999 in {volume.run_id for volume in stage.engine.owned_volumes()}
    stage.engine.remove_volume("paid-run-9999")
    assert 9999 not in {volume.run_id for volume in stage.engine.owned_volumes()}
