"""How a run's workflow runs an activity, and what it reads from one that ended or failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, TimeoutType
from temporalio.exceptions import TimeoutError as ActivityTimeoutError

with workflow.unsafe.imports_passed_through():
    from paid import queues
    from paid.contracts import RunEnd, RunStatus, TurnEnd, TurnResult

T = TypeVar("T")
LOST_WORKERS = ("WorkerLostError", "DetachedError")
AWAY = {"DatabaseError": "database-away", "GatewayAwayError": "gateway-away"}
"""What a step may find away, and the patch since which a run waits for it."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=5)
PAUSE_PART = 0.1
"""A step is begun anew after so much of the time that it has waited: an outage of two minutes is
noticed to be over within a quarter of one, and one of a day costs some hundred attempts."""
LONGEST_OUTAGE = timedelta(days=1)
LONGEST_VAIN_ATTEMPT = timedelta(minutes=3)
"""An activity's own attempts are over sooner where what it needs is away all the time."""
MOST_INTERRUPTIONS = 3
"""So often an agent goes on whose container went with Docker: it may be what brings Docker down."""
_ENDS: Mapping[TurnEnd, tuple[RunStatus, str]] = {
    TurnEnd.NEEDS_INPUT: (RunStatus.NEEDS_INPUT, "needs_input"),
    TurnEnd.AGENT_ERROR: (RunStatus.FAILED, "agent"),
    TurnEnd.LOST: (RunStatus.FAILED, "container_lost"),
    TurnEnd.INTERRUPTED: (RunStatus.FAILED, "container_lost"),
}


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


def _is_away(error: FailureError) -> str | None:
    """Which of the things that a run waits for is away; None when it failed of something else."""
    cause = cause_of(error)
    known = isinstance(cause, ApplicationError) and cause.type in AWAY
    return cause.type if known and isinstance(cause, ApplicationError) else None


def may_pass(error: ActivityError) -> bool:
    """Whether another attempt may do better: nobody answered in time, or said that it may."""
    cause = error.cause
    return isinstance(cause, ActivityTimeoutError) or (
        isinstance(cause, ApplicationError) and not cause.non_retryable
    )


def _nobody() -> None:
    """Nobody wants to be told."""


async def do(
    name: str,
    given: object,
    answer: type[T],
    preset: queues.Preset,
    queue: str | None = None,
    tell: Callable[[], None] = _nobody,
) -> T:
    """Run the activity called `name`; on this workflow's own queue unless one is given.

    An outage of PostgreSQL is waited out: no end could be recorded meanwhile, and the agent's
    work is paid for. So is one of the gateway; `tell` is called when it lasts, and when it is over.
    """
    away_since, told = None, False
    while True:
        began = workflow.now()
        try:
            result = await _execute(name, given, answer, preset, queue)
        except FailureError as error:
            now, away = workflow.now(), _is_away(error)
            if away_since is None or now - began > LONGEST_VAIN_ATTEMPT:
                away_since = now  # until then it worked: this outage has just begun
            waited = now - away_since
            if away is None or waited > LONGEST_OUTAGE or not workflow.patched(AWAY[away]):
                raise
            if away == "GatewayAwayError" and not told:
                told = True
                tell()
        else:
            if told:
                tell()
            return result
        await workflow.sleep(min(max(PAUSE_PART * waited, FIRST_PAUSE), LONGEST_PAUSE))


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
    name: str,
    given: object,
    answer: type[T],
    preset: queues.Preset,
    queue: str | None = None,
    tell: Callable[[], None] = _nobody,
) -> T:
    """The same for a step that a cancel may end.

    One that finishes in spite of a cancel swallows it, and it is never delivered again.
    """
    result = await do(name, given, answer, preset, queue, tell)
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


def end_of(turn: TurnResult) -> tuple[RunStatus, str] | None:
    """The run's end and its code; None when it goes on with the turn's commit."""
    if turn.end is TurnEnd.FINISHED:
        return None if turn.head_sha is not None else (RunStatus.NO_CHANGES, "no_changes")
    return _ENDS.get(turn.end, (RunStatus.FAILED, "limit_reached"))


class Interruptions:
    """Counts the turns of a run that a restart of Docker has ended."""

    def __init__(self) -> None:
        self._count = 0

    def may_go_on(self, turn: TurnResult) -> bool:
        """Whether a further turn goes on where this one was interrupted."""
        self._count += turn.end is TurnEnd.INTERRUPTED
        return turn.end is TurnEnd.INTERRUPTED and self._count <= MOST_INTERRUPTIONS
