"""Whether a run may go on, why not, and when it looks again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlmodel import Session

from paid.activities.record import RecordActivities
from paid.contracts import RunInput, RunPlan, RunStatus
from paid.store import budgets, events, holds
from paid.store.database import Database
from paid.store.estimates import Estimate
from tests.ledger.rows import Rows, add_rows
from tests.off_clock import Elsewhere, opened


def _check(database: Database, rows: Rows) -> RunPlan:
    return RecordActivities(database).check_budget(RunInput(rows.run_id))


def _hold(database: Database, rows: Rows, reason: str, until: datetime, **detail: object) -> None:
    with database.session() as session:
        session.connection().execute(
            text("SELECT run_hold_open(:run, :reason, :until, CAST(:detail AS jsonb))"),
            {"run": rows.run_id, "reason": reason, "until": until, "detail": json.dumps(detail)},
        )


def _said(session: Session, rows: Rows, kind: str) -> list[dict[str, object]]:
    told = events.of_run(session, rows.run_id)
    return [event.data for event in told if event.kind == kind]


def test_a_vendors_limit_is_slept_through_in_one_go(database: Database) -> None:
    rows = add_rows(database)
    _hold(database, rows, "quota", datetime.now(UTC) + timedelta(hours=5), vendor="openai")
    plan = _check(database, rows)
    assert (plan.allowed, plan.status) == (False, RunStatus.QUEUED)
    assert plan.reason == "The limit of OpenAI for this account is reached."
    assert plan.wait_seconds is not None
    assert 4.9 * 3600 < plan.wait_seconds <= 5 * 3600


def test_a_pause_is_as_long_on_a_host_whose_clock_is_off(
    database: Database, elsewhere: Elsewhere
) -> None:
    limited, poor = add_rows(database), add_rows(database)
    _hold(database, limited, "quota", datetime.now(UTC) + timedelta(minutes=90), vendor="openai")
    with database.session() as session:
        budgets.set_limits(session, poor.project_id, run_cents=0)
    plan = elsewhere.do(_check_elsewhere, database.url, limited)
    assert plan.wait_seconds == pytest.approx(90 * 60, abs=300)
    for _ in range(2):
        assert elsewhere.do(_check_elsewhere, database.url, poor).wait_seconds == 900


def _check_elsewhere(url: str, rows: Rows) -> RunPlan:
    with opened(url) as database:
        return _check(database, rows)


@pytest.mark.parametrize(("hours", "seconds"), [(0, 900), (1, 900), (10, 3600), (200, 72_000)])
def test_a_wait_for_money_looks_again_after_a_tenth_of_what_it_has_waited(
    database: Database, hours: float, seconds: float
) -> None:
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, run_cents=0)
    _check(database, rows)
    with database.session() as session:
        # the record takes inserts only, so the past is put in beside the present
        session.connection().execute(text("ALTER TABLE event DISABLE TRIGGER USER"))
        session.connection().execute(
            text("UPDATE event SET at = at - make_interval(hours => :h) WHERE run_id = :run"),
            {"h": hours, "run": rows.run_id},
        )
        session.connection().execute(text("ALTER TABLE event ENABLE TRIGGER USER"))
    plan = _check(database, rows)
    assert plan.status is RunStatus.BUDGET_EXCEEDED
    assert plan.wait_seconds == pytest.approx(seconds, rel=0.01)


def test_a_cap_of_a_day_ends_the_wait_with_the_day(database: Database) -> None:
    rows = add_rows(database, time_zone="Asia/Tokyo")
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, day_cents=0)
    plan = _check(database, rows)
    assert plan.reason == "The project's daily budget is used up."
    assert plan.wait_seconds is not None
    assert plan.wait_seconds <= 900
    with database.session() as session:
        (why,) = _said(session, rows, "run.budget_exceeded")
    assert "goes on by itself at" in str(why["reason"])
    assert "15:00 UTC" in str(why["reason"]), "midnight in Tokyo"


def test_the_likely_cost_is_recorded_once_before_anything_is_spent(database: Database) -> None:
    rows = add_rows(database)
    assert _check(database, rows).allowed
    assert _check(database, rows).allowed
    with database.session() as session:
        (said,) = _said(session, rows, "budget.estimate")
    assert said["runs"] == 0


@pytest.mark.parametrize(
    ("estimate", "said"),
    [
        (Estimate(0), "no estimate: the project has no history yet"),
        (Estimate(1, 5, 5, 5), "no estimate: 1 run of the project has ended so far"),
        (Estimate(4, 5, 6, 7), "no estimate: 4 runs of the project have ended so far"),
        (Estimate(14, 12, 20, 40), "likely $12 to $40, from 14 runs"),
    ],
)
def test_an_estimate_says_no_more_than_it_knows(estimate: Estimate, said: str) -> None:
    assert estimate.said(lambda money: f"${money}") == said


def test_a_limit_that_has_reset_is_remembered_for_the_turn_that_met_it(database: Database) -> None:
    rows = add_rows(database)
    began = datetime.now(UTC) - timedelta(seconds=5)
    _hold(database, rows, "quota", datetime.now(UTC) - timedelta(seconds=1), vendor="openai")
    with database.session() as session:
        assert holds.current(session, rows.run_id) is None
        assert holds.met_quota(session, rows.run_id, began)
        assert not holds.met_quota(session, rows.run_id, datetime.now(UTC) + timedelta(minutes=1))
