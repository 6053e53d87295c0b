from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from paid.models import LedgerReservation
from paid.store import budgets, events, ledger, project_settings, tokens
from paid.store.database import Database
from paid.store.project_settings import ProjectChanges
from tests.ledger.rows import (
    account,
    add_issue,
    add_project,
    add_rows,
    add_run,
    item,
    reserve,
    settle,
    settlement,
)

CENT = 10_000


def test_a_reservation_counts_in_every_scope_until_it_is_settled(database: Database) -> None:
    rows = add_rows(database)
    asked = item(rows.run_id, 3 * CENT)
    with database.session() as session:
        assert reserve(session, asked)[0].outcome == "reserved"
        places = [
            ("run", rows.run_id, "total"),
            ("issue", rows.issue_id, "total"),
            *(("project", rows.project_id, window) for window in ("day", "week", "month")),
            *(("organisation", 1, window) for window in ("day", "week", "month")),
        ]
        for place in places:
            assert account(session, *place).reserved_microdollars == 3 * CENT
        assert settle(session, settlement(asked, CENT))[0].outcome == "settled"
        for place in places:
            found = account(session, *place)
            assert (found.spent_microdollars, found.reserved_microdollars) == (CENT, 0)


def test_what_would_pass_a_cap_is_refused_and_nothing_is_reserved(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, run_cents=10)
        answer = reserve(session, item(rows.run_id, 10 * CENT + 1))[0]
        assert (answer.outcome, answer.cap_scope, answer.cap_limit) == ("over", "run", 10 * CENT)
        assert account(session, "run", rows.run_id).reserved_microdollars == 0
        assert reserve(session, item(rows.run_id, 10 * CENT))[0].outcome == "reserved"


def test_a_cap_that_others_hold_for_now_is_told_apart_from_one_that_is_spent(
    database: Database,
) -> None:
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, run_cents=10)
        first = item(rows.run_id, 8 * CENT)
        reserve(session, first)
        assert reserve(session, item(rows.run_id, 5 * CENT))[0].outcome == "busy"
        settle(session, settlement(first, 8 * CENT))
        assert reserve(session, item(rows.run_id, 5 * CENT))[0].outcome == "over"


def test_items_of_one_call_count_against_each_other(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, run_cents=10)
        answers = reserve(session, *(item(rows.run_id, 4 * CENT) for _ in range(4)))
    assert [answer.outcome for answer in answers] == ["reserved", "reserved", "busy", "busy"]


def test_asking_twice_reserves_once_and_settling_twice_charges_once(database: Database) -> None:
    rows = add_rows(database)
    asked = item(rows.run_id, CENT)
    with database.session() as session:
        reserve(session, asked)
        assert reserve(session, asked)[0].outcome == "reserved"
        assert account(session, "run", rows.run_id).reserved_microdollars == CENT
        settle(session, settlement(asked, 700))
        assert settle(session, settlement(asked, 900))[0].outcome == "known"
        assert ledger.run_cost(session, rows.run_id).spent_microdollars == 700


def test_a_release_gives_everything_back_and_leaves_no_entry(database: Database) -> None:
    rows = add_rows(database)
    asked = item(rows.run_id, CENT)
    with database.session() as session:
        reserve(session, asked)
        assert settle(session, settlement(asked, None))[0].outcome == "released"
        assert account(session, "run", rows.run_id).reserved_microdollars == 0
        assert ledger.entries(session, rows.run_id) == []


def test_an_issue_pays_for_all_its_retries(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, issue_cents=10)
        first = item(rows.run_id, 7 * CENT)
        reserve(session, first)
        settle(session, settlement(first, 7 * CENT))
        session.connection().execute(
            text("UPDATE run SET ended_at = now(), status = 'failed' WHERE id = :id"),
            {"id": rows.run_id},
        )
        again = add_run(session, rows.project_id, rows.issue_id)
        answer = reserve(session, item(again, 4 * CENT))[0]
        assert (answer.outcome, answer.cap_scope) == ("over", "issue")


