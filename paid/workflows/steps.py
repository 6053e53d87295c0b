"""How a run's workflow runs an activity, and what it reads from one that ended or failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, TimeoutType
from temporalio.exceptions import TimeoutError as ActivityTimeoutError

with workflow.unsafe.imports_passed_through():
    from paid import queues
    from paid.contracts import RunEnd, RunStatus, TurnEnd, TurnResult
    from paid.workflows.patience import Patience, ends_at_once, is_gateways

T = TypeVar("T")
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
    *,
    ends_with_cancel: bool = False,
) -> T:
    """Run the activity called `name`; on this workflow's own queue unless one is given.

    An outage of PostgreSQL is waited out: no end could be recorded meanwhile, and the agent's
    work is paid for. So is one of the gateway; `tell` is called when it lasts, and when it is over.
    Docker is waited for as often as the preset says, and lost workers cost the step nothing
    (`paid.workflows.patience`).
    """
    patience, told = Patience(name, preset), False
    while True:
        began = workflow.now()
        try:
            result = await _execute(name, given, answer, preset, queue)
        except FailureError as error:
            now = workflow.now()
            pause = patience.pause(error, now - began, now)
            if pause is None or not workflow.patched(patience.patch(error)):
                raise
            if ends_with_cancel and _is_cancelled() and workflow.patched("cancel-ends-a-wait"):
                raise asyncio.CancelledError from error
            if is_gateways(error) and not told:
                told = True
                tell()
        else:
            if told:
                tell()
            return result
        if pause:
            await workflow.sleep(pause)


def _is_cancelled() -> bool:
    return workflow.cancellation_reason() is not None


async def _execute(
    name: str, given: object, answer: type[T], preset: queues.Preset, queue: str | None
) -> T:
    if preset.is_local:
        beside: T = await workflow.execute_local_activity(
            name, given, result_type=answer, **queues.local_options(preset)
        )
        return beside
    how = queues.options(preset, ends_at_once(preset))
    result: T = await workflow.execute_activity(
        name, given, result_type=answer, task_queue=queue, **how
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

    One that finishes, or fails, in spite of a cancel swallows it, and it is never delivered again.
    """
    result = await do(name, given, answer, preset, queue, tell, ends_with_cancel=True)
    if _is_cancelled():
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
