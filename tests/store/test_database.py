"""What the pool of connections promises beyond SQLAlchemy's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from paid.errors import DatabaseError
from paid.store.database import Database, let_wait
from tests.waiting import wait_until

HELD = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
TAKE = text("SELECT pg_advisory_xact_lock(26)")


def test_who_is_frozen_in_the_middle_of_a_transaction_keeps_nobody_waiting(
    database: Database, database_url: str
) -> None:
    frozen = Database(database_url, idle_seconds=0.2)
    with pytest.raises(DatabaseError):
        _freeze(frozen, lambda: _held(database) == 0)
    frozen.close()


def test_a_transaction_that_waits_for_something_outside_may_be_idle(
    database: Database, database_url: str
) -> None:
    patient = Database(database_url, idle_seconds=0.5)
    with patient.session() as session:
        let_wait(session)
        session.connection().execute(TAKE)
        with database.session() as other:
            other.connection().execute(text("SELECT pg_sleep(1)"))
        assert _held(database) == 1
    patient.close()


def _freeze(frozen: Database, ended: Callable[[], bool]) -> None:
    with frozen.session() as session:
        session.connection().execute(TAKE)
        wait_until(ended, "the end of the frozen transaction")


def _held(database: Database) -> int:
    with database.session() as session:
        return int(session.connection().execute(HELD).scalar_one())
