"""A worker with fake activities on the real server, a queue of its own for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from paid import queues
from paid.contracts import STEPS, RunEnd, RunInput
from paid.embedded import TemporalServer
from paid.temporal import CONVERTER, ErrorTranslation
from paid.workflows.agent_execution import AgentExecutionWorkflow
from paid.working import working
from tests.waiting import happens
from tests.workflows.fakes import FakeRun

Handle = WorkflowHandle[AgentExecutionWorkflow, RunEnd]
StartRun = Callable[..., Awaitable[tuple[Handle, FakeRun]]]

HANGS = timedelta(minutes=1)
"""A workflow that takes longer waits for what will not come; far more than any test needs."""


@pytest.fixture
async def client(temporal_server: TemporalServer) -> Client:
    return await Client.connect(temporal_server.address, data_converter=CONVERTER)


@pytest.fixture
async def start_run(client: Client, request: pytest.FixtureRequest) -> AsyncIterator[StartRun]:
    """Start a run's workflow whose activities answer as the test says.

    In the sandbox, which finds mistakes; what a test changes in `queues` is not seen in there.
    """
    is_changed = "given_up_soon" in request.fixturenames
    runner = UnsandboxedWorkflowRunner() if is_changed else SandboxedWorkflowRunner()
    async with AsyncExitStack() as workers:

        async def start(**answers: Callable[[Any], Any]) -> tuple[Handle, FakeRun]:
            queue = f"test-{uuid4()}"
            fake = FakeRun(queue, **answers)
            places = [(queue, [AgentExecutionWorkflow]), (_claims(queue), [])]
            if "restore_work" in answers:  # at the host that keeps the work
                places.append((queues.host_queue(queue, KEEPER), []))
            both = [
                Worker(
                    client,
                    task_queue=name,
                    workflows=workflows,
                    activities=fake.all(),
                    interceptors=[ErrorTranslation()],
                    workflow_runner=runner,
                    max_heartbeat_throttle_interval=timedelta(milliseconds=100),
                )
                for name, workflows in places
            ]
            await workers.enter_async_context(working(*both))
            handle = await client.start_workflow(
                AgentExecutionWorkflow.run,
                RunInput(1, STEPS),
                id=f"run:{uuid4()}",
                task_queue=queue,
                execution_timeout=HANGS,
            )
            return handle, fake

        yield start


KEEPER = "keeper"


def _claims(queue: str) -> str:
    return queues.claim_queue(queue)


async def cancel_is_seen(handle: Handle) -> None:
    """Wait until the workflow has asked its activity to stop."""

    async def seen() -> bool:
        history = await handle.fetch_history()
        asked = "activity_task_cancel_requested_event_attributes"
        return any(event.HasField(asked) for event in history.events)

    await happens(seen, "the cancel's way to the activity")
