"""What no vendor counted: told apart, kept out of estimates, and mild where a gateway died."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from paid.models import Run
from paid.store import budgets, clock, estimates, events, exports, holds, ledger
from paid.store.database import Database
from tests.ledger.rows import (
    Rows,
    account,
    add_issue,
    add_rows,
    add_run,
    item,
    reserve,
    settle,
    settlement,
)

DOLLAR = 1_000_000
RUN_CAP = 5 * DOLLAR
"""The default."""


def _expire(session: Session, owner: str = "here") -> int:
    found = session.connection().execute(text("SELECT ledger_expire(:o)"), {"o": owner})
    return int(found.scalar_one())


def crash(session: Session, run_id: int, amount: int) -> dict[str, Any]:
    """A request in flight when its gateway was killed."""
    asked = item(run_id, amount)
    assert reserve(session, asked)[0].outcome == "reserved"
    assert _expire(session) == 1
    return asked


@pytest.mark.parametrize("amount", [4_050_000, RUN_CAP])
def test_a_single_crash_freezes_no_run_at_its_default_cap(database: Database, amount: int) -> None:
    rows = add_rows(database)
    with database.session() as session:
        crash(session, rows.run_id, amount)
        assert ledger.run_cost(session, rows.run_id).spent_microdollars == amount
        assert budgets.room(session, rows.run_id).microdollars == RUN_CAP
        again = item(rows.run_id, amount)
        assert reserve(session, again)[0].outcome == "reserved"
        settle(session, settlement(again, 40_000))
        assert reserve(session, item(rows.run_id, 900_000))[0].outcome == "reserved"


def test_what_is_confirmed_still_keeps_the_cap_after_a_crash(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        crash(session, rows.run_id, 4 * DOLLAR)
        spent = item(rows.run_id, 3 * DOLLAR)
        reserve(session, spent)
        settle(session, settlement(spent, 3 * DOLLAR))
        found = reserve(session, item(rows.run_id, 2 * DOLLAR), item(rows.run_id, 1))
        assert [row.outcome for row in found] == ["reserved", "busy"]
        assert (found[1].cap_spent, found[1].cap_limit) == (3 * DOLLAR, RUN_CAP)


def test_crash_after_crash_a_run_may_pass_its_cap_by_one_cap_at_most(database: Database) -> None:
    """Whoever finds a way to kill the gateway gains no more than that."""
    rows = add_rows(database)
    with database.session() as session:
        crash(session, rows.run_id, 4 * DOLLAR)
        crash(session, rows.run_id, 4 * DOLLAR)
        assert budgets.room(session, rows.run_id).microdollars == 2 * DOLLAR
        crash(session, rows.run_id, 2 * DOLLAR)
        refused = reserve(session, item(rows.run_id, 1))[0]
        assert (refused.outcome, refused.cap_scope) == ("over", "run")
        assert not budgets.room(session, rows.run_id).allowed


@pytest.mark.parametrize("basis", ["estimated", "partial"])
def test_what_a_client_cut_itself_holds_its_cap_in_full(database: Database, basis: str) -> None:
    """An agent cannot kill the gateway, but it can hang up."""
    rows = add_rows(database)
    with database.session() as session:
        asked = item(rows.run_id, 4 * DOLLAR)
        reserve(session, asked)
        settle(session, settlement(asked, 4 * DOLLAR, basis=basis))
        assert reserve(session, item(rows.run_id, 2 * DOLLAR))[0].outcome == "over"


def test_a_hold_ends_when_what_was_expired_is_corrected(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        crashed = [crash(session, rows.run_id, 5 * DOLLAR) for _ in range(2)]
        session.connection().execute(
            text("SELECT run_hold_open(:run, 'budget', NULL, CAST(:detail AS jsonb))"),
            {"run": rows.run_id, "detail": json.dumps({"needed_microdollars": DOLLAR})},
        )
        assert holds.current(session, rows.run_id) is not None
        settle(session, settlement(crashed[0], 30_000))
        assert holds.current(session, rows.run_id) is None


def test_the_accounts_say_how_much_is_an_upper_bound(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        crashed = crash(session, rows.run_id, 4 * DOLLAR)
        _spend(session, rows.run_id, 30_000)
        _spend(session, rows.run_id, 50_000, basis="partial")
        found = account(session, "project", rows.project_id, "day")
        assert (found.estimated_microdollars, found.unconfirmed_microdollars) == (
            4 * DOLLAR + 50_000, 4 * DOLLAR,
        )  # fmt: skip
        assert ledger.run_cost(session, rows.run_id).estimated_microdollars == 4_050_000
        day = ledger.spent(session, "project", rows.project_id)["day"]
        assert day.estimated_microdollars == 4_050_000
        settle(session, settlement(crashed, 20_000))
        found = account(session, "run", rows.run_id)
        assert (found.estimated_microdollars, found.unconfirmed_microdollars) == (50_000, 0)
        assert found.spent_microdollars == 100_000


def test_exports_tell_what_is_estimated(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        crash(session, rows.run_id, 4 * DOLLAR)
        _spend(session, rows.run_id, 30_000)
        for by in exports.GROUPS:
            (row,) = exports.table(session, by, project_id=rows.project_id).rows
            assert (row["requests"], row["estimated_requests"]) == (2, 1)
            assert (row["amount_microdollars"], row["estimated_microdollars"]) == (
                4_030_000, 4_000_000,
            )  # fmt: skip


def test_an_upper_bound_does_not_raise_what_the_next_run_is_said_to_cost(
    database: Database,
) -> None:
    rows = add_rows(database)
    with database.session() as session:
        for _ in range(6):
            run = _ended(session, rows)
            _spend(session, run, 40_000)
        crash(session, run, 4 * DOLLAR)
        _spend(session, run, 3 * DOLLAR, basis="estimated")
        only_bounds = _ended(session, rows)
        crash(session, only_bounds, 4 * DOLLAR)
        found = estimates.estimate(session, rows.project_id)
    assert (found.runs, found.p90_microdollars) == (6, 40_000)


def test_warnings_are_about_what_is_confirmed(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        crash(session, rows.run_id, 4 * DOLLAR)
        _spend(session, rows.run_id, 2_600_000)
        told = [
            event.data
            for event in events.of_run(session, rows.run_id)
            if event.kind == "budget.warning" and event.data["scope"] == "run"
        ]
    assert [(each["percent"], each["spent_microdollars"]) for each in told] == [(50, 2_600_000)]


def _spend(session: Session, run_id: int, amount: int, basis: str = "vendor") -> None:
    asked = item(run_id, amount)
    reserve(session, asked)
    settle(session, settlement(asked, amount, basis=basis))


def _ended(session: Session, rows: Rows) -> int:
    run_id = add_run(session, rows.project_id, add_issue(session, rows.project_id))
    run = session.get_one(Run, run_id)
    run.ended_at, run.status = clock.now(session), "no_changes"
    session.flush()
    return run_id
