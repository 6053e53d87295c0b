"""The poll of one project: look, record, start what is recorded, wait; forever."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from paid import queues
    from paid.contracts import STEPS, LookResult, PollInput, PollResult, RunInput, RunToStart

T = TypeVar("T")
WITHOUT_RECORD_SECONDS = 5.0
"""PostgreSQL did not answer for a while: the poll outlives that, and looks again soon."""
AFTER_FAILURE_SECONDS = 10.0
"""So soon a look that failed is repeated, later after each further one, up to the interval."""


@workflow.defn(name="GitHubPollWorkflow")
class GitHubPollWorkflow:
    """One for each project that is watched; its runs are children that outlive it."""

    @workflow.init
    def __init__(self, poll: PollInput) -> None:
        self._project_id = poll.project_id
        self._ticks = poll.ticks
        self._since = poll.since
        self._after = poll.after
        self._woken = False
        self._from_scratch = False
        self._state = "looking"
        self._failures = 0  # one behind the other
        self._started: set[int] = set()
        self._cancelled: set[str] = set()

    @workflow.run
    async def run(self, poll: PollInput) -> None:
        """Tick until the project is not watched any more."""
        while True:
            self._woken = False
            self._state = "looking"
            if self._from_scratch:
                self._since, self._after, self._from_scratch = None, 0, False
            look = await self._look()
            record = look.record or await self._record()
            await self._start(record.starts)
            await self._cancel(record.cancel_workflow_ids)
            if record.stop:
                return
            if self._after:
                continue
            self._ticks += 1
            self._state = "paused" if record.paused else "waiting"
            await self._wait(self._pause(look, record))
            if workflow.info().is_continue_as_new_suggested():
                await workflow.wait_condition(workflow.all_handlers_finished)
                if self._from_scratch:
                    self._since, self._after = None, 0
                workflow.continue_as_new(self._input())

    @workflow.signal
    def look_now(self) -> None:
        """Something happened on GitHub, or a setting was changed: do not wait for the interval."""
        self._woken = True

    @workflow.signal
    def pause(self) -> None:
        """The project was paused; the record, which is read now, has the reason."""
        self._woken = True

    @workflow.signal
    def resume(self) -> None:
        """The project is watched again. Everything is looked at, since much may have happened."""
        self._from_scratch = True
        self._woken = True

    @workflow.query
    def state(self) -> str:
        """looking, waiting or paused."""
        return self._state

    @workflow.query
    def ticks(self) -> int:
        """How often GitHub was looked at, over continue-as-new."""
        return self._ticks

    def _pause(self, look: LookResult, record: PollResult) -> float:
        """Seconds until the next look: soon again behind one that failed."""
        wait = max(record.wait_seconds, look.wait_seconds)
        if not self._failures or record.paused:
            return wait
        return min(wait, AFTER_FAILURE_SECONDS * self._failures)

    async def _look(self) -> LookResult:
        """Look at GitHub; the record comes along, unless GitHub did not answer."""
        try:
            look = await self._do("look_at_github", LookResult, queues.LOOK)
        except ActivityError as error:
            # what is on record is started all the same; the next tick looks again, at everything
            workflow.logger.warning("GitHub could not be looked at: %s", error.cause)
            self._since, self._after = None, 0
            self._failures += 1
            return LookResult()
        self._failures = 0
        self._since, self._after = look.since, look.after
        return look

    async def _record(self) -> PollResult:
        try:
            return await self._do("read_record", PollResult, queues.QUICK)
        except ActivityError as error:
            workflow.logger.warning("The record could not be read: %s", error.cause)
            return PollResult(wait_seconds=WITHOUT_RECORD_SECONDS)

    async def _start(self, runs: tuple[RunToStart, ...]) -> None:
        fresh = [run for run in runs if run.run_id not in self._started]
        await asyncio.gather(*(self._start_one(run) for run in fresh))

    async def _start_one(self, run: RunToStart) -> None:
        try:
            child = await workflow.start_child_workflow(
                "AgentExecutionWorkflow",
                RunInput(run.run_id, STEPS),
                id=run.workflow_id,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
            )
            child.add_done_callback(_ended)
        except WorkflowAlreadyStartedError:
            workflow.logger.info("Run %s is there already.", run.run_id)
        self._started.add(run.run_id)

    async def _cancel(self, workflow_ids: tuple[str, ...]) -> None:
        for workflow_id in workflow_ids:
            if workflow_id in self._cancelled:
                continue
            try:
                await workflow.get_external_workflow_handle(workflow_id).cancel()
            except ApplicationError as error:
                workflow.logger.info("%s cannot be told: %s", workflow_id, error)
            self._cancelled.add(workflow_id)

    async def _wait(self, seconds: float) -> None:
        try:
            await workflow.wait_condition(lambda: self._woken, timeout=seconds)
        except TimeoutError:
            return

    async def _do(self, name: str, answer: type[T], preset: queues.Preset) -> T:
        result: Any = await workflow.execute_activity(
            name, self._input(), result_type=answer, **queues.options(preset)
        )
        return result  # type: ignore[no-any-return]

    def _input(self) -> PollInput:
        return PollInput(self._project_id, self._ticks, self._since, self._after)


def _ended(child: workflow.ChildWorkflowHandle[Any, Any]) -> None:
    """How a run ends is its own affair; asked for here, or asyncio logs it as forgotten."""
    if not child.cancelled():
        child.exception()
