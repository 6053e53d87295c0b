from __future__ import annotations

import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from paid.errors import BadInputError
from paid.store import budgets, estimates, holds, ledger, pages, tokens
from paid.store.budgets import Limit
from paid.store.database import Database
from tests.ledger.rows import add_issue, add_rows, add_run, item, reserve, settle, settlement

CENT = 10_000


def _spend(session: object, run_id: int, cents: int, **values: object) -> None:
    asked = item(run_id, cents * CENT, **values)
    assert reserve(session, asked)[0].outcome == "reserved"
    settle(session, settlement(asked, cents * CENT, input_tokens=100, output_tokens=10))


def _hold(session: object, run_id: int, needed: int, until: str | None = None) -> None:
    session.connection().execute(  # type: ignore[attr-defined]
        text("SELECT run_hold_open(:run, 'budget', :until, CAST(:detail AS jsonb))"),
        {"run": run_id, "until": until, "detail": json.dumps({"needed_microdollars": needed})},
    )


def test_a_new_project_has_caps_before_anybody_sets_one(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        found = budgets.limits(session, rows.project_id)
    assert (found["run"], found["day"], found["week"]) == (Limit(500), Limit(2000), Limit(None))


def test_limits_that_are_not_named_stay_and_none_takes_one_away(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, run_cents=None, month_cents=7)
        found = budgets.limits(session, rows.project_id)
    assert (found["run"].cents, found["day"].cents, found["month"].cents) == (None, 2000, 7)


@pytest.mark.parametrize("cents", [-1, 10**15])
def test_an_amount_that_cannot_be_meant_is_refused(database: Database, cents: int) -> None:
    rows = add_rows(database)
    with database.session() as session, pytest.raises(BadInputError):
        budgets.set_limits(session, rows.project_id, day_cents=cents)


def test_a_raise_for_some_hours_ends_by_itself(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, day_cents=5)
        budgets.raise_for_a_while(session, rows.project_id, "day", 50, timedelta(hours=3))
        assert budgets.limits(session, rows.project_id)["day"].raised_to_cents == 50
        assert reserve(session, item(rows.run_id, 20 * CENT))[0].outcome == "reserved"
        session.connection().execute(
            text("UPDATE budget_limit SET raised_until = now() WHERE raised_until IS NOT NULL")
        )
        assert reserve(session, item(rows.run_id, CENT))[0].outcome in ("busy", "over")


def test_one_run_can_be_excepted_from_its_projects_cap(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, run_cents=5)
        budgets.raise_run(session, rows.run_id, 30)
        other = add_run(session, rows.project_id, add_issue(session, rows.project_id))
        assert reserve(session, item(rows.run_id, 30 * CENT))[0].outcome == "reserved"
        assert reserve(session, item(other, 6 * CENT))[0].outcome == "over"


def test_an_exception_never_caps_what_has_no_cap(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, run_cents=None)
        budgets.raise_run(session, rows.run_id, 1)
        assert reserve(session, item(rows.run_id, 900 * CENT))[0].outcome == "reserved"


def test_room_names_the_tightest_cap(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, run_cents=50, day_cents=20)
        room = budgets.room(session, rows.run_id)
        assert (room.allowed, room.microdollars, room.cap) == (True, 20 * CENT, "project day")
        _spend(session, rows.run_id, 20)
        assert budgets.room(session, rows.run_id).allowed is False


def test_a_run_without_any_cap_has_room_without_end(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, run_cents=None, day_cents=None)
        assert budgets.room(session, rows.run_id).microdollars is None


def test_raising_a_budget_lets_go_on_what_waited_for_it(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, run_cents=10)
        _spend(session, rows.run_id, 9)
        _hold(session, rows.run_id, 5 * CENT)
        held = holds.current(session, rows.run_id)
        assert held is not None
        assert held.reason == "budget"
        budgets.set_limits(session, rows.project_id, run_cents=12)
        assert holds.current(session, rows.run_id) is not None, "12 is not enough yet"
        budgets.raise_run(session, rows.run_id, 20, timedelta(hours=1))
        assert holds.current(session, rows.run_id) is None


def test_a_hold_ends_at_its_time(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, run_cents=1)
        _hold(session, rows.run_id, 5 * CENT, until="2020-01-01T00:00:00Z")
        assert holds.current(session, rows.run_id) is None
        assert holds.release(session, rows.run_id) is False


def test_a_run_that_ends_loses_its_token_and_its_hold(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        token = tokens.issue(session, rows.run_id)
        _hold(session, rows.run_id, 10**12)
        grant = text("SELECT count(*) FROM run_token_grant(:hash)")
        found = {"hash": tokens.digest(token)}
        assert session.connection().execute(grant, found).scalar_one() == 1
        session.connection().execute(
            text("UPDATE run SET ended_at = now(), status = 'failed' WHERE id = :id"),
            {"id": rows.run_id},
        )
        assert session.connection().execute(grant, found).scalar_one() == 0
        assert holds.release(session, rows.run_id) is False
        assert tokens.revoke(session, rows.run_id) == 0


def test_a_request_to_cancel_ends_the_token_at_once(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        tokens.issue(session, rows.run_id)
        session.connection().execute(
            text("UPDATE run SET cancel_requested_at = now() WHERE id = :id"), {"id": rows.run_id}
        )
        assert tokens.revoke(session, rows.run_id) == 0


def test_an_estimate_says_on_how_many_runs_it_rests(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        assert estimates.estimate(session, rows.project_id).runs == 0
        for cents in (1, 2, 3, 4, 100):
            run = add_run(session, rows.project_id, add_issue(session, rows.project_id))
            _spend(session, run, cents)
            session.connection().execute(
                text("UPDATE run SET ended_at = now(), status = 'failed' WHERE id = :id"),
                {"id": run},
            )
        found = estimates.estimate(session, rows.project_id)
    assert (found.runs, found.p50_microdollars, found.p90_microdollars) == (
        5,
        3 * CENT,
        100 * CENT,
    )


def test_pages_see_what_is_spent_reserved_and_allowed(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        _spend(session, rows.run_id, 3)
        reserve(session, item(rows.run_id, 4 * CENT))
        run = ledger.spent(session, "run", rows.run_id)["total"]
        day = ledger.spent(session, "project", rows.project_id)["day"]
        assert ledger.spent(session, "organisation", 1).keys() == {"day", "week", "month"}
        cost = ledger.run_cost(session, rows.run_id)
    assert (run.spent_microdollars, run.reserved_microdollars) == (3 * CENT, 4 * CENT)
    assert (run.limit_microdollars, day.limit_microdollars) == (500 * CENT, 2000 * CENT)
    assert (cost.input_tokens, cost.output_tokens, cost.requests) == (100, 10, 1)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_a_chart_ends_with_the_projects_own_today(database: Database, zone: str) -> None:
    rows = add_rows(database, time_zone=zone)
    before = datetime.now(ZoneInfo(zone)).date()
    with database.session() as session:
        _spend(session, rows.run_id, 3)
        days = pages.spend_by_day(session, rows.project_id, days=5)
    assert len(days) == 5
    assert days[-1].day in (before, datetime.now(ZoneInfo(zone)).date())
    assert [day.microdollars for day in days][-2:].count(3 * CENT) == 1