def test_the_organisation_caps_all_projects_together(database: Database) -> None:
    one, two = add_rows(database), add_rows(database)
    with database.session() as session:
        budgets.set_organisation_limits(session, week_cents=10)
        reserve(session, item(one.run_id, 6 * CENT))
        answer = reserve(session, item(two.run_id, 6 * CENT))[0]
    assert (answer.cap_scope, answer.cap_period) == ("organisation", "week")


def test_an_orphan_is_charged_whole_and_corrected_when_it_is_heard_of(database: Database) -> None:
    rows = add_rows(database)
    asked = item(rows.run_id, 9 * CENT, seconds=0)
    with database.session() as session:
        reserve(session, asked)
    with database.session() as session:
        assert _expire(session) == 1
        assert ledger.run_cost(session, rows.run_id).spent_microdollars == 9 * CENT
        assert ledger.entries(session, rows.run_id)[0].basis == "expired"
        settle(session, settlement(asked, 2 * CENT))
        found = account(session, "run", rows.run_id)
        assert (found.spent_microdollars, found.reserved_microdollars) == (2 * CENT, 0)
        assert _expire(session) == 0


def test_a_successor_charges_what_a_killed_gateway_left(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        reserve(session, item(rows.run_id, CENT), item(rows.run_id, CENT, owner="elsewhere"))
        assert _expire(session, "here") == 1
        assert ledger.run_cost(session, rows.run_id).reserved_microdollars == CENT


def test_a_lost_reservation_is_charged_all_the_same(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        settle(session, settlement(item(rows.run_id, 0), 5 * CENT))
        assert ledger.run_cost(session, rows.run_id).spent_microdollars == 5 * CENT


def test_a_revoked_token_cannot_reserve(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        digest = tokens.digest(tokens.issue(session, rows.run_id)).hex()
        good = reserve(session, item(rows.run_id, 1, token_hash=digest))
        tokens.revoke(session, rows.run_id)
        bad = reserve(session, item(rows.run_id, 1, token_hash=digest))
    assert [good[0].outcome, bad[0].outcome] == ["reserved", "revoked"]


def test_each_threshold_is_warned_of_once(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, run_cents=100, day_cents=None)
        _spend_evenly(session, rows.run_id)
        told = [warning["percent"] for warning in _warnings(session, rows.run_id)]
    assert told == [50, 80, 100]


def test_a_project_and_the_organisation_choose_their_own_thresholds(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        changes = ProjectChanges(warn_percents=[90, 25])
        project_settings.change(session, rows.project_id, changes, by="test")
        budgets.set_limits(session, rows.project_id, run_cents=100, day_cents=None)
        budgets.set_organisation_limits(session, month_cents=100)
        budgets.change_organisation(session, {}, warn_percents=[40], by="test")
        _spend_evenly(session, rows.run_id)
        told = [
            (warning["scope"], warning["percent"]) for warning in _warnings(session, rows.run_id)
        ]
    assert told == [("run", 25), ("organisation", 40), ("run", 90)]


def test_spenders_at_the_same_time_are_warned_once(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, run_cents=100, day_cents=None)
    start = Barrier(8)

    def spend() -> None:
        start.wait()
        for _ in range(3):
            asked = item(rows.run_id, 4 * CENT)
            with database.session() as session:
                reserve(session, asked)
            with database.session() as session:
                settle(session, settlement(asked, 4 * CENT))

    threads = [Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.session() as session:
        assert [each["percent"] for each in _warnings(session, rows.run_id)] == [50, 80]


def test_the_project_settles_in_the_day_in_which_it_reserved(database: Database) -> None:
    rows = add_rows(database, time_zone="America/New_York")
    evening = datetime(2026, 7, 2, 3, 59, tzinfo=UTC)  # 23:59 on the first, over there
    asked = item(rows.run_id, CENT)
    with database.session() as session:
        reserve(session, asked, at=evening)
        settle(session, settlement(asked, CENT), at=evening + timedelta(minutes=2))
        day = account(session, "project", rows.project_id, "day")
        assert str(day.starts_on) == "2026-07-01"
        assert day.ends_at == datetime(2026, 7, 2, 4, tzinfo=UTC)
        assert str(ledger.entries(session, rows.run_id)[0].day) == "2026-07-01"


@pytest.mark.parametrize(
    ("day", "hours"), [((2026, 3, 8), 23), ((2026, 11, 1), 25), ((2026, 6, 1), 24)]
)
def test_days_have_as_many_hours_as_the_clock_gives_them(
    database: Database, day: tuple[int, int, int], hours: int
) -> None:
    rows = add_rows(database, time_zone="America/New_York")
    noon = datetime(*day, 16, tzinfo=UTC)
    with database.session() as session:
        row = session.connection().execute(
            text("SELECT * FROM ledger_places(:run, :at) WHERE scope = 'project'"),
            {"run": rows.run_id, "at": noon},
        )
        window = next(found for found in row if found.period == "day")
        began = session.connection().execute(
            text("SELECT CAST(:d AS timestamp) AT TIME ZONE 'America/New_York'"),
            {"d": str(window.starts_on)},
        )
    assert window.ends_at - began.scalar_one() == timedelta(hours=hours)


def test_a_new_day_has_a_new_budget_and_the_old_one_stays(database: Database) -> None:
    rows = add_rows(database)
    noon = datetime(2026, 5, 5, 12, tzinfo=UTC)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, day_cents=10, run_cents=None)
        first = item(rows.run_id, 10 * CENT)
        reserve(session, first, at=noon)
        settle(session, settlement(first, 10 * CENT), at=noon)
        assert reserve(session, item(rows.run_id, 1), at=noon)[0].outcome == "over"
        tomorrow = noon + timedelta(days=1)
        assert reserve(session, item(rows.run_id, CENT), at=tomorrow)[0].outcome == "reserved"
        answer = reserve(session, item(rows.run_id, CENT), at=noon)[0]
        assert answer.outcome == "over", "a clock that steps back finds the old day as it was"


def test_writers_of_many_runs_neither_deadlock_nor_pass_the_cap(database: Database) -> None:
    with database.session() as session:
        project = add_project(session)
        runs = [add_run(session, project, add_issue(session, project)) for _ in range(6)]
        budgets.set_limits(session, project, day_cents=30, run_cents=None)
    barrier, outcomes = Barrier(12), []

    def work(nth: int) -> None:
        barrier.wait()
        for turn in range(5):
            order = runs if (nth + turn) % 2 else list(reversed(runs))
            asked = [item(run, CENT) for run in order]
            with database.session() as session:
                answers = reserve(session, *asked)
            outcomes.extend(answer.outcome for answer in answers)
            kept = {a.request for a in answers if a.outcome == "reserved"}
            with database.session() as session:
                settle(
                    session,
                    *(settlement(a, CENT) for a in asked if a["request_id"] in map(str, kept)),
                )

    threads = [Thread(target=work, args=(nth,)) for nth in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("reserved") == 30
    with database.session() as session:
        day = account(session, "project", project, "day")
        assert (day.spent_microdollars, day.reserved_microdollars) == (30 * CENT, 0)
        left = session.connection().execute(
            text("SELECT count(*) FROM ledger_reservation WHERE state = 'open'")
        )
        assert left.scalar_one() == 0
        assert session.get(LedgerReservation, 1) is not None


def _spend_evenly(session: Session, run_id: int) -> None:
    for _ in range(20):
        asked = item(run_id, 5 * CENT)
        reserve(session, asked)
        settle(session, settlement(asked, 5 * CENT))


def _warnings(session: Session, run_id: int) -> list[dict[str, Any]]:
    told = events.of_run(session, run_id)
    return [event.data for event in told if event.kind == "budget.warning"]


def _expire(session: object, owner: str | None = None) -> int:
    found = session.connection().execute(  # type: ignore[attr-defined]
        text("SELECT ledger_expire(:owner)"), {"owner": owner}
    )
    return int(found.scalar_one())
