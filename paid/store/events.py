"""What is asked of the event table: add, read on from somewhere, and check the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, col, select

from paid.models import Event

CHANNEL = "paid_events"
OUTPUT_CHANNEL = "paid_output"
SYSTEM = "system"


@dataclass(frozen=True)
class NewEvent:
    """An event to add. `data` is JSON; texts of strangers in it are data, never markup."""

    kind: str
    data: dict[str, Any] = field(default_factory=dict)


def run_chain(run_id: int) -> str:
    """The chain of one run's events."""
    return f"run:{run_id}"


def append_to_run(session: Session, run_id: int, project_id: int, *events: NewEvent) -> None:
    """Add events to a run's chain, in one statement, so that listeners wake once."""
    _insert(session, run_chain(run_id), events, run_id=run_id, project_id=project_id)


def append_to_project(session: Session, project_id: int, *events: NewEvent) -> None:
    """Add events to a project's chain."""
    _insert(session, f"project:{project_id}", events, run_id=None, project_id=project_id)


def append_to_system(session: Session, *events: NewEvent) -> None:
    """Add events that belong to no project."""
    _insert(session, SYSTEM, events, run_id=None, project_id=None)


def of_run(session: Session, run_id: int, after_seq: int = 0, limit: int = 500) -> list[Event]:
    """A run's events after a place in its chain, oldest first, at most `limit`.

    By `seq`, not by `id`: an insert takes its id before it waits for its place in the chain, so
    that ids of one run may be out of order, and a reader who goes by them could miss one.
    """
    question = (
        select(Event)
        .where(Event.chain == run_chain(run_id), col(Event.seq) > after_seq)
        .order_by(col(Event.seq))
        .limit(limit)
    )
    return list(session.exec(question))


def after(session: Session, after_id: int, limit: int = 500) -> list[Event]:
    """All events after `after_id`, oldest first, at most `limit`."""
    question = select(Event).where(col(Event.id) > after_id).order_by(col(Event.id)).limit(limit)
    return list(session.exec(question))


def newest(session: Session, run_id: int, kind: str, since: datetime) -> Event | None:
    """The run's newest event of a kind that is not older than `since`."""
    question = select(Event).where(
        Event.run_id == run_id, Event.kind == kind, col(Event.at) >= since
    )
    return session.exec(question.order_by(col(Event.seq).desc()).limit(1)).first()


def of_kind(session: Session, run_id: int, kind: str) -> list[Event]:
    """The run's events of a kind, oldest first."""
    question = select(Event).where(Event.run_id == run_id, Event.kind == kind)
    return list(session.exec(question.order_by(col(Event.seq))))


def last_id(session: Session) -> int:
    """The newest event's id, or 0."""
    found = session.exec(select(Event.id).order_by(col(Event.id).desc()).limit(1)).first()
    return found or 0


_BROKEN = text(
    """
    SELECT seq FROM (
        SELECT seq, hash, prev_hash,
               event_digest(prev_hash, chain, seq, kind, at, data) AS expected,
               lag(hash, 1, ''::bytea) OVER (ORDER BY seq) AS before,
               row_number() OVER (ORDER BY seq) AS place
        FROM event WHERE chain = :chain
    ) AS linked
    WHERE hash <> expected OR prev_hash <> before OR seq <> place
    ORDER BY seq LIMIT 1
    """
)


def first_broken_link(session: Session, chain: str) -> int | None:
    """The `seq` of the first event of a chain that was altered or removed; None when whole."""
    row = session.connection().execute(_BROKEN, {"chain": chain}).first()
    return None if row is None else int(row[0])


def _insert(
    session: Session,
    chain: str,
    events: Sequence[NewEvent],
    *,
    run_id: int | None,
    project_id: int | None,
) -> None:
    if not events:
        return
    rows = [
        {
            "chain": chain,
            "run_id": run_id,
            "project_id": project_id,
            "kind": event.kind,
            "data": without_nul(event.data),
        }
        for event in events
    ]
    session.connection().execute(_TABLE.insert().values(rows))


_TABLE = Event.__table__  # type: ignore[attr-defined]


def without_nul(value: Any) -> Any:
    """JSON without what PostgreSQL cannot hold: NUL and lone surrogates become U+FFFD."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(str(key)): without_nul(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nul(item) for item in value]
    return value


def storable(value: str) -> str:
    """Text that PostgreSQL accepts."""
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
