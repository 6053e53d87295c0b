"""Light jobs decided in a transaction, handed over after it, done once.

A job is known by its key. Deciding it twice makes one row; delivering it twice finds the row locked
by whoever is doing it, and `done_at` set afterwards.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import CursorResult, delete, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from paid.models import Outbox
from paid.store import clock
from paid.store.events import without_nul

CHANNEL = "paid_outbox"
KEPT = timedelta(days=14)
"""How long a done job's row stays: a key comes back no later than this, or is a new job."""


def enqueue(session: Session, actor: str, arguments: dict[str, Any], key: str) -> bool:
    """Decide a job in this transaction; False when one of this key is there already."""
    statement = (
        insert(Outbox)
        .values(key=key, actor=actor, arguments=without_nul(arguments))
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(col(Outbox.id))
    )
    if session.connection().execute(statement).first() is None:
        return False
    session.connection().execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})
    return True


def unsent(session: Session, limit: int = 100) -> list[Outbox]:
    """Jobs to hand over, oldest first, locked against other relays until the transaction ends."""
    question = (
        select(Outbox)
        .where(col(Outbox.sent_at).is_(None))
        .order_by(col(Outbox.id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(session.exec(question))


def mark_sent(session: Session, jobs: list[Outbox]) -> None:
    """They were handed over. When this is rolled back they are handed over again."""
    session.connection().execute(
        update(Outbox).where(col(Outbox.id).in_([job.id for job in jobs])).values(sent_at=clock.NOW)
    )


def claim(session: Session, key: str) -> Outbox | None:
    """The job, for this transaction alone; None when it is done.

    Waits for whoever has it now: for the relay's record of the hand-over, or for a second
    delivery's work, after which there is nothing left to do.
    """
    question = (
        select(Outbox).where(Outbox.key == key, col(Outbox.done_at).is_(None)).with_for_update()
    )
    return session.exec(question).first()


def mark_done(session: Session, job: Outbox) -> None:
    """The work of this transaction was the job."""
    job.done_at = clock.now(session)
    session.add(job)


def forget_done(session: Session) -> int:
    """Delete the rows of jobs that were done long ago; returns how many."""
    gone: CursorResult[Any] = session.connection().execute(
        delete(Outbox).where(col(Outbox.done_at) < clock.NOW - KEPT)
    )
    return gone.rowcount
