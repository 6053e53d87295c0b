"""Jobs are decided with their transaction and done once."""

from __future__ import annotations

import threading
import time

import pytest
from sqlmodel import select

from paid.jobs.relay import Relay
from paid.models import Outbox
from paid.store import outbox
from paid.store.database import Database
from tests.waiting import wait_until


class Refused(Exception):
    """The queue does not answer."""


def test_a_key_is_decided_once(database: Database) -> None:
    with database.session() as session:
        assert outbox.enqueue(session, "roll_up", {}, "k")
        assert not outbox.enqueue(session, "roll_up", {}, "k")
    with database.session() as session:
        assert not outbox.enqueue(session, "roll_up", {"other": 1}, "k")
        assert len(session.exec(select(Outbox)).all()) == 1


def test_a_transaction_that_fails_decides_nothing(database: Database) -> None:
    def decide_and_fail() -> None:
        with database.session() as session:
            outbox.enqueue(session, "roll_up", {}, "k")
            raise Refused

    with pytest.raises(Refused):
        decide_and_fail()
    with database.session() as session:
        assert session.exec(select(Outbox)).all() == []


def test_the_relay_hands_over_each_job_once(database: Database) -> None:
    handed: list[tuple[str, str]] = []
    relay = Relay(database, lambda actor, key: handed.append((actor, key)))
    with database.session() as session:
        for number in range(250):
            outbox.enqueue(session, "roll_up", {}, f"k{number}")
    assert relay.carry() == 250
    assert relay.carry() == 0
    assert [key for _, key in handed] == [f"k{number}" for number in range(250)]


def test_what_the_queue_refuses_is_handed_over_again(database: Database) -> None:
    handed: list[str] = []

    def hand_over(actor: str, key: str) -> None:
        handed.append(key)
        if len(handed) == 2:
            raise Refused

    relay = Relay(database, hand_over)
    with database.session() as session:
        for key in ("a", "b"):
            outbox.enqueue(session, "roll_up", {}, key)
    with pytest.raises(Refused):
        relay.carry()
    relay.carry()
    assert handed == ["a", "b", "a", "b"]


def test_the_relay_hears_of_a_job_and_need_not_look(database: Database) -> None:
    handed: list[str] = []
    relay = Relay(database, lambda _actor, key: handed.append(key), look_seconds=3600)
    relay.start()
    try:
        for number in range(3):  # it looks once when it begins; the second and third it must hear
            with database.session() as session:
                outbox.enqueue(session, "roll_up", {}, f"k{number}")
            wait_until(lambda number=number: f"k{number}" in handed, "the hand-over")
    finally:
        relay.stop()


def test_two_deliveries_at_once_do_the_work_once(database: Database) -> None:
    done: list[str] = []
    with database.session() as session:
        outbox.enqueue(session, "roll_up", {}, "k")

    def deliver() -> None:
        with database.session() as session:
            job = outbox.claim(session, "k")
            if job is None:
                return
            time.sleep(0.2)
            done.append(job.key)
            outbox.mark_done(session, job)

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == ["k"]


def test_a_delivery_waits_for_the_record_of_its_hand_over(database: Database) -> None:
    """The queue is quicker than the relay's commit; the job must not be taken for another's."""
    with database.session() as session:
        outbox.enqueue(session, "roll_up", {}, "k")
    claimed: list[bool] = []

    def deliver() -> None:
        with database.session() as session:
            claimed.append(outbox.claim(session, "k") is not None)

    with database.session() as session:
        jobs = outbox.unsent(session)
        thread = threading.Thread(target=deliver)
        thread.start()
        time.sleep(0.2)
        assert claimed == []
        outbox.mark_sent(session, jobs)
    thread.join()
    assert claimed == [True]


def test_work_that_fails_is_not_done(database: Database) -> None:
    with database.session() as session:
        outbox.enqueue(session, "roll_up", {}, "k")

    def work_and_fail() -> None:
        with database.session() as session:
            job = outbox.claim(session, "k")
            assert job is not None
            outbox.mark_done(session, job)
            raise Refused

    with pytest.raises(Refused):
        work_and_fail()
    with database.session() as session:
        assert outbox.claim(session, "k") is not None
