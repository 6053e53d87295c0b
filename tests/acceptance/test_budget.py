"""A cap in the middle of a run: the container is frozen, then freed; a higher cap lets it go on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from paid.containers.engine import DockerEngine
from paid.contracts import RunStatus
from paid.models import Run
from paid.models.ledger import ORGANISATION
from paid.store import ledger, project_settings
from paid.store.project_settings import ProjectChanges
from tests.acceptance.asking import asking
from tests.acceptance.stage import OWNER, Stage, Watched
from tests.acceptance.test_scenarios import QUICKLY

ASKS_A_MODEL = """
note = pathlib.Path("note.txt")
note.write_text(note.read_text() + "again" if note.exists() else "begun ")
print("asking", flush=True)
answer = ask()
pathlib.Path("answer.txt").write_text(answer["status"])
print("answered", flush=True)
"""
ASKS = {"agent_command": asking(ASKS_A_MODEL)}
NO_CAPS: dict[str, object] = {"run_cents": None, "daily_cents": None}


@pytest.fixture
def impatient(server_folder: Path, installation: Stage) -> Iterator[Stage]:
    """An installation that frees a frozen container after some seconds, not after 90."""
    stage = Stage(server_folder / "impatient", hold_grace_seconds=8)
    yield stage
    stage.close()


def test_a_request_over_the_cap_freezes_the_run_until_the_cap_is_raised(stage: Stage) -> None:
    watched, run, billed_before = _frozen(stage, run_cents=1)
    with stage.database.session() as session:
        project_settings.change(
            session, watched.project_id, ProjectChanges(run_cents=500), by="test", box=None
        )
    _goes_on_in_its_container(stage, watched, run, billed_before)


def test_a_frozen_run_goes_on_when_its_worker_is_killed_before_the_cap_is_raised(
    stage: Stage,
) -> None:
    """The next worker finds a frozen container, and nothing that holds the run any more."""
    watched, run, billed_before = _frozen(stage, run_cents=1)
    stage.kill("worker", signal.SIGKILL)
    with stage.database.session() as session:
        changes = ProjectChanges(run_cents=500)
        project_settings.change(session, watched.project_id, changes, by="test", box=None)
    _goes_on_in_its_container(stage, watched, run, billed_before)


@pytest.mark.parametrize("cap", ["issue_cents", "weekly_cents"])
def test_the_cap_that_holds_a_run_is_raised_for_good_by_one_command(stage: Stage, cap: str) -> None:
    held = _frozen(stage, **(NO_CAPS | {cap: 1}))
    _raise(stage, held[1], "--cents", "900")
    _goes_on_in_its_container(stage, *held)


def test_the_organisations_cap_is_raised_by_the_same_command(stage: Stage) -> None:
    with _capped_organisation(stage):
        held = _frozen(stage, **NO_CAPS)
        _raise(stage, held[1], "--cents", "100000")
        _goes_on_in_its_container(stage, *held)


def test_a_freed_run_goes_on_in_its_workspace_when_the_projects_cap_is_raised_for_hours(
    impatient: Stage,
) -> None:
    watched = impatient.watch(**ASKS, **(NO_CAPS | {"daily_cents": 1}))  # type: ignore[arg-type]
    impatient.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = impatient.in_status(watched, RunStatus.BUDGET_EXCEEDED)
    assert [event.data["end"] for event in impatient.events(run, "turn.ended")] == ["budget"]
    engine = DockerEngine(impatient.settings)
    assert run.id not in {owned.run_id for owned in engine.owned()}
    assert run.id in {volume.run_id for volume in engine.owned_volumes()}
    impatient.until(lambda: _comment(impatient, watched, "project's daily budget"), "the comment")
    assert "by itself at" in _comment(impatient, watched, "project's daily budget")
    _raise(impatient, run, "--cents", "900", "--hours", "2")
    ended = impatient.ended(watched)
    assert (ended.status, ended.error_message) == ("completed", "")
    assert impatient.file(watched, str(ended.branch), "note.txt") == "begun again"
    _paid_what_was_billed(impatient, run, 0)
    raised = impatient.saw(run, "run.budget_raised").data
    assert (raised["scope"], raised["period"], raised["hours"]) == ("project", "day", 2)


def test_a_run_that_could_not_begin_does_when_its_project_may_spend_more(stage: Stage) -> None:
    watched = stage.watch(agent_command=QUICKLY, daily_cents=0)
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.in_status(watched, RunStatus.BUDGET_EXCEEDED)
    _do(stage, "budget", "set", watched.name, "--daily-cents", "300")
    assert stage.ended(watched).status == "completed"
    assert len(stage.events(run, "agent.started")) == 1


def test_what_a_run_will_likely_cost_is_said_before_it_starts(stage: Stage) -> None:
    watched = stage.watch(**ASKS)  # type: ignore[arg-type]
    for number in (1, 2):
        stage.forge.add_label(watched.name, number, "paid-build", actor=OWNER)
        stage.ended(watched, number)
    run = stage.begun(watched, 2)
    kinds = [event.kind for event in stage.events(run)]
    assert kinds.count("budget.estimate") == 1
    assert kinds.index("budget.estimate") < kinds.index("agent.started")
    assert stage.saw(run, "budget.estimate").data["runs"] == 1
    assert "1 run of the project has ended" in _do(stage, "logs", str(run.id))


def _frozen(stage: Stage, **caps: object) -> tuple[Watched, Run, int]:
    watched = stage.watch(**ASKS, **caps)  # type: ignore[arg-type]
    billed_before = len(stage.model.bill())
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.begun(watched)
    stage.saw(run, "budget.hold")
    stage.until(lambda: _paused(stage, run), "the container's pause")
    assert len(stage.model.bill()) == billed_before
    return watched, run, billed_before


def _paused(stage: Stage, run: Run) -> bool:
    facts = DockerEngine(stage.settings).inspect(f"paid-run-{run.id}-agent-1")
    return facts is not None and bool(facts["State"]["Paused"])


def _goes_on_in_its_container(stage: Stage, watched: Watched, run: Run, billed_before: int) -> None:
    ended = stage.ended(watched)
    assert (ended.status, ended.error_message) == ("completed", "")
    assert len(stage.events(run, "step.started")) == 1
    _paid_what_was_billed(stage, run, billed_before)


def _paid_what_was_billed(stage: Stage, run: Run, billed_before: int) -> None:
    billed = stage.model.bill()[billed_before:]
    cost = stage.settled(run)
    assert cost.spent_microdollars == sum(entry.cost_microdollars or 0 for entry in billed) > 0


def _raise(stage: Stage, run: Run, *options: str) -> None:
    _do(stage, "budget", "raise", str(run.id), *options)


def _do(stage: Stage, *argv: str) -> str:
    done = stage.command(*argv)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def _capped_organisation(stage: Stage) -> Iterator[None]:
    """The organisation has spent what it may: not a cent more than before."""
    with stage.database.session() as session:
        spent = ledger.spent(session, "organisation", ORGANISATION)["month"].spent_microdollars
    cents = spent // 10_000 + 1
    _do(stage, "budget", "set", "--monthly-cents", str(cents))
    try:
        yield
    finally:
        _do(stage, "budget", "set", "--monthly-cents", "none")


def _comment(stage: Stage, watched: Watched, words: str) -> str:
    bodies = [comment.body for comment in stage.forge.issue(watched.name, 1).comments]
    return next((body for body in bodies if words in body), "")
