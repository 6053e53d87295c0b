"""What a project's poll is told, as Temporal has it on record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from temporalio.client import Client
from temporalio.service import RPCError

from paid import polls
from paid.embedded import TemporalServer
from paid.queues import poll_workflow_id

Signals = Callable[[], list[str]]


@contextmanager
def signals_of_poll(server: TemporalServer, project_id: int) -> Iterator[Signals]:
    """A poll that nobody works on: every signal to it stays in its history, in order."""

    async def begin() -> None:
        client = await Client.connect(server.address)
        await _end_poll(client, project_id)
        await polls.start_poll(client, project_id, "nobody")

    async def told() -> list[str]:
        client = await Client.connect(server.address)
        history = await client.get_workflow_handle(poll_workflow_id(project_id)).fetch_history()
        return [
            event.workflow_execution_signaled_event_attributes.signal_name
            for event in history.events
            if event.HasField("workflow_execution_signaled_event_attributes")
        ]

    async def end() -> None:
        await _end_poll(await Client.connect(server.address), project_id)

    asyncio.run(begin())
    try:
        yield lambda: asyncio.run(told())
    finally:
        asyncio.run(end())


async def _end_poll(client: Client, project_id: int) -> None:
    with suppress(RPCError):  # there is none
        await client.get_workflow_handle(poll_workflow_id(project_id)).terminate()
