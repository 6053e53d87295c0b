"""A request's bytes, kept so that they can be sent again for another key or another model."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import IO

IN_MEMORY_BYTES = 1_000_000
CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class Edit:
    """Bytes from `start` up to `end` that are sent as `new`."""

    start: int
    end: int
    new: bytes

    @property
    def growth(self) -> int:
        """By how many bytes the body becomes longer; below zero when it becomes shorter."""
        return len(self.new) - (self.end - self.start)


@dataclass(frozen=True)
class Body:
    """What is sent: bytes, or an iterator over as many."""

    data: bytes | AsyncIterator[bytes]
    length: int | None
    """None when it is not known before the end."""


Ready = Callable[[], tuple[int, Sequence[Edit]]]
"""Up to where a body that still comes may be sent by now, and what is changed in it up to there."""


class Spool:
    """Bytes that can be read again, for another key or another model.

    `count` is told of every piece before it is kept.
    """

    def __init__(
        self,
        *,
        in_memory_bytes: int = IN_MEMORY_BYTES,
        count: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.size = 0
        self._count = count
        self._in_memory_bytes = in_memory_bytes
        self._is_whole = False
        self._news: asyncio.Event | None = None
        self._memory: list[bytes] = []
        self._file: IO[bytes] | None = None

    @property
    def is_in_memory(self) -> bool:
        return self._file is None

    def write(self, chunk: bytes) -> None:
        self._count(len(chunk))
        self.size += len(chunk)
        if self._news is not None:
            self._news.set()
        if self._file is not None:
            self._file.write(chunk)
            return
        self._memory.append(chunk)
        if self.size > self._in_memory_bytes:
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
        kept = self.whole(edits)
        data = self._stream(edits, 0, self.size) if kept is None else kept
        return Body(data, self._length(edits))

    def body_until(self, edits: Sequence[Edit], held: int, go_on: Awaitable[object]) -> Body:
        """The same, but its last `held` bytes are sent when `go_on` is done."""
        kept = self.whole(edits)
        assert kept is not None  # noqa: S101 - larger ones are followed
        return Body(_in_two(kept, len(kept) - held, go_on), len(kept))

    def followed(self, ready: Ready, length: int | None, go_on: Awaitable[object]) -> Body:
        """The bytes as they come; the end when `go_on` is done.

        Once all have come, they are ready up to the brace that ends the outermost object.
        `length` has room for the changes: what they leave of it is filled before that brace with
        spaces, which mean nothing there.
        """
        return Body(self._follow(ready, length, go_on), length)

    async def _follow(
        self, ready: Ready, length: int | None, go_on: Awaitable[object]
    ) -> AsyncIterator[bytes]:
        self._news, position, is_whole = asyncio.Event(), 0, False
        while not is_whole:
            self._news.clear()  # first, for what comes while this one is sent
            is_whole = self._is_whole
            end, edits = ready()
            async for chunk in self._stream(edits, position, end):
                yield chunk
            position = max(position, end)
            if not is_whole:
                await self._news.wait()
        await go_on
        if length is not None and (left := length - self._length(edits)):
            edits = [*edits, Edit(position, position, b" " * left)]
        async for chunk in self._stream(edits, position, self.size):
            yield chunk

    def _length(self, edits: Sequence[Edit]) -> int:
        return self.size + sum(edit.growth for edit in edits)

    def part(self, start: int, end: int) -> bytes:
        """A few of the bytes."""
        if self._file is not None:
            return os.pread(self._file.fileno(), end - start, start)
        return b"".join(self._memory)[start:end]

    def whole(self, edits: Sequence[Edit]) -> bytes | None:
        """All of it at once when it is in memory; None when it has to be streamed."""
        if self._file is not None:
            return None
        kept = b"".join(self._memory)
        self._memory = [kept]
        for edit in sorted(edits, key=lambda edit: -edit.start):
            kept = kept[: edit.start] + edit.new + kept[edit.end :]
        return kept

    async def _stream(
        self, edits: Sequence[Edit], position: int, until: int
    ) -> AsyncIterator[bytes]:
        """The bytes in order, with those edits made that begin among them."""
        for edit in sorted(edits, key=lambda edit: edit.start):
            if position <= edit.start < until:
                async for chunk in self._range(position, edit.start):
                    yield chunk
                if edit.new:
                    yield edit.new
                position = edit.end
        async for chunk in self._range(position, until):
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
