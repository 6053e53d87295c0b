"""The poll's workflow on a real Temporal server: ticks, children, signals, ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import Worker

from paid.contracts import LookResult, PollInput, PollResult, RunInput, RunToStart
from paid.embedded import TemporalServer
from paid.temporal import CONVERTER
from paid.workflows.github_poll import GitHubPollWorkflow

pytestmark = pytest.mark.anyio


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
        self.least_seconds = 0.0

    @activity.defn(name="look_at_github")
    def look_at_github(self, poll: PollInput) -> LookResult:
        self.looks.append(poll)
        if self.fail_look:
            raise ApplicationError("down", type="GitHubUnavailableError", non_retryable=True)
        return LookResult(f"2026-01-01T00:00:{poll.ticks % 60:02d}+00:00", self.least_seconds)

    @activity.defn(name="read_record")
    def read_record(self, poll: PollInput) -> PollResult:
        if self.fail_record:
            raise ApplicationError("down", type="DatabaseError", non_retryable=True)
        return self.record


@pytest.fixture
async def client(temporal_server: TemporalServer) -> Client:
    return await Client.connect(temporal_server.address, data_converter=CONVERTER)


@asynccontextmanager
async def polling(
    client: Client, script: Script, poll: PollInput | None = None
) -> AsyncIterator[WorkflowHandle[GitHubPollWorkflow, None]]:

    queue = f"poll-{uuid4()}"
    with ThreadPoolExecutor(4) as threads:
        async with Worker(
            client,
            task_queue=queue,
            workflows=[GitHubPollWorkflow, WaitingRun],
            activities=[script.look_at_github, script.read_record],
            activity_executor=threads,
        ):
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


async def test_it_looks_again_and_again_from_where_it_was(client: Client) -> None:
    script = Script()
    async with polling(client, script):
        await until(lambda: len(script.looks) >= 3)
    assert [look.ticks for look in script.looks[:3]] == [0, 1, 2]
    assert script.looks[0].since is None
    assert script.looks[2].since == "2026-01-01T00:00:01+00:00"


async def test_what_is_recorded_is_started_once_and_outlives_the_poll(client: Client) -> None:
    script, runs = Script(), ids(5)
    script.record = PollResult(0.05, starts=runs)
    async with polling(client, script) as handle:
        await until(lambda: len(script.looks) >= 4)
        await terminate(handle)
        for run in runs:
            assert await status(client, run.workflow_id) is WorkflowExecutionStatus.RUNNING
    for run in runs:
        await client.get_workflow_handle(run.workflow_id).terminate()


async def test_a_run_that_is_there_already_is_adopted(client: Client) -> None:
    script, (run,) = Script(), ids(1)
    async with polling(client, script) as handle:
        queue = (await handle.describe()).task_queue
        await client.start_workflow(
            WaitingRun.run, RunInput(run.run_id), id=run.workflow_id, task_queue=queue
        )
        script.record = PollResult(0.05, starts=(run,))
        seen = len(script.looks)
        await until(lambda: len(script.looks) >= seen + 3)
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        await client.get_workflow_handle(run.workflow_id).terminate()


async def test_a_run_that_has_ended_is_not_started_again(client: Client) -> None:
    script, (run,) = Script(), ids(1)
    script.record = PollResult(0.05, starts=(run,))
    async with polling(client, script):
        await becomes(client, run.workflow_id, WorkflowExecutionStatus.RUNNING)
        child = client.get_workflow_handle(run.workflow_id)
        await child.signal("finish")
        assert await child.result() == run.run_id
        first = (await child.describe()).run_id
    async with polling(client, script):
        await asyncio.sleep(0.5)
        assert (await child.describe()).run_id == first


async def test_a_run_that_is_to_be_cancelled_is_cancelled(client: Client) -> None:
    script, (run,) = Script(), ids(1)
    script.record = PollResult(0.05, starts=(run,))
    async with polling(client, script):
        await becomes(client, run.workflow_id, WorkflowExecutionStatus.RUNNING)
        script.record = PollResult(0.05, cancel_workflow_ids=(run.workflow_id, "run:9:9:9"))
        await becomes(client, run.workflow_id, WorkflowExecutionStatus.CANCELED)
        seen = len(script.looks)
        await until(lambda: len(script.looks) >= seen + 2)


@pytest.mark.parametrize("signal", ["look_now", "pause", "resume"])
async def test_a_signal_makes_it_look_at_once(signal: str, client: Client) -> None:
    script = Script()
    script.record = PollResult(wait_seconds=3600)
    async with polling(client, script) as handle:
        await until(lambda: len(script.looks) == 1)
        await handle.signal(signal)
        await until(lambda: len(script.looks) == 2)
        assert (script.looks[1].since is None) == (signal == "resume")


async def test_it_says_whether_it_waits_or_is_paused(client: Client) -> None:
    script = Script()
    script.record = PollResult(wait_seconds=3600, paused=True)
    async with polling(client, script) as handle:

        async def is_paused() -> bool:
            return await handle.query(GitHubPollWorkflow.state) == "paused"

        await until(is_paused)
        assert await handle.query(GitHubPollWorkflow.ticks) == 1


async def test_a_look_that_fails_starts_what_is_on_record_and_looks_at_all_next(
    client: Client,
) -> None:
    script, (run,) = Script(), ids(1)
    script.fail_look = True
    script.record = PollResult(0.05, starts=(run,))
    async with polling(client, script, PollInput(7, 3, "2026-01-01T00:00:00+00:00")):
        await becomes(client, run.workflow_id, WorkflowExecutionStatus.RUNNING)
        await until(lambda: len(script.looks) >= 2)
        assert script.looks[1].since is None
        await client.get_workflow_handle(run.workflow_id).terminate()


async def test_it_outlives_a_database_that_is_away(client: Client) -> None:
    script = Script()
    script.fail_record = True
    async with polling(client, script) as handle:
        await until(lambda: len(script.looks) == 1)
        script.fail_record = False
        await asyncio.sleep(0.2)
        await handle.signal("look_now")
        await until(lambda: len(script.looks) >= 3)


async def test_it_leaves_github_alone_for_as_long_as_a_limit_wants(client: Client) -> None:
    script = Script()
    script.least_seconds = 3600
    async with polling(client, script):
        await until(lambda: len(script.looks) == 1)
        await asyncio.sleep(0.5)
        assert len(script.looks) == 1


async def test_it_ends_when_the_project_is_removed(client: Client) -> None:
    script = Script()
    script.record = PollResult(0.05, stop=True)
    async with polling(client, script) as handle:
        await asyncio.wait_for(handle.result(), 60)
