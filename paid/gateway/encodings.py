"""Answers that a vendor packed, though it was asked not to: unpacked piece by piece.

Those of an encoding that is not known here cannot be read: they pass as they came, and what they
cost is taken to be the worst.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator, Mapping

import aiohttp

PIECE_BYTES = 1 << 20
"""The most that is unpacked at once: a few bytes may stand for gigabytes."""
_PLAIN = frozenset({"", "identity"})
_GZIP = frozenset({"gzip", "x-gzip"})


def encoding_of(headers: Mapping[str, str]) -> str:
    """The content encoding; nothing for an answer that is not packed."""
    named = headers.get("content-encoding", "").strip().lower()
    return "" if named in _PLAIN else named


def is_readable(encoding: str) -> bool:
    """Whether answers in this encoding can be unpacked here."""
    return not encoding or encoding in _GZIP or encoding == "deflate"


def pieces(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The answer's bytes as they come, unpacked. Raises aiohttp.ClientError and TimeoutError."""
    encoding = encoding_of(answer.headers)
    return _unpacked(answer, encoding) if encoding else answer.content.iter_any()


async def _unpacked(answer: aiohttp.ClientResponse, encoding: str) -> AsyncIterator[bytes]:
    if not is_readable(encoding):
        raise aiohttp.ClientPayloadError(f"an answer packed with {encoding} cannot be read")
    unpacker = _Unpacker(encoding)
    try:
        async for packed in answer.content.iter_any():
            for piece in unpacker.feed(packed):
                yield piece
    except zlib.error as error:
        raise aiohttp.ClientPayloadError("a packed answer is damaged") from error
    if not unpacker.is_whole:
        raise aiohttp.ClientPayloadError("a packed answer is cut")


class _Unpacker:
    """gzip of several members, and both kinds of deflate, with and without zlib's frame."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._inner: zlib._Decompress | None = None

    @property
    def is_whole(self) -> bool:
        return self._inner is None or self._inner.eof

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """Raises zlib.error."""
        while packed:
            if self._inner is None or self._inner.eof:
                self._inner = zlib.decompressobj(self._window(packed))
            piece = self._inner.decompress(packed, PIECE_BYTES)
            packed = self._inner.unused_data if self._inner.eof else self._inner.unconsumed_tail
            if piece:
                yield piece

    def _window(self, packed: bytes) -> int:
        if self._encoding in _GZIP:
            return 16 + zlib.MAX_WBITS
        return zlib.MAX_WBITS if packed[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
