"""Runs of letters in a text that may be an encoding: found by what each byte is, not by patterns.

A pattern takes a step for every byte of every text. Here a text is translated once, so that every
byte of an alphabet becomes one letter, and a run is then found as a repeated letter, at the speed
of a search for a string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_HEX = b"0123456789abcdefABCDEF"
_LEAST_RUN = 20
_SHORTEST_LINE = 2
"""Letters in a line that goes on where the line before ended."""
_LONGEST_GAP = 24
_GAP = re.compile(rb"(?:\\\\?[nr]|[^A-Za-z0-9/_-])*")
"""What may stand between two lines of one run: a line's end, quotes, commas, marks of comments."""


def _table(alphabet: bytes, letter: bytes) -> bytes:
    return bytes(letter[0] if byte in alphabet else 0x20 for byte in range(256))


_BASE64_CLASS = _table(_LETTERS + b"-_", b"a")
_HEX_CLASS = bytes(
    ord("h") if byte in _HEX else ord(" ") if byte in b" \t\r\n:,;-" else ord(".")
    for byte in range(256)
)
_STANDARD = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True)
class Run:
    """Letters of the standard base64 alphabet, and where in the text they begin."""

    letters: bytes
    at: int


def runs_in(text: bytes) -> Iterator[Run]:
    """Every run of twenty letters of base64 and more; lines that follow one another are one run."""
    classed = text.translate(_BASE64_CLASS)
    end = 0
    while (start := classed.find(b"a" * _LEAST_RUN, end)) >= 0:
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


_SPACED_HEX = re.compile(rb"[0-9A-Fa-f]{2}(?:[\s:,;-]{1,3}[0-9A-Fa-f]{2}){7,}")


def spaced_hex_in(text: bytes) -> Iterator[tuple[bytes, int]]:
    """Pairs of hex digits with something between them, as `67:68`, `67 68` and `0x67, 0x68`."""
    bare = text.replace(b"0x", b"").replace(b"0X", b"")
    classed = bare.translate(_HEX_CLASS)
    if not any(gap.join([b"hh"] * 4) in classed for gap in (b" ", b"  ", b"   ")):
        return
    for match in _SPACED_HEX.finditer(bare):
        digits = bytes(byte for byte in match[0] if byte in _HEX)
        yield bytes.fromhex(digits.decode("ascii")), min(match.start(), len(text))
