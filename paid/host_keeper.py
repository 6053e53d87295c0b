"""Keeps one host true to PostgreSQL, beside the workflows and without them.

A cancelled run's containers are killed as soon as PostgreSQL says so, even when its workflow
cannot run; and what no live run owns is removed.
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import psycopg
import structlog

from paid.activities.parts import Host
from paid.containers.reaper import Reaped, Reaper
from paid.errors import PaidError
from paid.store import runs
from paid.store.database import libpq_url
from paid.store.events import CHANNEL

LISTEN_SECONDS = 2.0
REAP_SECONDS = 60.0
RECONNECT_SECONDS = 2.0
SETTLE_SECONDS = 0.1
"""Fifty runs that start make a thousand events, each of which wakes the keeper: it takes what came
meanwhile in one look."""
RECENT = timedelta(minutes=30)
KEPT_SECONDS = 14 * 24 * 3600.0

_log = structlog.get_logger(__name__)


class HostKeeper:
    """A thread of the worker; `start` and `stop` frame the worker's life."""

    def __init__(self, parts: Host, reaper: Reaper) -> None:
        self._database, self._engine, self._mirrors = parts.database, parts.engine, parts.mirrors
        self._host, self._data_dir = parts.settings.host_name, parts.settings.data_dir
        self._reaper = reaper
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="host-keeper", daemon=True)
        self._killed: set[int] = set()
        self._next_reap = time.monotonic()

    def start(self) -> None:
        """Begin to listen and to look."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when the thread has."""
        self._stop.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except (psycopg.Error, PaidError) as error:
                _log.warning("host_keeper.interrupted", error=str(error))
                self._stop.wait(RECONNECT_SECONDS)

    def _listen(self) -> None:
        with psycopg.connect(libpq_url(self._database.url), autocommit=True) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            while not self._stop.is_set():
                self._kill_cancelled(connection)
                if time.monotonic() >= self._next_reap:
                    self._next_reap = time.monotonic() + REAP_SECONDS
                    self._reap()
                self._stop.wait(SETTLE_SECONDS)
                for _ in connection.notifies(timeout=LISTEN_SECONDS, stop_after=1):
                    continue

    def _kill_cancelled(self, connection: psycopg.Connection) -> None:
        found = connection.execute(runs.CANCELLED_BUT_LIVE, {"host": self._host}).fetchall()
        cancelled = {run_id for (run_id,) in found}
        for owned in self._engine.owned() if cancelled - self._killed else ():
            if owned.run_id in cancelled:
                self._engine.unpause(owned.name)
                self._engine.kill(owned.name)
        self._killed = cancelled

    def _reap(self) -> None:
        reaped = self._reaper.reap(self._live_runs)
        if reaped != Reaped():
            _log.info("host_keeper.reaped", what=str(reaped))
        self._mirrors.forget_runs_except(self._recent_runs)
        self._forget_old_work()

    def _forget_old_work(self) -> None:
        """Bundles of failed runs are kept for two weeks (paid.activities.workspace)."""
        for bundle in (self._data_dir / "kept").glob("run-*.bundle"):
            if time.time() - bundle.stat().st_mtime > KEPT_SECONDS:
                bundle.unlink(missing_ok=True)

    def _recent_runs(self) -> set[int]:
        """A run's own clean-up may still need its commits."""
        with self._database.session() as session:
            return runs.live_or_ended_within(session, RECENT)

    def _live_runs(self) -> set[int]:
        """Those that go on here; one that another host took over has nothing here any more."""
        with self._database.session() as session:
            return set(runs.live_on(session, self._host))
