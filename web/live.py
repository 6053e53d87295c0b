"""News from PostgreSQL for everybody who watches: one LISTEN connection a process.

A notification only says that there is something to read. Readers keep their own place and read the
rows, so a lost connection loses nothing: after reconnecting, everybody looks once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import structlog

from paid.store.database import libpq_url
from paid.store.events import CHANNEL, OUTPUT_CHANNEL

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0

log = structlog.get_logger("web.live")


class Watcher:
    """One stream's place in the queue for news; `run_id` None watches all runs."""

    def __init__(self, run_id: int | None, closing: asyncio.Event) -> None:
        self.run_id = run_id
        self._closing = closing
        self._news = asyncio.Event()

    @property
    def closing(self) -> bool:
        """Whether the dashboard is stopping, so that the stream should end."""
        return self._closing.is_set()

    def wake(self) -> None:
        """Tell the stream to look."""
        self._news.set()

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait for news; False when the time passed without any."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True

    async def rest(self, seconds: float) -> None:
        """Let news gather for a moment; cut short when the dashboard stops."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return


class Live:
    """Listens, and wakes the watchers."""

    def __init__(self, database_url: str) -> None:
        self._url = libpq_url(database_url)
        self._watchers: set[Watcher] = set()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def watchers(self) -> int:
        """How many streams are open."""
        return len(self._watchers)

    @contextmanager
    def watch(self, run_id: int | None) -> Iterator[Watcher]:
        """A watcher for as long as a stream is open."""
        watcher = Watcher(run_id, self._closing)
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def start(self) -> None:
        """Begin to listen, on the running event loop."""
        self._task = asyncio.create_task(self._listen(), name="live-listen")

    def close(self) -> None:
        """Tell every stream to end; called before the server waits for open connections."""
        self._closing.set()
        self._wake(None)

    async def stop(self) -> None:
        """Stop listening."""
        self.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self) -> None:
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=5, application_name="paid-web-live"
                )
                async with connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    await connection.execute(f"LISTEN {OUTPUT_CHANNEL}")
                    pause_seconds = FIRST_PAUSE_SECONDS
                    self._wake(None)
                    await self._pass_on(connection)
            except (psycopg.Error, OSError) as error:
                log.warning("listening_interrupted", error=str(error), again_in=pause_seconds)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    async def _pass_on(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        async for notification in connection.notifies():
            # An event's notification names no run, so everybody looks: one indexed read each.
            is_output = notification.channel == OUTPUT_CHANNEL
            self._wake(int(notification.payload) if is_output else None)

    def _wake(self, run_id: int | None) -> None:
        for watcher in tuple(self._watchers):
            if run_id is None or watcher.run_id == run_id:
                watcher.wake()
