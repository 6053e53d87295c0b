"""How Temporal workers work and end: together, and in any case."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import structlog
from temporalio.worker import Worker

LONGEST_END = timedelta(seconds=10)
"""Twice the grace that running activities have, and less than a supervisor waits (15 s)."""

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def working(*workers: Worker, longest_end: timedelta = LONGEST_END) -> AsyncIterator[None]:
    """Let workers work; end all of them at once when the block ends.

    An end that does not come within `longest_end` is not waited for. Once in some ten thousand the
    SDK's core (1.35.0) keeps a worker for ever that is told to end while the last activity of a
    workflow that was terminated is handed over. Nothing is lost with it: what a worker had not
    answered is given to another.
    """
    async with AsyncExitStack() as stack:
        for worker in workers:
            await stack.enter_async_context(worker)
        try:
            yield
        finally:
            if not await _have_ended(workers, longest_end):
                stack.pop_all()


async def _have_ended(workers: Sequence[Worker], within: timedelta) -> bool:
    ends = {asyncio.ensure_future(worker.shutdown()): worker for worker in workers}
    if not ends:
        return True
    _, missing = await asyncio.wait(ends, timeout=within.total_seconds())
    for end in missing:
        end.cancel()
        _log.warning("worker.end_not_seen", queue=ends[end].task_queue)
    return not missing
