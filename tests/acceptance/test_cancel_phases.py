"""A person cancels, twice, in every phase of a run: one end, and nothing pushed afterwards."""

from __future__ import annotations

import pytest

from paid.contracts import RunStatus
from paid.models import Run
from paid.store import steps
from tests.acceptance.stage import OWNER, Stage, Watched

AT_WORK = [
    "python3",
    "-c",
    "import pathlib, time; pathlib.Path('made.txt').write_text('made');"
    "print('begun', flush=True); time.sleep(2)",
]
SLOW_CHECK = ["python3", "-c", "import time; time.sleep(3)"]
PHASES = (
    "run.requested",
    "run.waiting",
    "run.provisioning",
    "run.workspace",
    "run.running",
    "agent.started",
    "agent.message",
    "turn.ended",
    "run.verifying",
    "verify.ended",
    "run.creating_pr",
    "run.pushed",
    "run.budget_exceeded",
)


@pytest.mark.parametrize("phase", PHASES)
def test_a_cancel_ends_the_run_in_every_phase(stage: Stage, phase: str) -> None:
    watched = _watched(stage, phase)
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.begun(watched)
    stage.saw(run, phase)
    for _ in range(2):
        stage.cancel(run)
        stage.tell_cancelled(run)
    published = _published(stage, watched)
    run = stage.ended(watched)
    assert _published(stage, watched) <= published, "something was published after the cancel"
    _assert_one_end(stage, watched, run)
    stage.docker.back()
    stage.nothing_left(run)
    if run.pr_number is None:
        stage.until(lambda: set(stage.forge.branches(watched.name)) == {"main"}, "a clean remote")


def test_a_turn_that_a_cancel_ends_is_on_record_as_cancelled(stage: Stage) -> None:
    """Once the workflow is told as well, once the host learns it from PostgreSQL alone."""
    watched = stage.watch(agent_command=[*AT_WORK[:2], AT_WORK[2].replace("(2)", "(600)")])
    for number in (1, 2):
        stage.forge.add_label(watched.name, number, "paid-build", actor=OWNER)
    for number in (1, 2):
        run = stage.begun(watched, number)
        stage.saw(run, "agent.message")
        stage.cancel(run)
        if number == 1:
            stage.tell_cancelled(run)
    for number in (1, 2):
        run = stage.ended(watched, number)
        (told,) = stage.events(run, "turn.ended")
        assert told.data["end"] == "cancelled"
        with stage.database.session() as session:
            (step,) = [step for step in steps.of_run(session, run.id) if step.kind == "agent"]
        assert (step.state, step.ended_at is None) == ("stopped", False)
        with stage.browser() as browser:
            page = browser.get(f"/runs/{run.id}").text
        assert "Turn ended: cancelled" in page
        assert "agent error" not in page


def _watched(stage: Stage, phase: str) -> Watched:
    if phase == "run.waiting":
        stage.docker.away()
    cents = 0 if phase == "run.budget_exceeded" else 500
    return stage.watch(agent_command=AT_WORK, checks=[SLOW_CHECK], run_cents=cents)


def _published(stage: Stage, watched: Watched) -> set[object]:
    pulls = {pull.number for pull in stage.forge.pulls(watched.name)}
    return {*stage.forge.branches(watched.name).items(), *pulls}


def _assert_one_end(stage: Stage, watched: Watched, run: Run) -> None:
    """A pull request that came first is a completed run; nothing else is."""
    won = RunStatus.COMPLETED if stage.forge.pulls(watched.name) else RunStatus.CANCELLED
    assert run.status == won
    assert len(stage.events(run, "run.ended")) == 1
    headline = "has opened" if won is RunStatus.COMPLETED else "was told to stop"
    stage.until(lambda: headline in _comment(stage, watched), f"a comment that says {headline!r}")


def _comment(stage: Stage, watched: Watched) -> str:
    return "".join(comment.body for comment in stage.forge.issue(watched.name, 1).comments)
