"""The activity behind the schedules."""

from __future__ import annotations

from temporalio import activity

from paid.store import outbox
from paid.store.database import Database
from paid.workflows.periodic_job import EnqueueInput


class PeriodicActivities:
    """Puts jobs in the outbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(name="enqueue_job", no_thread_cancel_exception=True)
    def enqueue_job(self, job: EnqueueInput) -> None:
        """Once for each key."""
        with self._database.session() as session:
            outbox.enqueue(session, job.actor, {}, job.key)
