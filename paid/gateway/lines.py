"""Connections to PostgreSQL for a process that asks few questions, and those often."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from paid.errors import DatabaseError

Connection = psycopg.AsyncConnection[dict[str, Any]]
Pool = AsyncConnectionPool[Connection]
Result = TypeVar("Result")

ATTEMPTS = 4


class RefusedByDatabaseError(DatabaseError):
    """Raised when PostgreSQL answers and refuses: asking the same again will not help."""

    retryable = False


# A commit that waits for the disk takes along all that were made before it; one that wrote nothing
# does not wait.
_FLUSH = (
    "SELECT to_json(pg_logical_emit_message(true, 'paid', '')::text)"
    " FROM set_config('synchronous_commit', 'on', true)"
)


class Line:
    """A connection for one kind of question, asked one at a time; made again when it breaks.

    Where `waits_for_disk` is false, a commit is seen by everybody at once and on disk soon after.
    """

    def __init__(self, url: str, *, waits_for_disk: bool = True) -> None:
        self._url = url
        self._options = "" if waits_for_disk else "-c synchronous_commit=off"
        self._connection: Connection | None = None
        self._prepared: dict[str, bytes] = {}

    async def rows(self, question: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
        """The answer's rows. Raises psycopg.Error."""

        async def ask(connection: Connection) -> list[dict[str, Any]]:
            cursor = await connection.execute(question, values)
            return await cursor.fetchall()

        return await self._on_connection(ask)

    async def json(self, question: str, *values: Any) -> Any:
        """The one value of the answer; parameters and answer are JSON. Raises psycopg.Error.

        psycopg's cursors take as long as PostgreSQL does, and every request waits for this.
        """
        parameters = [json.dumps(value).encode() for value in values]

        async def ask(connection: Connection) -> Any:
            if question not in self._prepared:
                name = f"q{len(self._prepared)}".encode()
                connection.pgconn.send_prepare(name, question.encode())
                await _result(connection.pgconn)
                self._prepared[question] = name
            connection.pgconn.send_query_prepared(self._prepared[question], parameters)
            return json.loads((await _result(connection.pgconn)).get_value(0, 0) or b"null")

        return await self._on_connection(ask)

    async def _on_connection(self, ask: Callable[[Connection], Awaitable[Result]]) -> Result:
        """After a lost connection, or an answer that nobody waited for, the next one is new."""
        connection = await self._opened()
        try:
            return await ask(connection)
        except psycopg.errors.DeadlockDetected:
            raise
        except (psycopg.OperationalError, asyncio.CancelledError):
            await connection.close()
            raise

    async def _opened(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._prepared.clear()
            self._connection = await psycopg.AsyncConnection.connect(
                self._url,
                autocommit=True,
                row_factory=dict_row,
                prepare_threshold=0,
                options=self._options,
            )
        return self._connection

    async def flush(self) -> None:
        """Wait until what was committed here is on disk, with its locks given back already.

        On the connection that committed it, if it still is there: a server that crashed in between
        raises psycopg.OperationalError, and the caller asks all of it again.
        """
        await self.json(_FLUSH)

    async def close(self) -> None:
        """Close it, if it was ever opened."""
        if self._connection is not None:
            await self._connection.close()


async def _result(connection: PGconn) -> PGresult:
    """The one result of what was sent. Raises psycopg.Error."""
    while connection.flush():
        await _until(asyncio.get_running_loop(), connection.socket, is_writable=True)
    last: PGresult | None = None
    while True:
        while connection.is_busy():
            await _until(asyncio.get_running_loop(), connection.socket)
            connection.consume_input()
        found = connection.get_result()
        if found is None:
            break
        last = found
    if last is None or last.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        raise psycopg.errors.error_from_result(last) if last else psycopg.OperationalError()
    return last


async def _until(
    loop: asyncio.AbstractEventLoop, socket: int, *, is_writable: bool = False
) -> None:
    ready = loop.create_future()
    add, remove = (
        (loop.add_writer, loop.remove_writer)
        if is_writable
        else (loop.add_reader, loop.remove_reader)
    )
    add(socket, _wake, ready)
    try:
        await ready
    finally:
        remove(socket)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def persistently(ask: Callable[[], Awaitable[Result]]) -> Result:
    """Ask again after a deadlock or a lost connection; every question here may be repeated."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await ask()
        except psycopg.OperationalError as error:
            if attempt == ATTEMPTS:
                raise DatabaseError("PostgreSQL does not answer the gateway.") from error
        except psycopg.Error as error:
            raise RefusedByDatabaseError("PostgreSQL refuses what the gateway asks.") from error
        await asyncio.sleep(0.05 * attempt)
    raise AssertionError("the last attempt returns or raises")


def make_pool(url: str, *, size: int = 6) -> Pool:
    """A pool that is not open yet. Statements are prepared at once: they are few and frequent."""

    async def configure(connection: psycopg.AsyncConnection[Any]) -> None:
        connection.prepare_threshold = 0

    return AsyncConnectionPool(
        url,
        min_size=1,
        max_size=size,
        open=False,
        timeout=10,
        configure=configure,
        check=AsyncConnectionPool.check_connection,
        kwargs={"autocommit": True, "row_factory": dict_row},
    )
