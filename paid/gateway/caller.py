"""Who waits for an answer, and what becomes of the answer when they leave.

Before a request is at its vendor, its end is the end of its work. Afterwards the vendor works and
bills, whoever listens: so the gateway reads on for the vendor's count, for a bounded time. See
docs/decisions/gateway.md.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

MOST_READ_ON = 512
"""Answers without a listener that are read at once; each has a connection to a vendor."""
MOST_READ_ON_A_RUN = 64
CUT_SECONDS = 1.0
"""How long what was cut may take to write down its charge."""


class CallerLeftError(Exception):
    """Raised when nobody waits for an answer any more, and nothing that costs was sent."""


class Caller:
    """The client of one request. `is_stopped` tells that the gateway itself cut its answer."""

    def __init__(self, request: web.BaseRequest, callers: Callers) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - only requests come here
        self.task = task
        self.run_id = 0
        self.is_gone = False
        self.is_stopped = False
        self._request = request
        self._callers = callers
        self._is_at_vendor = False
        self._limit: asyncio.TimerHandle | None = None

    def leave(self) -> None:
        """The connection is lost: end the work, or read on when a vendor is at it."""
        if self.is_gone:
            return
        self.is_gone = True
        seconds = self._callers.read_on_seconds
        if self._is_at_vendor and self._callers.may_read_on(self):
            self._limit = asyncio.get_running_loop().call_later(seconds, self.task.cancel)
        else:
            self.task.cancel()

    def cut(self) -> None:
        """The token is dead: the client gets nothing more."""
        self.leave()
        if self._request.transport is not None:
            self._request.transport.abort()

    def stop(self) -> None:
        """The gateway ends: nobody reads on any more."""
        self.is_stopped = True
        self.task.cancel()

    @contextmanager
    def at_vendor(self) -> Iterator[None]:
        """From the moment in which a vendor may begin to work. Raises CallerLeftError."""
        if self.is_gone:
            raise CallerLeftError
        self._is_at_vendor = True
        self._callers.at_vendors.add(self)
        try:
            yield
        finally:
            self._is_at_vendor = False
            self._callers.at_vendors.discard(self)
            if self._limit is not None:
                self._limit.cancel()

    async def begin(self, response: web.StreamResponse) -> None:
        """Send the head of the answer, if anybody listens."""
        if not self.is_gone:
            try:
                await response.prepare(self._request)
            except ConnectionError:
                self.leave()

    async def tell(self, response: web.StreamResponse, chunk: bytes) -> None:
        """Send a piece of the answer, if anybody listens."""
        if not self.is_gone:
            try:
                await response.write(chunk)
            except ConnectionError:
                self.leave()

    async def end(self, response: web.StreamResponse) -> None:
        """Send the end of the answer, if anybody listens."""
        if not self.is_gone:
            try:
                await response.write_eof()
            except ConnectionError:
                self.leave()

    def break_off(self) -> None:
        """Only an end without an end tells that an answer was cut: its status is gone already."""
        if self._request.transport is not None:
            self._request.transport.abort()


class Callers:
    """All clients of a gateway. An answer without one is read for `read_on_seconds` more."""

    def __init__(self, *, read_on_seconds: float) -> None:
        self.read_on_seconds = read_on_seconds
        self.at_vendors: set[Caller] = set()

    def may_read_on(self, caller: Caller) -> bool:
        """Whether there is room for one more answer that nobody listens to."""
        gone = Counter(each.run_id for each in self.at_vendors if each.is_gone)
        return gone.total() <= MOST_READ_ON and gone[caller.run_id] <= MOST_READ_ON_A_RUN

    async def finish(self, seconds: float) -> None:
        """Let vendors end what they are at; then cut the rest, which is no client's doing."""
        if self.at_vendors:
            await asyncio.wait({caller.task for caller in self.at_vendors}, timeout=seconds)
        left = {caller.task for caller in self.at_vendors}
        for caller in list(self.at_vendors):
            caller.stop()
        if left:
            await asyncio.wait(left, timeout=CUT_SECONDS)
