"""A short round of real kills; and the judge, tried by tampering with what the round has left."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from paid.chaos import gather
from paid.chaos.evidence import Evidence
from paid.chaos.judge import judge
from paid.chaos.plan import plan
from paid.chaos.round import Outcome, Round
from paid.chaos.stage import ROBOT, Stage
from paid.chaos.table import facts, markdown
from tests.acceptance.conftest import need_docker

pytestmark = pytest.mark.timeout(900)
SEED, KILLS, INTERVAL_SECONDS, AT_ONCE = 882, 7, 5.0, 3


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    need_docker()
    with tempfile.TemporaryDirectory(prefix="paid-chaos-") as place:
        folder = Path(place)
        folder.chmod(0o711)
        with Stage(folder, SEED, ("command", "command")) as stage:
            yield stage


@pytest.fixture(scope="module")
def outcome(stage: Stage) -> Outcome:
    """Its course is printed, for whoever reads that the test failed."""
    return Round(stage, AT_ONCE, INTERVAL_SECONDS, print).play(plan(SEED, KILLS))


def test_nothing_is_lost_doubled_stuck_or_left_after_a_short_round(outcome: Outcome) -> None:
    assert judge(outcome.evidence) == []
    assert sum(outcome.struck.values()) + outcome.fell_on_nothing == KILLS
    assert len(outcome.evidence.runs) >= AT_ONCE
    assert all(step.lines for run in outcome.evidence.runs for step in run.steps[:1])
    assert outcome.evidence.bill
    told = markdown(facts(outcome, [], SEED))
    assert "| **runs lost** | **0** |" in told


def _looked_at(stage: Stage) -> Evidence:
    return gather.gather(stage, {}, ())


def test_what_is_tampered_with_behind_the_round_is_found(stage: Stage, outcome: Outcome) -> None:
    """So the judge sees the real servers, too, and not only what a test hands to it."""
    assert outcome.evidence.runs
    before = set(judge(_looked_at(stage)))
    issue = stage.labelled[0]
    branch = next(
        name
        for name in stage.forge.branches(issue.repository)
        if name.startswith(f"paid/issue-{issue.number}-")
    )
    stage.forge.open_pull(issue.repository, ROBOT, "Once more", "", branch, "main")
    stage.engine.create_volume("paid-run-9999", 9999)
    (stage.data_dir / "workspaces" / "try-0000").mkdir()
    with stage.database.session() as session:
        for statement in (
            "DELETE FROM output WHERE id = (SELECT min(id) FROM output WHERE text LIKE '%line 1%')",
            "UPDATE ledger_entry SET amount_microdollars = amount_microdollars + 1"
            " WHERE id = (SELECT min(id) FROM ledger_entry WHERE basis = 'vendor')",
            "UPDATE step SET state = 'running' WHERE id = (SELECT min(id) FROM step)",
            "ALTER TABLE event DISABLE TRIGGER event_append_only",
            "DELETE FROM event WHERE id = (SELECT min(id) FROM event WHERE kind = 'run.host')",
        ):
            session.connection().execute(text(statement))
    found = set(judge(_looked_at(stage))) - before
    assert {it.wrong for it in found} >= {
        "doubled",
        "orphaned",
        "ledger",
        "lines",
        "chain",
        "stuck",
    }
    assert {it.subject for it in found if it.wrong == "orphaned"} == {
        "paid-run-9999",
        "workspaces/try-0000",
    }
