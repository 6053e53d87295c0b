"""Periodic jobs: Temporal keeps the clock, PostgreSQL the jobs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from paid.workflows.periodic_job import PeriodicJob, PeriodicJobWorkflow

PERIODS: Mapping[str, timedelta] = {
    "clean_up": timedelta(minutes=1),
    "roll_up": timedelta(minutes=15),
    "warm_mirrors": timedelta(minutes=10),
    "tidy_mirrors": timedelta(days=1),
}
CATCH_UP = timedelta(minutes=1)
"""What was missed for longer is not made up: the next time does the same work."""


def jobs_queue(shared_queue: str) -> str:
    """The queue that the job runner reads."""
    return f"{shared_queue}-jobs"


async def ensure_schedules(client: Client, shared_queue: str) -> None:
    """Make the schedules, or bring those that are there to the present periods."""
    for job, period in PERIODS.items():
        schedule = _schedule(job, period, jobs_queue(shared_queue))
        name = f"{shared_queue}-{job}"
        try:
            await client.create_schedule(name, schedule, trigger_immediately=True)
        except ScheduleAlreadyRunningError:
            update = partial(_replace, schedule)
            await client.get_schedule_handle(name).update(update)


def _replace(schedule: Schedule, _before: ScheduleUpdateInput) -> ScheduleUpdate:
    return ScheduleUpdate(schedule=schedule)


def _schedule(job: str, period: timedelta, queue: str) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            PeriodicJobWorkflow.run,
            PeriodicJob(job),
            id=f"job:{job}",
            task_queue=queue,
            execution_timeout=timedelta(minutes=5),
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=period)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
    )
