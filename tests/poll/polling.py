"""A poll on a real Temporal server, with activities whose answers a test sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import Worker

from paid.contracts import LookResult, PollInput, PollResult, RunInput, RunToStart
from paid.workflows.github_poll import GitHubPollWorkflow

with workflow.unsafe.imports_passed_through():
    from paid.working import working


@workflow.defn(name="AgentExecutionWorkflow")
class WaitingRun:
    """Stands in for a run: goes on until it is told to end, or cancelled."""

    def __init__(self) -> None:
        self._done = False

    @workflow.run
    async def run(self, run: RunInput) -> int:
        await workflow.wait_condition(lambda: self._done)
        return run.run_id

    @workflow.signal
    def finish(self) -> None:
        self._done = True


class Script:
    """Same-named activities whose answers a test sets."""

    def __init__(self) -> None:
        self.looks: list[PollInput] = []
        self.record = PollResult(wait_seconds=0.05)
        self.fail_look = False
        self.fail_record = False
        self.may_pass = False
        """Whether a look that fails says that another one may do better."""
        self.least_seconds = 0.0
        self.ballast = ""
        self.after = 0

    @activity.defn(name="look_at_github")
    def look_at_github(self, poll: PollInput) -> LookResult:
        self.looks.append(poll)
        if self.fail_look:
            raise ApplicationError(
                "down", type="GitHubUnavailableError", non_retryable=not self.may_pass
            )
        since = f"2026-01-01T00:00:{poll.ticks % 60:02d}+00:00"
        after, self.after = self.after, 0
        return LookResult(since + self.ballast, self.least_seconds, after)

    @activity.defn(name="read_record")
    def read_record(self, poll: PollInput) -> PollResult:
        if self.fail_record:
            raise ApplicationError("down", type="DatabaseError", non_retryable=True)
        return self.record


@asynccontextmanager
async def polling(
    client: Client, script: Script, poll: PollInput | None = None
) -> AsyncIterator[WorkflowHandle[GitHubPollWorkflow, None]]:

    queue = f"poll-{uuid4()}"
    with ThreadPoolExecutor(4) as threads:
        worker = Worker(
            client,
            task_queue=queue,
            workflows=[GitHubPollWorkflow, WaitingRun],
            activities=[script.look_at_github, script.read_record],
            activity_executor=threads,
        )
        async with working(worker):
            handle = await client.start_workflow(
                GitHubPollWorkflow.run, poll or PollInput(7), id=f"poll:{uuid4()}", task_queue=queue
            )
            yield handle
            await terminate(handle)


async def terminate(handle: WorkflowHandle[GitHubPollWorkflow, None]) -> None:
    try:
        await handle.terminate()
    except RPCError:
        return


async def until(true: Callable[[], bool | Awaitable[bool]], seconds: float = 60) -> None:
    """Wait for something that happens in another thread or on the server."""
    async with asyncio.timeout(seconds):
        while True:
            found = true()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.02)


async def status(client: Client, workflow_id: str) -> WorkflowExecutionStatus | None:
    try:
        return (await client.get_workflow_handle(workflow_id).describe()).status
    except RPCError:
        return None


async def becomes(client: Client, workflow_id: str, wanted: WorkflowExecutionStatus) -> None:
    async def is_so() -> bool:
        return await status(client, workflow_id) is wanted

    await until(is_so)


def ids(count: int) -> tuple[RunToStart, ...]:
    return tuple(RunToStart(n, f"run:1:{uuid4()}:{n}") for n in range(1, count + 1))
