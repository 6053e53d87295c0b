"""A request on its way to the vendor while its money is asked for: all of it but its end.

Nobody can act on a body without its last brace, so that the cap holds; and what the way takes and
what the ledger takes pass together. A body that is larger than the memory for it follows its
client, piece by piece, and is never waited for as a whole: also one whose tokens are only counted,
which costs nothing, and goes on when all of it was read and may pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import aiohttp

from paid.gateway.routes import Route
from paid.gateway.spool import Body
from paid.gateway.upstream import Upstream
from paid.gateway.vendors import Vendor


class Departure:
    """At most one such request. Whoever makes one drops it in the end; that never hurts."""

    def __init__(
        self, upstream: Upstream, vendor: Vendor, key: str | None, headers: Mapping[str, str]
    ) -> None:
        self._upstream = upstream
        self._vendor = vendor
        self._key = key
        self.headers = headers
        """Those of the request that pass."""
        self._go_on: asyncio.Future[None] | None = None
        self._sent: asyncio.Task[aiohttp.ClientResponse] | None = None

    def start(self, route: Route, body: Callable[[Awaitable[object]], Body]) -> None:
        """Send a body that waits with its end for what it is given; not when one is under way."""
        if self._key is not None and self._sent is None:
            loop = asyncio.get_running_loop()
            self._go_on = loop.create_future()
            sending = self._send(self._key, route, body(self._go_on))
            self._sent = loop.create_task(sending)

    def is_under_way(self, key: str) -> bool:
        """Whether only the end is missing, with this key.

        What failed before, or was answered before all of it was there, is to be sent again: that
        was no answer to it.
        """
        return self._sent is not None and key == self._key and not self._sent.done()

    async def arrive(self) -> aiohttp.ClientResponse:
        """Send the end, and wait for the answer. Raises aiohttp.ClientError and TimeoutError."""
        assert self._sent is not None and self._go_on is not None  # noqa: S101, PT018 - under way
        sent, self._sent, self._key = self._sent, None, None
        self._go_on.set_result(None)
        try:
            return await sent
        except BaseException:
            sent.add_done_callback(_leave)
            raise

    def drop(self) -> None:
        """Cut what is under way, and let nothing follow."""
        self._key = None
        if self._sent is not None:
            self._sent.cancel()
            self._sent.add_done_callback(_leave)
            self._sent = None

    async def _send(self, key: str, route: Route, body: Body) -> aiohttp.ClientResponse:
        # The question to the ledger, which is asked next, takes longer than this: it goes first.
        await asyncio.sleep(0)
        return await self._upstream.send(self._vendor, key, route, self.headers, body)


def _leave(sent: asyncio.Task[aiohttp.ClientResponse]) -> None:
    if not sent.cancelled() and sent.exception() is None:
        sent.result().close()
