"""A request's bytes, kept so that they can be sent again for another key or another model."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from typing import IO

from paid.gateway.scan import Scan

IN_MEMORY_BYTES = 1_000_000
CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class Edit:
    """Bytes from `start` up to `end` that are sent as `new`."""

    start: int
    end: int
    new: bytes


@dataclass(frozen=True)
class Body:
    """What is sent: bytes, or an iterator over as many."""

    data: bytes | AsyncIterator[bytes]
    length: int


class Spool:
    """Bytes that can be read again, for another key or another model."""

    def __init__(self) -> None:
        self.size = 0
        self._is_whole = False
        self._news: asyncio.Event | None = None
        self._memory: list[bytes] = []
        self._file: IO[bytes] | None = None

    @property
    def is_in_memory(self) -> bool:
        return self._file is None

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self._news is not None:
            self._news.set()
        if self._file is not None:
            self._file.write(chunk)
            return
        self._memory.append(chunk)
        if self.size > IN_MEMORY_BYTES:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the spool
            for kept in self._memory:
                self._file.write(kept)
            self._memory.clear()

    def finish(self) -> None:
        """Nothing more comes."""
        self._is_whole = True
        if self._news is not None:
            self._news.set()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def body(self, edits: Sequence[Edit] = ()) -> Body:
        """The whole of it with the edits made, to be sent now."""
        length = self.size + sum(len(edit.new) - (edit.end - edit.start) for edit in edits)
        kept = self.whole(edits)
        return Body(self._stream(edits) if kept is None else kept, length)

    def body_until(self, edits: Sequence[Edit], held: int, go_on: Awaitable[object]) -> Body:
        """The same, but its last `held` bytes are sent when `go_on` is done."""
        kept = self.whole(edits)
        assert kept is not None  # noqa: S101 - larger ones are followed
        return Body(_in_two(kept, len(kept) - held, go_on), len(kept))

    def followed(self, length: int, scan: Scan, go_on: Awaitable[object]) -> Body:
        """The bytes as they come, of which there will be `length`; the end when `go_on` is done.

        What is held back begins with the brace that ends the outermost object, or with the last
        byte that came, which could be it.
        """
        return Body(self._follow(scan, go_on), length)

    async def _follow(self, scan: Scan, go_on: Awaitable[object]) -> AsyncIterator[bytes]:
        self._news, position, is_whole = asyncio.Event(), 0, False
        while not is_whole:
            self._news.clear()  # first, for what comes while this one is sent
            is_whole = self._is_whole
            end = self.size - 1 if scan.closing is None else scan.closing
            async for chunk in self._range(position, end):
                yield chunk
            position = max(position, end)
            if not is_whole:
                await self._news.wait()
        await go_on
        async for chunk in self._range(position, self.size):
            yield chunk

    def whole(self, edits: Sequence[Edit]) -> bytes | None:
        """All of it at once when it is in memory; None when it has to be streamed."""
        if self._file is not None:
            return None
        kept = b"".join(self._memory)
        self._memory = [kept]
        for edit in sorted(edits, key=lambda edit: -edit.start):
            kept = kept[: edit.start] + edit.new + kept[edit.end :]
        return kept

    async def _stream(self, edits: Sequence[Edit]) -> AsyncIterator[bytes]:
        """The bytes in order, with the edits made."""
        position = 0
        for edit in sorted(edits, key=lambda edit: edit.start):
            async for chunk in self._range(position, edit.start):
                yield chunk
            yield edit.new
            position = edit.end
        async for chunk in self._range(position, self.size):
            yield chunk

    async def _range(self, start: int, end: int) -> AsyncIterator[bytes]:
        assert self._file is not None  # noqa: S101 - only spooled bodies are streamed
        while start < end:
            chunk = os.pread(self._file.fileno(), min(CHUNK_BYTES, end - start), start)
            if not chunk:
                return
            start += len(chunk)
            yield chunk
            await asyncio.sleep(0)


async def _in_two(kept: bytes, middle: int, go_on: Awaitable[object]) -> AsyncIterator[bytes]:
    yield kept[:middle]
    await go_on
    yield kept[middle:]
