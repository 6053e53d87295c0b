"""What people are told of a run while it works: one thing at a time, beside the work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from temporalio import workflow


class Announcements:
    """Tasks of one run's workflow, each of which tells people how the run stands.

    One at a time: each looks for the comment that it edits, and writes it where there is none.

    Args:
        announce: tells people how the run stands by then; it must not raise when that fails.
    """

    def __init__(self, announce: Callable[[], Awaitable[None]]) -> None:
        self._announce = announce
        self._last: asyncio.Task[None] | None = None
        self._count = 0
        self._is_over = False

    def begin(self, quiet_after_seconds: float = 0.0) -> asyncio.Task[None]:
        """Tell people beside the work; what is told later waits for its turn.

        Nobody may await the task but `end`: a cancel of whoever does would end it, and then with
        it what waits for it, which is the report and the clean-up.

        `quiet_after_seconds` is how long to wait first, and to say nothing when there is other
        news by then, or the run is over.
        """
        before = self._last
        self._count = number = self._count + 1

        async def tell() -> None:
            if before is not None:
                await before
                if self._is_over:
                    return  # the report says more
            if quiet_after_seconds and await self._is_old_within(quiet_after_seconds, number):
                return
            await self._announce()

        self._last = asyncio.create_task(tell())
        return self._last

    async def end(self) -> None:
        """Wait until nothing is told any more; nothing new may begin."""
        self._is_over = True
        if self._last is not None:
            await self._last

    async def _is_old_within(self, seconds: float, number: int) -> bool:
        """Wait until others have started; True when the run ended first, or there is other news."""
        try:
            await workflow.wait_condition(
                lambda: self._is_over or self._count != number, timeout=seconds
            )
        except TimeoutError:
            return False
        return True
