"""Whether a part of Paid does its work, asked from outside."""

from __future__ import annotations

import asyncio
import time
import uuid

import pytest
from temporalio.worker import Worker

from paid import health
from paid.embedded import TemporalServer
from paid.settings import Settings
from paid.temporal import connect
from paid.workflows.periodic_job import PeriodicJobWorkflow
from tests.off_clock import Elsewhere
from tests.waiting import happens

pytestmark = pytest.mark.anyio


async def test_a_host_whose_clock_is_off_sees_who_takes_work_and_who_does_not(
    temporal_server: TemporalServer, elsewhere: Elsewhere
) -> None:
    client = await connect(Settings(temporal_address=temporal_server.address))
    queue, idle = f"queue-{uuid.uuid4()}", f"queue-{uuid.uuid4()}"
    async with Worker(client, task_queue=queue, workflows=[PeriodicJobWorkflow]):
        await happens(lambda: health.is_polled(client, queue, 0), "the first poll")
        assert elsewhere.do(_is_polled, temporal_server.address, queue)
    assert not elsewhere.do(_is_polled, temporal_server.address, idle)


def _is_polled(address: str, queue: str) -> bool:
    async def ask() -> bool:
        client = await connect(Settings(temporal_address=address))
        return await health.is_polled(client, queue, time.time() - health.RECENT_SECONDS)

    return asyncio.run(ask())
