"""What the engine can do to a run in its middle (faults 4 and 5)."""

from __future__ import annotations

import pytest

from paid.containers.engine import DockerEngine
from paid.settings import Settings
from paid.store import steps
from tests.acceptance.stage import OWNER, Stage
from tests.acceptance.test_bad_input import LONG, fails_everywhere
from tests.acceptance.test_scenarios import QUICKLY, SLOWLY

IN_TWO_TURNS = [
    "python3",
    "-c",
    "import pathlib, time\n"
    "again = pathlib.Path('half.txt').exists()\n"
    "pathlib.Path('whole.txt' if again else 'half.txt').write_text('half')\n"
    "print('begun', flush=True)\n"
    "time.sleep(0 if again else 600)",
]
WRITES_AND_WAITS = [
    "python3",
    "-c",
    "import pathlib, time\n"
    "pathlib.Path('made.txt').write_text('made')\n"
    "print('429 Too Many Requests', flush=True)\n"
    "time.sleep(600)",
]


def _worker_said(stage: Stage, words: str, after: int) -> bool:
    log = stage.settings.data_dir / "logs" / "worker.log"
    return words in log.read_text()[after:]


def test_an_engine_that_restarts_is_survived_and_the_agent_runs_once(stage: Stage) -> None:
    watched = stage.watch(agent_command=SLOWLY)
    log_size = len((stage.settings.data_dir / "logs" / "worker.log").read_text())
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.begun(watched)
    stage.saw(run, "agent.message")
    stage.docker.away()
    stage.until(
        lambda: _worker_said(stage, "Docker does not answer", log_size), "the loss to be seen"
    )
    stage.docker.back()
    run = stage.ended(watched)
    assert (run.status, run.error_message) == ("completed", "")
    assert len(stage.events(run, "agent.started")) == 1
    said = [event.data["text"] for event in stage.events(run, "agent.message")]
    assert said == [f"step {n}" for n in range(8)]
    stage.nothing_left(run)


def test_an_engine_that_stays_away_fails_the_run_at_work_and_the_one_that_waits_for_it(
    stage: Stage,
) -> None:
    """People need not wait for the clean-up, which Docker alone can do, and hear how to mend it."""
    watched = stage.watch(agent_command=LONG)
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    stage.saw(stage.begun(watched), "agent.message")
    stage.docker.away()
    asked = stage.command("run", f"{watched.name}#2")
    doctor = stage.command("doctor")
    assert (asked.returncode, doctor.returncode) == (0, 1)
    assert all("Docker does not answer" in said.stdout for said in (asked, doctor))
    at_work = fails_everywhere(stage, watched, "docker_unavailable", "Docker does not answer")
    waiting = fails_everywhere(stage, watched, "docker_unavailable", "Docker did not answer", 2)
    assert "paid doctor" in waiting.error_message
    assert stage.events(waiting, "run.host") == []
    stage.docker.back()
    for run in (at_work, waiting):
        stage.nothing_left(run)


def test_an_agent_that_needs_too_much_memory_fails_with_that_reason(stage: Stage) -> None:
    eats = "print('begun', flush=True)\nheld = []\nwhile True: held.append(bytearray(2**24))"
    watched = stage.watch(agent_command=["python3", "-c", eats], memory_mib=256)
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = fails_everywhere(stage, watched, "agent", "more memory than its container has")
    stage.nothing_left(run)


def test_a_container_that_somebody_removes_fails_the_run_with_that_reason(stage: Stage) -> None:
    watched = stage.watch(agent_command=LONG)
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.begun(watched)
    stage.saw(run, "agent.message")
    DockerEngine(stage.settings).remove(f"paid-run-{run.id}-agent-1")
    run = fails_everywhere(stage, watched, "container_lost", "removed")
    stage.nothing_left(run)


@pytest.mark.parametrize(("how", "words"), [("kill", "killed from outside"), ("stop", "stopped")])
def test_an_agents_container_that_somebody_ends_fails_the_run_with_that_reason(
    stage: Stage, how: str, words: str
) -> None:
    """What it has done by then is kept; its last words are not the reason."""
    watched = stage.watch(agent_command=WRITES_AND_WAITS)
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.begun(watched)
    stage.saw(run, "agent.message")
    getattr(DockerEngine(stage.settings), how)(f"paid-run-{run.id}-agent-1")
    run = fails_everywhere(stage, watched, "container_lost", words)
    assert "429" not in run.error_message
    assert stage.saw(run, "run.work_kept").data["head"] == run.head_sha
    assert run.id is not None
    with stage.database.session() as session:
        states = {step.state for step in steps.of_run(session, run.id)}
    assert "running" not in states
    stage.nothing_left(run)


def test_checks_whose_container_is_killed_or_removed_run_again(stage: Stage) -> None:
    slow = ["python3", "-c", "import time; print('begun', flush=True); time.sleep(4)"]
    watched = stage.watch(agent_command=QUICKLY, checks=[slow])
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.begun(watched)
    engine = DockerEngine(stage.settings)
    for end in (engine.kill, engine.remove):
        name = f"paid-run-{run.id}-verify-1"
        stage.until(lambda name=name: _state(engine, name) == "running", f"{name}")
        end(name)
        stage.until(lambda name=name: _state(engine, name) != "running", f"the end of {name}")
    run = stage.ended(watched)
    assert (run.status, run.error_message) == ("completed", ""), stage._told()
    assert len(stage.events(run, "verify.check")) == 1
    stage.nothing_left(run)


def _state(engine: DockerEngine, name: str) -> str:
    facts = engine.inspect(name)
    return "" if facts is None else str(facts["State"]["Status"])


def test_an_agent_whose_container_went_with_docker_goes_on_in_a_further_turn(
    stage: Stage,
) -> None:
    """As when Docker, or the host, is started again and its containers are not kept alive."""
    watched = stage.watch(agent_command=IN_TWO_TURNS)
    log_size = len((stage.settings.data_dir / "logs" / "worker.log").read_text())
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.begun(watched)
    stage.saw(run, "agent.message")
    stage.docker.away()
    DockerEngine(Settings(data_dir=stage.settings.data_dir)).kill(f"paid-run-{run.id}-agent-1")
    stage.until(
        lambda: _worker_said(stage, "Docker does not answer", log_size), "the loss to be seen"
    )
    stage.docker.back()
    run = stage.ended(watched)
    assert (run.status, run.error_message) == ("completed", ""), stage._told()
    ends = [event.data["end"] for event in stage.events(run, "turn.ended")]
    assert ends == ["interrupted", "finished"]
    assert run.iterations == 1
    assert stage.file(watched, str(run.branch), "half.txt") == "half"
    stage.nothing_left(run)
