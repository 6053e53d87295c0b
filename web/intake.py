"""Taking in bodies of strangers: so many at once, in so much memory, for so long.

A body is read before it is known who sent it. Without bounds, a crowd of large ones, or of slow
ones, would be a way to fill this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from paid.errors import PaidError

SMALL_BYTES = 256 * 1024
"""GitHub's deliveries about issues are smaller, but for the longest."""
SMALL_AT_ONCE = 64
LARGE_AT_ONCE = 2
SECONDS = 10.0
"""GitHub itself gives up after ten: for reading a body, and for waiting until one may be read."""


class TooLargeError(PaidError):
    """Raised for a body above the limit, before it is read where its length was told."""


class TooSlowError(PaidError):
    """Raised when a body does not come in time, or too many others come at once."""


class Intake:
    """Bodies of up to `most_bytes`: at most 64 small ones (16 MiB) and two large ones at once."""

    def __init__(self, most_bytes: int, seconds: float = SECONDS) -> None:
        self._most_bytes, self._seconds = most_bytes, seconds
        self._small = asyncio.Semaphore(SMALL_AT_ONCE)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    def told_length(self, headers: Mapping[str, str]) -> int | None:
        """The length that the client told; None when it told none. Raises TooLargeError."""
        told = headers.get("content-length", "")
        length = int(told) if told.isascii() and told.isdigit() else None
        if length is not None and length > self._most_bytes:
            raise TooLargeError(f"A body may have {self._most_bytes} bytes.")
        return length

    @asynccontextmanager
    async def body(
        self, headers: Mapping[str, str], stream: AsyncIterator[bytes]
    ) -> AsyncIterator[bytearray]:
        """The whole body; its place is given back at the end of the block.

        One whose length is not told may be large. Raises TooLargeError and TooSlowError.
        """
        length = self.told_length(headers)
        is_small = length is not None and length <= SMALL_BYTES
        places = self._small if is_small else self._large
        most = SMALL_BYTES if is_small else self._most_bytes
        async with self._place(places):
            yield await self._read(stream, most)

    @asynccontextmanager
    async def _place(self, places: asyncio.Semaphore) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._seconds):
                await places.acquire()
        except TimeoutError:
            raise TooSlowError("Too many deliveries come at once.") from None
        try:
            yield
        finally:
            places.release()

    async def _read(self, stream: AsyncIterator[bytes], most_bytes: int) -> bytearray:
        read = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in stream:
                    read += chunk
                    if len(read) > most_bytes:
                        raise TooLargeError(f"A body may have {most_bytes} bytes.")
        except TimeoutError:
            raise TooSlowError("The body did not come in time.") from None
        return read
