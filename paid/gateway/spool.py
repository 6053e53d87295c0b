"""A request's bytes, kept so that they can be sent again for another key or another model."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
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


class Spool:
    """Bytes that can be read again, for another key or another model."""

    def __init__(self) -> None:
        self.size = 0
        self._memory: list[bytes] = []
        self._file: IO[bytes] | None = None

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self._file is not None:
            self._file.write(chunk)
            return
        self._memory.append(chunk)
        if self.size > IN_MEMORY_BYTES:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the spool
            self._file.writelines(self._memory)
            self._memory.clear()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def whole(self, edits: Sequence[Edit]) -> bytes | None:
        """All of it at once when it is in memory; None when it has to be streamed."""
        if self._file is not None:
            return None
        kept = b"".join(self._memory)
        self._memory = [kept]
        for edit in sorted(edits, key=lambda edit: -edit.start):
            kept = kept[: edit.start] + edit.new + kept[edit.end :]
        return kept

    def length(self, edits: Sequence[Edit]) -> int:
        """Bytes that `stream` gives with these edits."""
        return self.size + sum(len(edit.new) - (edit.end - edit.start) for edit in edits)

    async def stream(self, edits: Sequence[Edit]) -> AsyncIterator[bytes]:
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
            self._file.seek(start)
            chunk = self._file.read(min(CHUNK_BYTES, end - start))
            if not chunk:
                return
            start += len(chunk)
            yield chunk
            await asyncio.sleep(0)
