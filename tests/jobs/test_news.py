"""From an event to a receiver, through outbox, queue and works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlmodel import select

from paid.contracts import RunStatus
from paid.errors import BadInputError, NotFoundError
from paid.jobs.__main__ import make_works
from paid.jobs.broker import JobQueue
from paid.jobs.relay import Relay
from paid.models import Credential, Event, Outbox
from paid.settings import Settings
from paid.store import events, notifications, outbox, runs
from paid.store.credentials import SecretBox
from paid.store.database import Database
from paid.store.events import NewEvent
from tests.jobs.conftest import MakeRun, Receiver
from tests.jobs.test_queue import QUICK
from tests.waiting import wait_until

SECRET = "a secret of sixteen and more"


@contextmanager
def job_runner(settings: Settings, database: Database) -> Iterator[None]:
    queue = JobQueue(database.url, make_works(settings, database).by_name(), QUICK)
    relay = Relay(database, queue.hand_over)
    queue.start()
    relay.start()
    try:
        yield
    finally:
        relay.stop()
        queue.stop()


def tell(database: Database, box: SecretBox, address: str, project_id: int | None = None) -> int:
    kind = "webhook" if "://" in address else "email"
    with database.session() as session:
        target = notifications.add(
            session, box, kind, address, project_id=project_id, secret=SECRET
        )
        assert target.id is not None
        return target.id


def end(database: Database, run_id: int) -> None:
    with database.session() as session:
        runs.end(session, run_id, RunStatus.FAILED, "agent", "It gave up.")


def test_the_end_of_a_run_is_told_once(
    settings: Settings,
    database: Database,
    box: SecretBox,
    make_run: MakeRun,
    receiver: Receiver,
) -> None:
    tell(database, box, receiver.url)
    run_id = make_run()
    with job_runner(settings, database):
        end(database, run_id)
        wait_until(lambda: bool(receiver.received))
        wait_until(lambda: all_done(database))
    with job_runner(settings, database):
        wait_until(lambda: all_done(database))
    (got,) = receiver.received
    assert got.json["event"] == "run.ended"
    assert got.json["run"]["status"] == "failed"
    assert got.json["issue"]["title"] == "Say hello"
    assert got.headers["x-paid-event"] == "run.ended"


def all_done(database: Database) -> bool:
    with database.session() as session:
        found = session.exec(select(Outbox)).all()
        return bool(found) and all(job.done_at is not None for job in found)


def test_a_receiver_that_is_busy_holds_up_no_other(
    settings: Settings,
    database: Database,
    box: SecretBox,
    make_run: MakeRun,
    receiver: Receiver,
) -> None:
    receiver.answers = [(503, {}), (503, {})]
    tell(database, box, receiver.url)
    tell(database, box, "maria@example.org")
    run_id = make_run()
    with job_runner(settings, database):
        end(database, run_id)
        wait_until(lambda: all_done(database))
    assert len({got.headers["x-paid-delivery"] for got in receiver.received}) == 1
    assert len(receiver.received) == 3
    with database.session() as session:
        refused = session.exec(select(Event).where(Event.kind == "notification.refused")).one()
    assert "PAID_SMTP_URL" in refused.data["why"]


def test_only_a_projects_own_news_go_to_its_receiver(
    database: Database, box: SecretBox, project_id: int
) -> None:
    tell(database, box, "maria@example.org", project_id)
    with database.session() as session:
        events.append_to_system(session, NewEvent("project.paused", {}))
        events.append_to_project(session, project_id, NewEvent("project.paused", {}))
        events.append_to_project(session, project_id, NewEvent("model.usage", {}))
    with database.session() as session:
        assert notifications.decide_news(session) == 1
        assert notifications.decide_news(session) == 0


def test_what_happened_before_somebody_asked_is_no_news(
    database: Database, box: SecretBox, project_id: int
) -> None:
    with database.session() as session:
        events.append_to_project(session, project_id, NewEvent("project.paused", {}))
    tell(database, box, "maria@example.org")
    with database.session() as session:
        assert notifications.decide_news(session) == 0


def test_an_event_that_commits_late_is_not_missed(
    database: Database, box: SecretBox, project_id: int
) -> None:
    tell(database, box, "maria@example.org")
    with database.session() as late:
        events.append_to_project(late, project_id, NewEvent("project.paused", {}))
        with database.session() as session:
            events.append_to_system(session, NewEvent("project.paused", {}))
        with database.session() as session:
            assert notifications.decide_news(session) == 1
    with database.session() as session:
        assert notifications.decide_news(session) == 1


def test_removing_a_target_forgets_its_secret(
    database: Database, box: SecretBox, receiver: Receiver
) -> None:
    target_id = tell(database, box, receiver.url)
    with database.session() as session:
        notifications.remove(session, target_id)
    with database.session() as session:
        assert session.exec(select(Credential)).all() == []
        with pytest.raises(NotFoundError):
            notifications.remove(session, target_id)


@pytest.mark.parametrize(
    ("kind", "address", "secret"),
    [
        ("webhook", "ftp://example.org", SECRET),
        ("webhook", "https://user:pass@example.org/", SECRET),
        ("webhook", "https://example.org/", "short"),
        ("email", "maria", ""),
        ("email", "maria@example.org\r\nBcc: x@example.org", ""),
    ],
)
def test_other_addresses_are_refused(
    database: Database, box: SecretBox, kind: str, address: str, secret: str
) -> None:
    with database.session() as session, pytest.raises(BadInputError):
        notifications.add(session, box, kind, address, project_id=None, secret=secret)


def test_done_jobs_are_forgotten_after_their_time(database: Database) -> None:
    with database.session() as session:
        outbox.enqueue(session, "roll_up", {}, "old")
        job = outbox.claim(session, "old")
        assert job is not None
        outbox.mark_done(session, job)
        assert job.done_at is not None
        job.done_at -= outbox.KEPT * 2
    with database.session() as session:
        assert outbox.forget_done(session) == 1
