"""Waiting for what happens in another thread or process, and tells nobody.

A deadline here says only that something hangs: it is far longer than the slowest machine takes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

HANGS_SECONDS = 60
LOOK_SECONDS = 0.02


def wait_until(true: Callable[[], object], what: str = "it") -> None:
    """Look again and again until it is true."""
    deadline = time.monotonic() + HANGS_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen in {HANGS_SECONDS:g} s"
        time.sleep(LOOK_SECONDS)


async def happens(true: Callable[[], object | Awaitable[object]], what: str = "it") -> None:
    """The same on an event loop, which goes on meanwhile."""
    deadline = time.monotonic() + HANGS_SECONDS
    while not await _answer(true()):
        assert time.monotonic() < deadline, f"{what} did not happen in {HANGS_SECONDS:g} s"
        await asyncio.sleep(LOOK_SECONDS)


async def _answer(found: object | Awaitable[object]) -> object:
    return await found if isinstance(found, Awaitable) else found
