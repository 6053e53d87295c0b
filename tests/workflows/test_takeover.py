"""What a worker tells Temporal of the one before it."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from paid.embedded import TemporalServer
from paid.settings import Settings
from paid.store.database import Database
from paid.takeover import OpenAttempts, take_over
from paid.working import working
from tests.acceptance.wires import Wire
from tests.waiting import happens

pytestmark = pytest.mark.anyio
ANSWERED = 6


@workflow.defn(name="Workload")
class Workload:
    """Some work that is done, and some that is lost with its worker."""

    @workflow.run
    async def run(self) -> str:
        """The answer of what was lost, once it was done anew."""
        soon = timedelta(minutes=1)
        long = workflow.start_activity("long", start_to_close_timeout=soon, result_type=str)
        answered = [
            workflow.start_activity("short", start_to_close_timeout=soon) for _ in range(ANSWERED)
        ]
        await asyncio.gather(*answered)
        return await long


class Work:
    """Its activities, as the worker has them that is lost."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()
        self.end = asyncio.Event()

    @activity.defn
    async def short(self) -> None:
        """Done before the worker is lost."""
        self.begun += 1
        await self.go_on.wait()

    @activity.defn
    async def long(self) -> str:
        """Lost with it."""
        self.begun += 1
        await self.end.wait()
        return "from the dead"


@activity.defn(name="long")
async def done_anew() -> str:
    """What its successor answers."""
    return "done anew"


async def test_notes_of_answered_attempts_do_not_send_a_workflow_back_to_its_dead_worker(
    temporal_server: TemporalServer, database: Database, tmp_path: Path
) -> None:
    """They are refused, and with each refusal Temporal forgets that the worker is gone."""
    settings, work, queue = Settings(data_dir=tmp_path / "data"), Work(), f"lost-{uuid4()}"
    host, _, port = temporal_server.address.partition(":")
    wire = Wire(("127.0.0.1", 0), (host, int(port)))
    lost = Worker(
        await Client.connect("{}:{}".format(*wire.address)),
        task_queue=queue,
        workflows=[Workload],
        activities=[work.short, work.long],
        interceptors=[OpenAttempts(settings)],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    client = await Client.connect(temporal_server.address)
    notes, kept = settings.data_dir / "attempts", tmp_path / "kept"
    async with working(lost):
        handle = await client.start_workflow(Workload.run, id=f"lost:{uuid4()}", task_queue=queue)
        await happens(lambda: work.begun == ANSWERED + 1, "the work's begin")
        shutil.copytree(notes, kept)
        work.go_on.set()

        async def answered() -> bool:
            pending = (await handle.describe()).raw_description
            return (
                len(pending.pending_activities) == 1
                and not pending.pending_workflow_task.ListFields()
            )

        await happens(answered, "the answers")
        wire.away()
        shutil.copytree(kept, notes, dirs_exist_ok=True)
        await take_over(client, database, settings)
        new = Worker(
            client, task_queue=queue, workflows=[Workload], activities=[done_anew],
            workflow_runner=UnsandboxedWorkflowRunner(),
        )  # fmt: skip
        async with working(new):
            assert await handle.result() == "done anew"
        wire.back()
        work.end.set()
    assert await _waited_for(handle) == []
    wire.away()


async def _waited_for(handle: WorkflowHandle[Any, Any]) -> list[int]:
    """The workflow's tasks that were offered to nobody until a time-out."""
    history = await handle.fetch_history()
    return [
        event.event_id
        for event in history.events
        if event.HasField("workflow_task_timed_out_event_attributes")
    ]
