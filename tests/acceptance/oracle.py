"""What must hold for a run whatever happened to it: one end, one effect, the exact bill."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import col, select

from paid.models import LedgerReservation, Run
from paid.store import events, ledger
from tests.acceptance.asking import asking
from tests.acceptance.stage import Stage, Watched

AGENT = asking(
    """
for n in range(3):
    print("step", n, flush=True)
    ask()
    time.sleep(0.2)
pathlib.Path("made.txt").write_text("made")
"""
)
SAID = ["step 0", "step 1", "step 2"]
"""What that agent says, and how often it asks a model."""


def completed_once(stage: Stage, watched: Watched, runs: Sequence[Run]) -> None:
    """Each run is a pull request, its agent ran once, and nothing is lost or left."""
    for run in runs:
        assert (run.status, run.error_message) == ("completed", ""), stage._told()
        for kind in ("run.ended", "agent.started", "step.started", "run.pull_request"):
            assert len(stage.events(run, kind)) == 1, (run.id, kind)
        said = [event.data["text"] for event in stage.events(run, "agent.message")]
        assert said == SAID, run.id
        stage.nothing_left(run)
    branches = stage.forge.branches(watched.name)
    assert branches.keys() - {"main"} == {run.branch for run in runs}
    pulls = stage.forge.pulls(watched.name)
    assert sorted(pull.head_ref for pull in pulls) == sorted(str(run.branch) for run in runs)


def books_are_right(stage: Stage, runs: Sequence[Run]) -> None:
    """The ledger is the vendor's bill, nothing is reserved any more, and no record was broken."""
    ids = [run.id for run in runs if run.id is not None]
    for run in runs:
        stage.settled(run)
    with stage.database.session() as session:
        spent = sum(cost.spent_microdollars for cost in ledger.run_costs(session, ids).values())
        open_ones = select(LedgerReservation).where(
            col(LedgerReservation.run_id).in_(ids), LedgerReservation.state == "open"
        )
        assert session.exec(open_ones).all() == []
        for run_id in ids:
            assert events.first_broken_link(session, events.run_chain(run_id)) is None
    assert spent == sum(entry.cost_microdollars or 0 for entry in stage.model.bill()) > 0
