"""Runs of letters in a text that may be an encoding: found by what each byte is, not by patterns.

A pattern takes a step for every byte of every text. Here a text is translated once, so that every
byte of an alphabet becomes one letter, and a run is then found as a repeated letter, at the speed
of a search for a string.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_HEX = b"0123456789abcdefABCDEF"
_LEAST_LINE = 16
_SHORTEST_RUN = 24
"""Fewer letters are less than 18 bytes, and no key of anybody's is so short."""
_SHORTEST_LINE = 2
"""Letters in a line that goes on where the line before ended."""
_LONGEST_GAP = 24
_GAP = re.compile(rb"(?:\\\\?[nr]|[^A-Za-z0-9/_-])*")
"""What may stand between two lines of one run: a line's end, quotes, commas, marks of comments."""


def _table(alphabet: bytes, letter: bytes) -> bytes:
    return bytes(letter[0] if byte in alphabet else 0x20 for byte in range(256))


_BASE64_CLASS = _table(_LETTERS + b"-_", b"a")
_HEX_GAPS = b" \t\r\n:,;-.|_\"'"
_NO_HEX = bytes(byte for byte in range(256) if byte not in _HEX)
_HEX_CLASS = bytes(
    ord("h") if byte in _HEX else ord(" ") if byte in _HEX_GAPS else ord(".") for byte in range(256)
)
_STANDARD = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True)
class Run:
    """Letters of the standard base64 alphabet, and where in the text they begin."""

    letters: bytes
    at: int


def runs_in(text: bytes) -> Iterator[Run]:
    """Every run of letters of base64 that may hold a key; lines that follow one another are one."""
    classed = text.translate(_BASE64_CLASS)
    end = 0
    while (start := classed.find(b"a" * _LEAST_LINE, end)) >= 0:
        parts = []
        at = start
        while True:
            end = classed.find(b" ", start)
            end = len(text) if end < 0 else end
            parts.append(text[start:end])
            following = _next_line(text, classed, end)
            if following is None:
                break
            start = following
        letters = b"".join(parts).translate(_STANDARD)
        if len(letters) < _SHORTEST_RUN:
            continue
        yield Run(letters, at)
        if len(parts) > 1:  # the last line may be a word that stands behind the run
            yield Run(letters[: -len(parts[-1])], at)


def _next_line(text: bytes, classed: bytes, end: int) -> int | None:
    """Where the run goes on behind a line's end; None when it does not."""
    start = classed.find(b"a" * _SHORTEST_LINE, end, end + _LONGEST_GAP + _SHORTEST_LINE)
    if start < 0:
        return None
    gap = text[end:start]
    goes_on = (b"\n" in gap or b"\\n" in gap) and b"=" not in gap
    return start if goes_on and _GAP.fullmatch(gap) else None


_GROUPS = [
    (
        [(b"h" * size + b" " * gap) * 3 for gap in range(1, 5)],
        re.compile(rb"h{%d}(?: {1,4}h{%d}){3,}" % (size, size)),
    )
    for size in (2, 4, 8, 16)
]
"""Of each size what is quick to look for, and the pattern."""


def spaced_hex_in(text: bytes) -> Iterator[tuple[bytes, int]]:
    """Hex digits in groups of one size, as `67:68`, `6768 6970` and `0x67, 0x68`."""
    bare = text.replace(b"0x", b"").replace(b"0X", b"")
    classed = bare.translate(_HEX_CLASS)
    for begins, group in _GROUPS:
        if not any(begin in classed for begin in begins):
            continue
        for match in group.finditer(classed):
            digits = bare[match.start() : match.end() + 16].translate(None, _NO_HEX)
            even = digits[: len(digits) // 2 * 2]
            yield binascii.unhexlify(even), min(match.start(), len(text))
