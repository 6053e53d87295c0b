"""What is packed in a file or text: gzip, zlib, zip, bzip2, xz and LZMA, wherever it begins.

Nothing here decides anything; a place that only looks like a stream's beginning costs only time.
"""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol


def unpacked(data: bytes, room: Callable[[], int]) -> Iterator[tuple[bytes, int]]:
    """What is packed in the data, wherever it begins, up to one byte over `room()` each."""
    for magic, begin in _PACKERS if data.isascii() else (*_PACKERS, _SMALL_WINDOWS):
        for match in magic.finditer(data):
            made = begin(data, match.start(), room())
            if made:
                yield made, match.start()


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


_PIECE_BYTES = 16 * 1024


def _unpack(machine: _Unpacker, data: bytes, start: int, most: int) -> bytes:
    """What comes out, up to one byte over `most`; a stream that breaks off has given what it has.

    Most places that look like a stream's beginning are none, and end with their first piece.
    """
    made = bytearray()
    with suppress(zlib.error, OSError, EOFError, lzma.LZMAError, ValueError):
        while start < len(data) and not machine.eof and len(made) <= most:
            piece = data[start : start + _PIECE_BYTES]
            made += machine.decompress(piece, most + 1 - len(made))
            start += len(piece)
    return bytes(made)


def _gzip(data: bytes, at: int, most: int) -> bytes:
    return _unpack(zlib.decompressobj(31), data, at, most)


def _zlib(data: bytes, at: int, most: int) -> bytes:
    return _unpack(zlib.decompressobj(), data, at, most)


def _zip(data: bytes, at: int, most: int) -> bytes:
    """One file of an archive: its local header has 30 bytes, a name, and an extra field.

    Deflated, or by LZMA; what is packed by bzip2 or xz begins with a mark of its own.
    """
    head = data[at : at + 30]
    if len(head) < 30:
        return b""
    begin = at + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    if head[8:10] == b"\x08\x00":
        return _unpack(zlib.decompressobj(-15), data, begin, most)
    if head[8:10] == b"\x0e\x00":
        # two bytes of version, two of length, then what a file of LZMA begins with but its size
        properties = data[begin + 4 : begin + 9]
        return _lzma(properties + b"\xff" * 8 + data[begin + 9 :], 0, most)
    return b""


def _bzip2(data: bytes, at: int, most: int) -> bytes:
    return _unpack(bz2.BZ2Decompressor(), data, at, most)


def _lzma(data: bytes, at: int, most: int) -> bytes:
    machine = lzma.LZMADecompressor(memlimit=96 * 1024 * 1024)
    return _unpack(machine, data, at, most)


def _zlib_beginnings() -> Iterator[bytes]:
    """RFC 1950: deflate, a window of 512 bytes to 16 KiB, no dictionary, a multiple of 31."""
    for first in range(0x18, 0x78, 0x10):
        for second in range(256):
            if (first * 256 + second) % 31 == 0 and not second & 0x20:
                yield bytes((first, second))


_PACKERS: tuple[tuple[re.Pattern[bytes], Callable[[bytes, int, int], bytes]], ...] = (
    (re.compile(rb"\x1f\x8b\x08"), _gzip),
    (re.compile(rb"\x78[\x01\x5e\x9c\xda]"), _zlib),
    (re.compile(rb"PK\x03\x04"), _zip),
    (re.compile(rb"BZh[1-9]1AY&SY"), _bzip2),
    (re.compile(rb"\xfd7zXZ\x00|\x5d\x00\x00[\x00-\x80][\x00-\x04]"), _lzma),
)
_SMALL_WINDOWS = (re.compile(b"|".join(map(re.escape, _zlib_beginnings()))), _zlib)
"""Two letters of English, often: not looked for where all is ASCII, which a stream is not."""
