"""Take a request's body in: bounded in size, in silence and in slowness."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from aiohttp import web
from aiohttp.web_exceptions import HTTPException

from paid.gateway.scanner import Scanner
from paid.gateway.spool import Spool

PATIENCE_SECONDS = 30.0
SLOWEST_BYTES_A_SECOND = 16_384
"""After the first half minute a body has to have come at this rate on average."""


class IntakeError(Exception):
    """Raised when a body is not taken in; `status` is what the client is told."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Held:
    """How many bytes of bodies each run has under way: none may fill this host."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes: dict[int, int] = {}

    @contextmanager
    def counting(self, run_id: int) -> Iterator[Callable[[int], None]]:
        """Count a request's bytes until it ends. The count raises IntakeError."""
        mine = 0

        def count(size: int) -> None:
            nonlocal mine
            mine += size
            self._bytes[run_id] = self._bytes.get(run_id, 0) + size
            if self._bytes[run_id] > self._most_bytes:
                raise IntakeError(429, "This run sends too much at once.")

        try:
            yield count
        finally:
            left = self._bytes.pop(run_id, 0) - mine
            if left:
                self._bytes[run_id] = left


async def take_in(
    request: web.BaseRequest,
    spool: Spool,
    scanner: Scanner,
    largest_bytes: int,
    when_large: Callable[[], None],
    *,
    silent_seconds: float,
) -> None:
    """Read the whole body into the spool, past the scanner; what is large is told of as it grows.

    Raises IntakeError for one that is too large, too slow, cut or encoded, and BadBodyError.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise IntakeError(415, "The gateway takes bodies as they are, without an encoding.")
    if (request.content_length or 0) > largest_bytes:
        raise IntakeError(413, f"The body is larger than {largest_bytes} bytes.")
    await _continue(request)
    began = monotonic()
    while chunk := await _next(request, silent_seconds):
        spool.write(chunk)
        if spool.size > largest_bytes:
            raise IntakeError(413, f"The body is larger than {largest_bytes} bytes.")
        taken = monotonic() - began
        if taken > PATIENCE_SECONDS and spool.size < taken * SLOWEST_BYTES_A_SECOND:
            raise IntakeError(408, "The body comes too slowly.")
        scanner.feed(chunk)
        if not spool.is_in_memory:
            when_large()
    spool.finish()


async def _next(request: web.BaseRequest, silent_seconds: float) -> bytes:
    if request.content.is_eof() and request.content.exception() is None:
        return request.content.read_nowait()
    try:
        async with asyncio.timeout(silent_seconds):
            return await request.content.readany()
    except TimeoutError as error:
        raise IntakeError(408, "The body stopped coming.") from error
    except (HTTPException, ConnectionError, web.RequestPayloadError) as error:
        raise IntakeError(400, "The body is not framed as its headers say.") from error


async def _continue(request: web.BaseRequest) -> None:
    """A client that asks first is told to go on."""
    if request.headers.get("expect", "").lower() == "100-continue":
        transport = request.transport
        if transport is not None:
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
