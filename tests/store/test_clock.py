"""What PostgreSQL remembers means the same to a process whose host has another clock."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import text
from sqlmodel import select

from paid.contracts import RunStatus
from paid.errors import DockerUnavailableError
from paid.models import WebSession
from paid.models.ledger import BudgetLimit
from paid.store import budgets, clock, notifications, runs, sessions, waits
from paid.store.budgets import Limit
from paid.store.credentials import SecretBox
from paid.store.database import Database
from paid.store.runs import RunFacts
from tests.off_clock import Elsewhere, opened
from tests.store.rows import make_run as add_run

HOUR, HALF_AN_HOUR, MOMENT = timedelta(hours=1), timedelta(minutes=30), timedelta(minutes=5)
AWAY = DockerUnavailableError("Docker does not answer.", hint="Start it.")


def test_rows_are_dated_by_postgresql(database: Database, elsewhere: Elsewhere) -> None:
    facts = elsewhere.do(_made_and_ended, database.url)
    assert facts.run.started_at is not None
    assert facts.run.ended_at is not None
    moments = [facts.project.created_at, facts.issue.seen_at, facts.run.created_at,
               facts.run.started_at, facts.run.ended_at]  # fmt: skip
    assert moments == sorted(moments)
    with database.session() as session:
        assert all(timedelta(0) < clock.since(session, moment) < MOMENT for moment in moments)


def _made_and_ended(url: str) -> RunFacts:
    with opened(url) as database:
        run_id = add_run(database)
        with database.session() as session:
            runs.enter(session, run_id, RunStatus.PROVISIONING)
            runs.end(session, run_id, RunStatus.FAILED, "agent", "It broke.")
            return runs.facts(session, run_id)


def test_a_run_has_waited_for_as_long_on_every_host(
    database: Database, elsewhere: Elsewhere
) -> None:
    run_id = add_run(database)
    with database.session() as session:
        waits.note(session, run_id, AWAY, "here")
    assert timedelta(0) < elsewhere.do(_waited, database.url, run_id) < MOMENT


def _waited(url: str, run_id: int) -> timedelta:
    with opened(url) as database, database.session() as session:
        return waits.waited(session, run_id)


def test_a_raise_for_an_hour_lasts_an_hour_wherever_it_is_made(
    database: Database, elsewhere: Elsewhere
) -> None:
    run_id = add_run(database)
    elsewhere.do(_raise, database.url, 1, run_id)
    with database.session() as session:
        now = clock.now(session)
        ends = [row.raised_until for row in session.exec(select(BudgetLimit)) if row.raised_until]
    assert len(ends) == 2
    assert all(HOUR - MOMENT < end - now <= HOUR for end in ends)


def _raise(url: str, project_id: int, run_id: int) -> None:
    with opened(url) as database, database.session() as session:
        budgets.set_limits(session, project_id, day_cents=100)
        budgets.raise_for_a_while(session, project_id, "day", 900, HOUR)
        budgets.raise_run(session, run_id, 900, HOUR)


def test_every_host_shows_the_raises_that_hold_and_no_others(
    database: Database, elsewhere: Elsewhere
) -> None:
    add_run(database)
    with database.session() as session:
        for period in ("day", "week"):
            budgets.set_limits(session, 1, **{f"{period}_cents": 100})  # type: ignore[arg-type]
            budgets.raise_for_a_while(session, 1, period, 900, HALF_AN_HOUR)  # type: ignore[arg-type]
        session.connection().execute(
            text("UPDATE budget_limit SET raised_until = raised_until - interval '1 hour'"
                 " WHERE period = 'week'")
        )  # fmt: skip
    found = elsewhere.do(_limits, database.url, 1)
    assert (found["day"].raised_to_cents, found["week"].raised_to_cents) == (900, None)


def _limits(url: str, project_id: int) -> dict[str, Limit]:
    with opened(url) as database, database.session() as session:
        return budgets.limits(session, project_id)


def test_a_login_link_is_good_for_its_time_wherever_it_is_made_and_spent(
    database: Database, elsewhere: Elsewhere
) -> None:
    made = elsewhere.do(_links, database.url, HALF_AN_HOUR, -HALF_AN_HOUR)
    with database.session() as session:
        assert [sessions.sign_in(session, link) is not None for link in made] == [True, False]
        made = [sessions.new_login_link(session, span) for span in (HALF_AN_HOUR, -HALF_AN_HOUR)]
    assert elsewhere.do(_are_good, database.url, *made) == [True, False]


def _links(url: str, *spans: timedelta) -> list[str]:
    with opened(url) as database, database.session() as session:
        return [sessions.new_login_link(session, span) for span in spans]


def _are_good(url: str, *links: str) -> list[bool]:
    with opened(url) as database, database.session() as session:
        return [sessions.sign_in(session, link) is not None for link in links]


def test_a_session_ends_at_its_time_on_every_host(database: Database, elsewhere: Elsewhere) -> None:
    with database.session() as session:
        links = [sessions.new_login_link(session) for _ in range(2)]
    with database.session() as session:
        made = [sessions.sign_in(session, link) for link in links]
        good, ended = session.exec(select(WebSession)).all()
        good.expires_at = clock.now(session) + HALF_AN_HOUR
        ended.expires_at = clock.now(session) - HALF_AN_HOUR
    assert elsewhere.do(_are_known, database.url, *made) == [True, False]


def _are_known(url: str, *cookies: str) -> list[bool]:
    with opened(url) as database, database.session() as session:
        return [sessions.who(session, cookie) is not None for cookie in cookies]


def test_a_run_that_ended_is_recent_for_as_long_on_every_host(
    database: Database, elsewhere: Elsewhere
) -> None:
    lately, before = add_run(database, 1), add_run(database, 2)
    with database.session() as session:
        for run_id, ago in ((lately, HALF_AN_HOUR / 2), (before, HALF_AN_HOUR * 2)):
            run = runs.end(session, run_id, RunStatus.FAILED, "agent", "It broke.")
            run.ended_at = clock.now(session) - ago
    assert elsewhere.do(_recent, database.url, HALF_AN_HOUR) == {lately}


def _recent(url: str, span: timedelta) -> set[int]:
    with opened(url) as database, database.session() as session:
        return runs.live_or_ended_within(session, span)


def test_whoever_asks_for_news_hears_what_happens_from_then_on(
    database: Database, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    run_id = add_run(database)
    elsewhere.do(_subscribe, database.url, tmp_path / "secret.key")
    with database.session() as session:
        runs.end(session, run_id, RunStatus.FAILED, "agent", "It broke.")
    with database.session() as session:
        assert notifications.decide_news(session) == 1


def _subscribe(url: str, key_file: Path) -> None:
    with opened(url) as database, database.session() as session:
        notifications.add(
            session, SecretBox(key_file), "email", "maria@example.org", project_id=None, secret=""
        )


def test_news_of_a_day_is_news_on_every_host(
    database: Database, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    add_run(database)
    _subscribe(database.url, tmp_path / "secret.key")
    with database.session() as session:
        past = {"now": clock.now(session)}
        session.connection().execute(
            text("UPDATE notification_target SET created_at = created_at - interval '2 days'")
        )
        for ago in (timedelta(hours=23.5), timedelta(hours=24.5)):
            session.connection().execute(
                text("INSERT INTO event (chain, project_id, kind, data, at)"
                     " VALUES ('project:1', 1, 'project.added', '{}', :at)"),
                {"at": past["now"] - ago},
            )  # fmt: skip
    assert elsewhere.do(_decide, database.url) == 1


def _decide(url: str) -> int:
    with opened(url) as database, database.session() as session:
        return notifications.decide_news(session)
