"""Asking a poll to look, no more often than there is something to gain from it.

A look takes in everything that happened before it. So of many reasons that come in a crowd, the
first makes the poll look at once, and all the others together make it look once more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

SPACING_SECONDS = 1.0
"""So far apart are the looks of one project that webhooks ask for."""


class Looks:
    """Reasons to look, by project; `tell` makes the poll of one look."""

    def __init__(
        self, tell: Callable[[int], Awaitable[None]], spacing_seconds: float = SPACING_SECONDS
    ) -> None:
        self._tell, self._spacing_seconds = tell, spacing_seconds
        self._told: dict[int, float] = {}
        self._waiting: set[int] = set()

    async def ask(self, project_id: int) -> None:
        """Make the poll look now, or as soon as its last look is long enough ago."""
        if project_id in self._waiting:
            return
        left = self._told.get(project_id, -self._spacing_seconds) + self._spacing_seconds
        if (left := left - time.monotonic()) > 0:
            self._waiting.add(project_id)
            try:
                await asyncio.sleep(left)
            finally:
                self._waiting.discard(project_id)
        self._told[project_id] = time.monotonic()
        await self._tell(project_id)
