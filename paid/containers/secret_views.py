"""Other readings of a text in which a key may be hidden: plain, decoded, unpacked.

Nothing here decides anything; a reading that is nonsense costs only time. So that readings of
readings do not multiply, there is one plain reading of a text, and one of all that is decoded in
it.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import lzma
import re
import unicodedata
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from paid.containers.secret_runs import Run, runs_in, spaced_hex_in

_FROM_EBCDIC = bytes(range(256)).decode("cp037").encode("latin-1")
_ASCII = bytes(range(128))
_CONTROLS = bytes(byte for byte in (*range(32), 127) if byte not in b"\t\n\v\f\r")
_COLOUR = re.compile(rb"\x1b\[[0-9;]{0,16}[A-Za-z]")


def plain(text: bytes) -> bytes:
    """The text without what stands between its letters, and with escapes as what they mean.

    That is UTF-16 and UTF-32 of either order, with a mark or without; the escapes of URLs, mail,
    programs, HTML and Markdown; letters that look like others; invisible ones. The text itself
    where nothing of all that is in it.
    """
    made = _COLOUR.sub(b"", text) if b"\x1b[" in text else text
    made = made.translate(None, _CONTROLS)
    made = _unescaped(made)
    if b"+" in made:
        made = _UTF7.sub(lambda match: _or_nothing(_from_utf7, match[0]) or match[0], made)
    if not made.isascii():
        letters = unicodedata.normalize("NFKC", made.decode("utf-8", "ignore"))
        made = letters.encode("ascii", "ignore")
    return made


def from_mainframe(text: bytes) -> bytes:
    """The text by EBCDIC, where so much of it is beyond ASCII that it may be that; else empty."""
    beyond = len(text.translate(None, _ASCII))
    return text.translate(_FROM_EBCDIC) if beyond > len(text) // 4 else b""


_HEX2, _SPACE = rb"[0-9A-Fa-f]{2}", re.compile(rb"[^0-9A-Fa-f]")


@dataclass(frozen=True)
class _Escape:
    """One way to write a byte: where it may be (`mark`), a run of it, and how a run is read."""

    mark: bytes
    run: re.Pattern[bytes]
    between: re.Pattern[bytes]
    base: int

    @classmethod
    def of(cls, mark: bytes, before: bytes, digits: bytes, after: bytes, base: int) -> _Escape:
        one = before + digits + after
        between = before + (b"|" + after.rstrip(b"?") if after else b"")
        return cls(mark, re.compile(one + b"(?:" + one + b")*"), re.compile(between), base)

    def read_in(self, text: bytes) -> bytes:
        return self.run.sub(self._meant, text) if self.mark in text else text

    def _meant(self, match: re.Match[bytes]) -> bytes:
        codes = self.between.sub(b" ", match[0]).split()
        return bytes(value for code in codes if (value := int(code, self.base)) < 256)


_ESCAPES = (
    _Escape.of(b"%", rb"%(?:25){0,3}", _HEX2, b"", 16),
    _Escape.of(b"=", b"=", rb"[0-9A-F]{2}", b"", 16),
    _Escape.of(b"%u", rb"%u00", _HEX2, b"", 16),
    _Escape.of(b"\\x", rb"\\{1,8}x\{?", _HEX2, rb"\}?", 16),
    _Escape.of(b"\\u", rb"\\{1,8}u\{?(?:0000|00)?", _HEX2, rb"\}?", 16),
    _Escape.of(b"\\U", rb"\\U000000", _HEX2, b"", 16),
    _Escape.of(b"&#x", rb"&#x0{0,5}", _HEX2, b";?", 16),
    _Escape.of(b"&#X", rb"&#X0{0,5}", _HEX2, b";?", 16),
    _Escape.of(b"&#", rb"&#0{0,5}", rb"[0-9]{2,3}", b";?", 10),
    _Escape.of(b"\\", rb"\\0?", rb"[0-7]{3}", b"", 8),
)


_AMPERSANDS = re.compile(rb"&(?:amp;){1,4}(?=[#a-z])")


def _unescaped(text: bytes) -> bytes:
    made = text
    if b"\\" in text:
        made = made.replace(b"\\_", b"_").replace(b"\\-", b"-").replace(b"\\.", b".")
    if b"&" in text:
        made = _AMPERSANDS.sub(b"&", made)
        made = made.replace(b"&lowbar;", b"_").replace(b"&hyphen;", b"-").replace(b"&shy;", b"")
    if b"=" in text:
        made = made.replace(b"=\r\n", b"").replace(b"=\n", b"")
    for escape in _ESCAPES:
        made = escape.read_in(made)
    return made


_UTF7 = re.compile(rb"\+[A-Za-z0-9+/]{3,}-")


def _from_utf7(run: bytes) -> bytes:
    return run.decode("utf-7").encode("utf-8")


@dataclass
class Decoded:
    """All that is decoded in a text, put together, and where in the text each part came from."""

    parts: list[bytes] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _origins: list[int] = field(default_factory=list)
    _size: int = 0

    def add(self, part: bytes, origin: int) -> None:
        self.parts.append(part)
        self._starts.append(self._size)
        self._origins.append(origin)
        self._size += len(part) + 1

    def text(self) -> bytes:
        return b"\n".join(self.parts)

    def origin(self, at: int) -> int:
        """The place in the text from which the byte at `at` was decoded."""
        return self._origins[max(0, bisect_right(self._starts, at) - 1)] if self._origins else 0


def decoded(text: bytes, first: bytes = b"") -> Decoded:
    """Everything in a text that may be base64, base32 or hex, and in `first` what is rarer.

    `first` is the text before `plain` read it, which would take escapes for what they are not.
    """
    found = Decoded()
    for run in runs_in(text):
        _add_run(found, run)
    for part, at in spaced_hex_in(text):
        found.add(part, at)
    for part, at in _from_rarer(first):
        found.add(part, at)
    return found


_SHIFTED_BYTES = 1024 * 1024
"""Longer runs are decoded from their beginning alone."""
_HEX_RUN = re.compile(rb"[0-9A-Fa-f]{24,}")
_BASE32_RUN = re.compile(rb"[A-Z2-7]{24,}|[a-z2-7]{32,}")
_LONGEST_BASE32 = 64 * 1024


def _add_run(found: Decoded, run: Run) -> None:
    """Read a run in every way that its letters allow."""
    for match in _HEX_RUN.finditer(run.letters):
        for shift in (0, 1):
            digits = match[0][shift:]
            found.add(binascii.unhexlify(digits[: len(digits) // 2 * 2]), run.at)
        if len(match[0]) == len(run.letters):
            return  # a hash, most likely; and no base64 of a text has such letters alone
    for match in _BASE32_RUN.finditer(run.letters):
        letters = match[0][:_LONGEST_BASE32].upper()
        found.add(base64.b32decode(letters[: len(letters) // 8 * 8]), run.at)
    # letters that stand before base64 may belong to its run, so it is read from four places
    for shift in range(4 if len(run.letters) < _SHIFTED_BYTES else 1):
        part = run.letters[shift:]
        part = part[:-1] if len(part) % 4 == 1 else part
        found.add(binascii.a2b_base64(part + b"=="), run.at)


_DUMP = re.compile(rb"^[0-9A-Fa-f]{4,8}:? +((?:[0-9A-Fa-f]{2,4} {1,2}){2,16})", re.MULTILINE)
_NUMBERS = re.compile(rb"\d{2,3}[\s,;]{1,4}(?:\d{2,3}[\s,;]{1,4}){10,}\d{2,3}")
_BITS = re.compile(rb"[01]{8}[\s,;]{0,3}(?:[01]{8}[\s,;]{0,3}){7,}")
_ASCII85 = re.compile(rb"<~([!-uz\s]{16,})~>")
_UU = re.compile(rb"^begin [0-7]{3,4} [^\n]*\n((?:[ -`]{1,62}\r?\n)+)", re.MULTILINE)


def _from_rarer(text: bytes) -> Iterator[tuple[bytes, int]]:
    dumped = b"".join(match[1].translate(None, b" ") for match in _DUMP.finditer(text))
    yield binascii.unhexlify(dumped[: len(dumped) // 2 * 2]), 0
    for match in _NUMBERS.finditer(text):
        codes = re.split(rb"[\s,;]+", match[0])
        yield bytes(value for code in codes if (value := int(code)) < 256), match.start()
        if not re.search(rb"[89]", match[0]):
            yield bytes(value for code in codes if (value := int(code, 8)) < 256), match.start()
    for match in _BITS.finditer(text):
        bits = match[0].translate(None, b" \t\r\n\v\f,;")
        eights = (bits[at : at + 8] for at in range(0, len(bits) // 8 * 8, 8))
        yield bytes(int(eight, 2) for eight in eights), match.start()
    for match in _ASCII85.finditer(text):
        yield _or_nothing(base64.a85decode, match[1]), match.start()
    for match in _UU.finditer(text):
        lines = match[1].splitlines()
        yield b"".join(_or_nothing(binascii.a2b_uu, line) for line in lines), match.start()


def _or_nothing(decode: Callable[[bytes], bytes], text: bytes) -> bytes:
    try:
        return decode(text)
    except ValueError:
        return b""


def unpacked(data: bytes, room: Callable[[], int]) -> Iterator[tuple[bytes, int]]:
    """What is packed in the data, wherever it begins, up to one byte over `room()` each."""
    for magic, begin in _PACKERS:
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
    """One file of an archive: its local header has 30 bytes, a name, and an extra field."""
    head = data[at : at + 30]
    if len(head) < 30 or head[8:10] != b"\x08\x00":
        return b""
    begin = at + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    return _unpack(zlib.decompressobj(-15), data, begin, most)


def _bzip2(data: bytes, at: int, most: int) -> bytes:
    return _unpack(bz2.BZ2Decompressor(), data, at, most)


def _xz(data: bytes, at: int, most: int) -> bytes:
    machine = lzma.LZMADecompressor(memlimit=96 * 1024 * 1024)
    return _unpack(machine, data, at, most)


_PACKERS: tuple[tuple[re.Pattern[bytes], Callable[[bytes, int, int], bytes]], ...] = (
    (re.compile(rb"\x1f\x8b\x08"), _gzip),
    (re.compile(rb"\x78[\x01\x5e\x9c\xda]"), _zlib),
    (re.compile(rb"PK\x03\x04"), _zip),
    (re.compile(rb"BZh[1-9]1AY&SY"), _bzip2),
    (re.compile(rb"\xfd7zXZ\x00|\x5d\x00\x00[\x00-\x80][\x00-\x04]"), _xz),
)
