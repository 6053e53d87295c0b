"""Temporal cannot be reached for a while: nothing answers and nothing breaks (fault 9).

The budget is PostgreSQL's and the gateway's affair, a cancel PostgreSQL's and the host's keeper's.
"""

from __future__ import annotations

from paid.containers.engine import DockerEngine
from paid.models import Run
from paid.store import project_settings
from paid.store.project_settings import ProjectChanges
from tests.acceptance.oracle import AGENT, books_are_right, completed_once
from tests.acceptance.stage import OWNER, Stage
from tests.acceptance.wired.installation import WiredStage


def test_without_temporal_agents_work_on_within_their_budget_and_can_be_cancelled(
    wired: WiredStage,
) -> None:
    wired.model.reset()
    watched = wired.watch(agent_command=AGENT, run_cents=1)
    for number in (1, 2):
        wired.forge.add_label(watched.name, number, "paid-build", actor=OWNER)
    kept, cancelled = wired.begun(watched, 1), wired.begun(watched, 2)
    for run in (kept, cancelled):
        wired.saw(run, "agent.started")
    wired.temporal.silence()
    for run in (kept, cancelled):
        wired.until(lambda run=run: _state(wired, run) == "paused", "a freeze at the cap")
    assert wired.model.bill() == []
    wired.cancel(cancelled)
    wired.until(lambda: _state(wired, cancelled) in ("exited", ""), "the cancelled agent's end")
    with wired.database.session() as session:
        project_settings.change(
            session, watched.project_id, ProjectChanges(run_cents=500), by="test", box=None
        )
    wired.until(lambda: _state(wired, kept) in ("exited", ""), "the agent's own end")
    wired.temporal.back()
    kept, cancelled = wired.ended(watched, 1), wired.ended(watched, 2)
    assert cancelled.status == "cancelled"
    wired.nothing_left(cancelled)
    completed_once(wired, watched, [kept])
    books_are_right(wired, [kept, cancelled])


def _state(stage: Stage, run: Run) -> str:
    """The agent's container as the engine has it; empty when it is gone."""
    facts = DockerEngine(stage.settings).inspect(f"paid-run-{run.id}-agent-1")
    return "" if facts is None else str(facts["State"]["Status"])
