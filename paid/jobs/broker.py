"""Dramatiq on our PostgreSQL; the only module that knows either."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import dramatiq
import dramatiq_postgres
import psycopg
from dramatiq.middleware import AgeLimit, Callbacks, Retries, ShutdownNotifications, TimeLimit

from paid.store.database import libpq_url

QUEUE = "paid"
THREADS = 4
_NAMESPACE = uuid.UUID("2a0cf5b0-6d6c-4d0e-9a53-70a1d2b75e1f")

Work = Callable[[str], None]
"""Does the job of a key."""


@dataclass(frozen=True)
class Timing:
    """How soon a dead worker's jobs run again, and how failed ones are tried anew."""

    heartbeat: timedelta = timedelta(seconds=10)
    dead_after: timedelta = timedelta(seconds=40)
    first_retry: timedelta = timedelta(seconds=5)
    last_retry: timedelta = timedelta(minutes=30)
    retries: int = 10
    longest_job: timedelta = timedelta(minutes=30)


class JobQueue:
    """Hands jobs over and works them off, in threads of this process."""

    def __init__(self, database_url: str, works: Mapping[str, Work], timing: Timing) -> None:
        url = libpq_url(database_url)
        with psycopg.connect(url) as connection:
            dramatiq_postgres.init(connection.cursor())
        self._timing = timing
        self._broker = dramatiq_postgres.PostgresBroker(
            url=url,
            results=False,
            middleware=self._middleware(),
            heartbeat_interval=timing.heartbeat.total_seconds(),
            heartbeat_ttl=timing.dead_after.total_seconds(),
            maintenance_interval=timing.heartbeat.total_seconds(),
        )
        self._broker.declare_queue(QUEUE)
        for name, work in works.items():
            declare = dramatiq.actor(actor_name=name, queue_name=QUEUE, broker=self._broker)
            declare(work)
        self._worker = dramatiq.Worker(self._broker, worker_threads=THREADS, worker_timeout=500)

    def start(self) -> None:
        """Begin to work jobs off."""
        self._worker.start()

    def stop(self) -> None:
        """Finish what is being done, hand the rest back, close the connections."""
        self._worker.stop(timeout=10_000)
        self._broker.close()

    def hand_over(self, actor: str, key: str) -> None:
        """Queue the job of a key; handing the same one over again replaces it."""
        self._broker.enqueue(
            dramatiq.Message(
                queue_name=QUEUE,
                actor_name=actor,
                args=(key,),
                kwargs={},
                options={},
                message_id=str(uuid.uuid5(_NAMESPACE, key)),
            )
        )

    def _middleware(self) -> list[dramatiq.Middleware]:
        longest = _milliseconds(self._timing.longest_job)
        return [
            AgeLimit(),
            TimeLimit(time_limit=longest),
            ShutdownNotifications(),
            Callbacks(),
            Retries(
                max_retries=self._timing.retries,
                min_backoff=_milliseconds(self._timing.first_retry),
                max_backoff=_milliseconds(self._timing.last_retry),
            ),
        ]


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
