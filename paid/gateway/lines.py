"""Connections to PostgreSQL for a process that asks few questions, and those often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from paid.errors import DatabaseError

Pool = AsyncConnectionPool[psycopg.AsyncConnection[dict[str, Any]]]
Result = TypeVar("Result")

ATTEMPTS = 4


class RefusedByDatabaseError(DatabaseError):
    """Raised when PostgreSQL answers and refuses: asking the same again will not help."""

    retryable = False


# A commit that waits for the disk takes along all that were made before it.
_FLUSH = "BEGIN; SET LOCAL synchronous_commit = on; SELECT pg_current_xact_id(); COMMIT"


class Line:
    """A connection for one kind of question, asked one at a time; made again when it breaks.

    Where `waits_for_disk` is false, a commit is seen by everybody at once and on disk soon after.
    """

    def __init__(self, url: str, *, waits_for_disk: bool = True) -> None:
        self._url = url
        self._options = "" if waits_for_disk else "-c synchronous_commit=off"
        self._connection: psycopg.AsyncConnection[dict[str, Any]] | None = None

    async def rows(self, question: str, values: tuple[Any, ...] | None) -> list[dict[str, Any]]:
        """The answer's rows. Raises psycopg.Error."""
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self._url,
                autocommit=True,
                row_factory=dict_row,
                prepare_threshold=0,
                options=self._options,
            )
        try:
            prepare = None if values is not None else False
            cursor = await self._connection.execute(question, values, prepare=prepare)
            return await cursor.fetchall() if values is not None else []
        except psycopg.OperationalError as error:
            if not isinstance(error, psycopg.errors.DeadlockDetected):
                await self._connection.close()
            raise

    async def flush(self) -> None:
        """Wait until what was committed here is on disk, with its locks given back already.

        On the connection that committed it, if it still is there: a server that crashed in between
        raises psycopg.OperationalError, and the caller asks all of it again.
        """
        await self.rows(_FLUSH, None)

    async def close(self) -> None:
        """Close it, if it was ever opened."""
        if self._connection is not None:
            await self._connection.close()


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
