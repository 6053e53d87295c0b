"""How a run's workflow runs an activity, and what it reads from one that failed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, TimeoutType
from temporalio.exceptions import TimeoutError as ActivityTimeoutError

with workflow.unsafe.imports_passed_through():
    from paid import queues
    from paid.contracts import RunEnd

T = TypeVar("T")
LOST_WORKERS = ("WorkerLostError", "DetachedError")
FIRST_DATABASE_PAUSE, LONGEST_DATABASE_PAUSE = timedelta(seconds=1), timedelta(minutes=5)
LONGEST_DATABASE_OUTAGE = timedelta(days=1)
"""How often a step is begun anew while PostgreSQL is away, behind its own attempts, and for how
long."""


def host_is_gone(error: ActivityError) -> bool:
    """Whether nobody at the host took the activity in time."""
    cause = error.cause
    return isinstance(cause, ActivityTimeoutError) and cause.type is TimeoutType.SCHEDULE_TO_START


def worker_was_lost(error: ActivityError) -> bool:
    """Whether the last attempt ended because its worker was killed, stopped or not heard of."""
    cause = error.cause
    if isinstance(cause, ActivityTimeoutError):
        return cause.type is TimeoutType.HEARTBEAT
    return isinstance(cause, ApplicationError) and cause.type in LOST_WORKERS


def cause_of(error: BaseException) -> BaseException | None:
    """What an activity failed of; the error of a local one comes without an ActivityError."""
    return error.cause if isinstance(error, ActivityError) else error


def _database_is_away(error: FailureError) -> bool:
    cause = cause_of(error)
    return isinstance(cause, ApplicationError) and cause.type == "DatabaseError"


def may_pass(error: ActivityError) -> bool:
    """Whether another attempt may do better: nobody answered in time, or said that it may."""
    cause = error.cause
    return isinstance(cause, ActivityTimeoutError) or (
        isinstance(cause, ApplicationError) and not cause.non_retryable
    )


async def do(
    name: str, given: object, answer: type[T], preset: queues.Preset, queue: str | None = None
) -> T:
    """Run the activity called `name`; on this workflow's own queue unless one is given.

    An outage of PostgreSQL is waited out: no end could be recorded meanwhile, and the agent's
    work is paid for.
    """
    waited, pause = timedelta(), FIRST_DATABASE_PAUSE
    while True:
        try:
            result = await _execute(name, given, answer, preset, queue)
        except FailureError as error:
            is_away = _database_is_away(error) and waited < LONGEST_DATABASE_OUTAGE
            if not (is_away and workflow.patched("database-away")):
                raise
        else:
            return result
        await workflow.sleep(pause)
        waited, pause = waited + pause, min(2 * pause, LONGEST_DATABASE_PAUSE)


async def _execute(
    name: str, given: object, answer: type[T], preset: queues.Preset, queue: str | None
) -> T:
    if preset.is_local:
        beside: T = await workflow.execute_local_activity(
            name, given, result_type=answer, **queues.local_options(preset)
        )
        return beside
    result: T = await workflow.execute_activity(
        name, given, result_type=answer, task_queue=queue, **queues.options(preset)
    )
    return result


async def step(
    name: str, given: object, answer: type[T], preset: queues.Preset, queue: str | None = None
) -> T:
    """The same for a step that a cancel may end.

    One that finishes in spite of a cancel swallows it, and it is never delivered again.
    """
    result = await do(name, given, answer, preset, queue)
    if workflow.cancellation_reason() is not None:
        raise asyncio.CancelledError
    return result


async def undisturbed(work: Coroutine[Any, Any, RunEnd]) -> RunEnd:
    """Carry work to its end although the workflow is cancelled, once or again.

    A cancel reaches only the task that waits, so the work is a task of its own; Python has no
    detached scope (sdk-python issue 1224).
    """
    task = asyncio.create_task(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
    return task.result()
