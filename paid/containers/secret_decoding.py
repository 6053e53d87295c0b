"""What may be decoded in a text: base64, base32, hex, numbers, dumps.

Nothing here decides anything; a reading that is nonsense costs only time. So that readings of
readings do not multiply, all that is decoded in a text is one reading.
"""

from __future__ import annotations

import base64
import binascii
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from paid.containers.secret_runs import Run, runs_in, spaced_hex_in


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
# each can be read in one way only: with two ways a number, a text of 150 bytes takes hours to fail
_BETWEEN = rb"[^0-9A-Za-z]{1,8}+(?:0o|(?:[A-Za-z.]{0,8}[Cc]har|chr)\(?)?"
_CODE = rb"(?:0\d{1,3}|[1-9]\d{1,2})"
_NUMBERS = re.compile(_CODE + rb"(?:" + _BETWEEN + _CODE + rb"){11,}")
_NUMBER = re.compile(rb"\d+")
_BITS = re.compile(rb"[01]{8}[\s,;]{0,3}(?:[01]{8}[\s,;]{0,3}){7,}")
_ASCII85 = re.compile(rb"<~([!-uz\s]{16,})~>")
_UU = re.compile(rb"^begin [0-7]{3,4} [^\n]*\n((?:[ -`]{1,62}\r?\n)+)", re.MULTILINE)


def _from_rarer(text: bytes) -> Iterator[tuple[bytes, int]]:
    dumped = b"".join(match[1].translate(None, b" ") for match in _DUMP.finditer(text))
    yield binascii.unhexlify(dumped[: len(dumped) // 2 * 2]), 0
    for match in _NUMBERS.finditer(text):
        codes = _NUMBER.findall(match[0].replace(b"0o", b""))
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
