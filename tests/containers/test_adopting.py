"""A step's container is found in any state in which a killed worker may have left it."""

from __future__ import annotations

import shutil
import threading

import pytest

from paid.containers.contract import Kind, StepSpec
from paid.containers.engine import DockerEngine
from paid.containers.steps import run_step
from paid.containers.task import Task
from paid.errors import ContainerError, ContainerKilledError
from tests.containers.bench import Bench
from tests.waiting import HANGS_SECONDS, wait_until

KINDS: tuple[Kind, ...] = ("agent", "verify", "collect", "probe")


def killed_before_the_start(bench: Bench, kind: Kind, number: int = 1) -> StepSpec:
    """A step whose worker died between the engine's create and start."""
    mode = {"agent": "agent", "verify": "verify", "collect": "probe", "probe": "probe"}[kind]
    task = Task(mode=mode, argv=("echo", "works"), head_sha=bench.repository.base_sha)
    spec = bench.spec(kind, number, task)
    engine = bench.engine
    assert isinstance(engine, DockerEngine)
    assert engine._create(spec)
    return spec


def state_of(bench: Bench, name: str) -> str:
    facts = bench.engine.inspect(name)
    return "" if facts is None else str(facts["State"]["Status"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_container_that_was_made_and_not_started_is_brought_to_its_end(
    bench: Bench, kind: Kind
) -> None:
    spec = killed_before_the_start(bench, kind)
    assert state_of(bench, spec.name) == "created"
    found = bench.engine.adopt(spec.name)
    assert found is not None
    assert found.adopted
    assert bench.read(spec.name).exit.code == 0


def test_a_container_that_cannot_be_started_makes_room_for_another(bench: Bench) -> None:
    spec = killed_before_the_start(bench, "verify")
    shutil.rmtree(spec.task_folder)  # which it would have mounted
    assert bench.engine.adopt(spec.name) is None
    assert state_of(bench, spec.name) == ""


@pytest.mark.parametrize(("kind", "after"), [("verify", "running"), ("agent", "paused")])
def test_a_frozen_container_goes_on_unless_it_is_an_agents_that_may_wait_for_money(
    bench: Bench, kind: Kind, after: str
) -> None:
    spec = bench.spec(kind, 1, Task(mode="agent", argv=("sleep", "600")))
    bench.engine.start(spec)
    bench.engine.pause(spec.name)
    assert bench.engine.adopt(spec.name) is not None
    assert state_of(bench, spec.name) == after
    bench.engine.kill(spec.name)


def test_a_container_that_has_ended_is_read_and_one_that_is_gone_is_made_anew(
    bench: Bench,
) -> None:
    spec = bench.spec("collect", 1, Task(mode="probe"))
    first = bench.engine.start(spec)
    assert bench.engine.wait(spec.name, HANGS_SECONDS) is not None
    ended = bench.engine.adopt(spec.name)
    assert ended is not None
    assert ended.container_id == first.container_id
    bench.engine.remove(spec.name)
    assert bench.engine.adopt(spec.name) is None
    again = bench.engine.start(spec)
    assert not again.adopted


@pytest.mark.parametrize(("end", "words"), [("kill", "exit code 137"), ("remove", "removed it")])
def test_a_short_step_that_is_ended_from_outside_says_so_and_may_be_tried_again(
    bench: Bench, end: str, words: str
) -> None:
    spec = bench.spec("collect", 1, Task(mode="agent", argv=("sleep", "600")))
    errors: list[Exception] = []

    def run() -> None:
        try:
            run_step(bench.engine, spec, HANGS_SECONDS)
        except ContainerKilledError as error:
            errors.append(error)

    step = threading.Thread(target=run)
    step.start()
    wait_until(lambda: state_of(bench, spec.name) == "running", "the step's start")
    getattr(bench.engine, end)(spec.name)
    step.join(HANGS_SECONDS)
    assert "killed from outside" in str(errors[0])
    assert words in str(errors[0])
    assert state_of(bench, spec.name) == ""


def test_a_short_step_that_takes_too_long_is_not_blamed_on_others(bench: Bench) -> None:
    spec = bench.spec("collect", 1, Task(mode="agent", argv=("sleep", "600")))
    with pytest.raises(ContainerError, match="did not end within 1 s") as raised:
        run_step(bench.engine, spec, 1.0)
    assert not raised.value.retryable
