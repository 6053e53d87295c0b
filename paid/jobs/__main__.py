"""The job runner: relay, queue and the clock of the periodic jobs. Run as `python -m paid.jobs`."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from paid.containers.mirror import Mirrors
from paid.errors import ConfigurationError
from paid.jobs.broker import JobQueue, Timing
from paid.jobs.periodic import PeriodicActivities
from paid.jobs.post import Post
from paid.jobs.reconciler import Reconciler
from paid.jobs.relay import Relay
from paid.jobs.schedules import ensure_schedules, jobs_queue
from paid.jobs.works import Works
from paid.logs import configure_logs
from paid.program import run_program
from paid.settings import Settings
from paid.store.credentials import SecretBox
from paid.store.database import Database
from paid.store.opening import open_database
from paid.temporal import connect
from paid.workflows.periodic_job import PeriodicJobWorkflow
from paid.working import working

RETRY_SECONDS = 5.0

_log = structlog.get_logger(__name__)


async def serve(settings: Settings, stop: asyncio.Event, timing: Timing | None = None) -> None:
    """Work until `stop` is set; then finish what is being done."""
    database = open_database(settings, pool_size=10)
    await asyncio.to_thread(database.migrate)
    works = make_works(settings, database)
    jobs = JobQueue(database.url, works.by_name(), timing or Timing())
    relay = Relay(database, jobs.hand_over)
    jobs.start()
    relay.start()
    _log.info("jobs.ready")
    try:
        await _keep_time(settings, database, stop)
    finally:
        await asyncio.to_thread(relay.stop)
        await asyncio.to_thread(jobs.stop)
        database.close()


def make_works(settings: Settings, database: Database) -> Works:
    """The jobs with their adapters."""

    async def client() -> Client:
        return await connect(settings)

    return Works(
        settings=settings,
        database=database,
        box=SecretBox(settings.secret_key_path),
        mirrors=Mirrors(settings),
        post=Post(settings),
        reconciler=Reconciler(database, client, settings.temporal_task_queue),
    )


async def _keep_time(settings: Settings, database: Database, stop: asyncio.Event) -> None:
    """The periodic jobs, whenever Temporal answers; the others do not need it."""
    activities = PeriodicActivities(database)
    while not stop.is_set():
        try:
            client = await connect(settings)
            await ensure_schedules(client, settings.temporal_task_queue)
        except (ConfigurationError, RPCError) as error:
            _log.warning("jobs.no_clock", why=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RETRY_SECONDS)
            continue
        with ThreadPoolExecutor(2, "periodic") as threads:
            worker = Worker(
                client,
                task_queue=jobs_queue(settings.temporal_task_queue),
                workflows=[PeriodicJobWorkflow],
                activities=[activities.enqueue_job],
                activity_executor=threads,
                max_concurrent_activities=2,
            )
            async with working(worker):
                await stop.wait()


if __name__ == "__main__":
    configure_logs()
    run_program("jobs", "The job runner alone: notifications, roll-ups, clean-up.", serve)
