"""Workers end together, and nothing waits for ever for one that does not."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from paid.embedded import TemporalServer
from paid.working import working

pytestmark = pytest.mark.anyio
SOON = timedelta(milliseconds=200)


@activity.defn
async def nothing() -> None: ...


@pytest.fixture
async def client(temporal_server: TemporalServer) -> Client:
    return await Client.connect(temporal_server.address)


def new_worker(client: Client) -> Worker:
    return Worker(client, task_queue=f"end-{uuid4()}", activities=[nothing])


async def test_all_workers_have_ended_behind_the_block(client: Client) -> None:
    workers = new_worker(client), new_worker(client)
    async with working(*workers):
        assert not any(worker.is_shutdown for worker in workers)
    assert all(worker.is_shutdown for worker in workers)


async def test_an_end_that_does_not_come_is_not_waited_for(
    client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stuck, well = new_worker(client), new_worker(client)
    end_it = stuck.shutdown
    monkeypatch.setattr(stuck, "shutdown", asyncio.Event().wait)
    async with asyncio.timeout(30):
        async with working(stuck, well, longest_end=SOON):
            pass
    assert well.is_shutdown
    printed = capsys.readouterr().out
    assert stuck.task_queue in printed
    assert well.task_queue not in printed
    await end_it()


async def test_what_ends_the_block_is_told(client: Client) -> None:
    worker = new_worker(client)
    with pytest.raises(KeyError, match="a mistake"):
        async with working(worker):
            raise KeyError("a mistake")
    assert worker.is_shutdown


async def test_a_worker_that_cannot_work_ends_the_block_with_its_reason(
    temporal_server: TemporalServer, client: Client
) -> None:
    elsewhere = await Client.connect(temporal_server.address, namespace="not-there")
    well = new_worker(client)
    with pytest.raises(RuntimeError, match="not-there"):
        async with asyncio.timeout(30), working(well, new_worker(elsewhere)):
            await asyncio.Event().wait()
    assert well.is_shutdown
