"""Carries decided jobs to the queue, and turns news into jobs, as soon as either is there."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import structlog
from psycopg import sql

from paid.errors import PaidError
from paid.store import events, notifications, outbox
from paid.store.database import Database, libpq_url

LOOK_SECONDS = 5.0
"""A NOTIFY is lost with its connection, so the tables are read this often anyway."""
GATHER_SECONDS = 1.0
"""Agents make events by the hundred, and starts too; those of a moment are read together."""
RECONNECT_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class Relay:
    """A thread; `hand_over` gets an actor and a job's key.

    A crash between the hand-over and its record hands the job over again; the job itself sees to
    it that it is done once.
    """

    def __init__(
        self,
        database: Database,
        hand_over: Callable[[str, str], None],
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._database, self._hand_over = database, hand_over
        self._look_seconds = look_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox relay", daemon=True)

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()

    def stop(self) -> None:
        """Carry no more; returns when the thread has ended."""
        self._stopping.set()
        self._thread.join()

    def carry(self) -> int:
        """Hand over whatever is to be handed over now; returns how many jobs."""
        with self._database.session() as session:
            notifications.decide_news(session)
        carried = 0
        while not self._stopping.is_set():
            with self._database.session() as session:
                jobs = outbox.unsent(session)
                for job in jobs:
                    self._hand_over(job.actor, job.key)
                outbox.mark_sent(session, jobs)
            carried += len(jobs)
            if not jobs:
                break
        return carried

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except (psycopg.Error, PaidError) as error:
                _log.warning("relay.interrupted", error=str(error))
                self._stopping.wait(RECONNECT_SECONDS)

    def _listen(self) -> None:
        url = libpq_url(self._database.url)
        with psycopg.connect(url, autocommit=True) as connection:
            for channel in (outbox.CHANNEL, events.CHANNEL):
                connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            while not self._stopping.is_set():
                self.carry()
                self._wait(connection)

    def _wait(self, connection: psycopg.Connection) -> None:
        """Until something was told; in slices, so that a stop is not kept waiting."""
        left = self._look_seconds
        while left > 0 and not self._stopping.is_set():
            if list(connection.notifies(timeout=0.5, stop_after=1)):
                self._stopping.wait(GATHER_SECONDS)
                return
            left -= 0.5
