"""The gateway's connections: what was committed on them is on disk when they say so."""

from __future__ import annotations

import psycopg
import pytest

from paid.errors import DatabaseError
from paid.gateway.lines import Line, persistently
from paid.store.database import Database

pytestmark = pytest.mark.anyio

INSERTED = "SELECT to_json(pg_current_wal_insert_lsn()::text)"
IS_ON_DISK = "SELECT to_json(pg_current_wal_flush_lsn() >= ($1::json #>> '{}')::pg_lsn)"


@pytest.fixture
def url(database: Database) -> str:
    return "postgresql://" + database.url.partition("://")[2]


async def test_after_a_flush_what_was_committed_without_waiting_is_on_disk(url: str) -> None:
    line = Line(url, waits_for_disk=False)
    try:
        for _ in range(5):
            await line.json("SELECT to_json(pg_current_xact_id()::text)")
            written = await line.json(INSERTED)
            await line.flush()
            assert await line.json(IS_ON_DISK, written)
    finally:
        await line.close()


async def test_a_line_is_good_again_after_a_refusal_and_after_its_server_hung_up(url: str) -> None:
    line = Line(url)
    try:
        with pytest.raises(psycopg.errors.DivisionByZero):
            await line.json("SELECT to_json(1 / ($1::json ->> 'by')::integer)", {"by": 0})
        assert await line.json("SELECT to_json(1 / ($1::json ->> 'by')::integer)", {"by": 1}) == 1
        with pytest.raises(psycopg.OperationalError):
            await line.json("SELECT to_json(pg_terminate_backend(pg_backend_pid()))")
        assert await line.json("SELECT $1::json", {"a": ["ä", None, 2**53]}) == {
            "a": ["ä", None, 2**53]
        }
    finally:
        await line.close()


async def test_what_the_database_refuses_is_not_asked_again(url: str) -> None:
    line, asked = Line(url), 0

    async def ask() -> None:
        nonlocal asked
        asked += 1
        await line.json("SELECT to_json(1 / 0)")

    try:
        with pytest.raises(DatabaseError):
            await persistently(ask)
    finally:
        await line.close()
    assert asked == 1
