"""The scanner's work on a body that is here in one piece, by the standard library's decoder.

That is written in C, and reads a long conversation in a fraction of the time. What it does not
take is left to the scanner, whose word counts: nothing but a conversation is refused here.
"""

from __future__ import annotations

import json
import re

from paid.gateway.scan import STRICT, Member, Scan

_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN = json.JSONDecoder()


def quick_scan(body: bytes, wanted: frozenset[str], wire: str = "") -> Scan | None:
    """What the scanner would find, or None where it has to look itself. Raises RefusedError."""
    try:
        text = body.decode()
        found = _Reading(text, wanted, wire).scan()
    except (ValueError, IndexError, RecursionError):
        return None
    if not text.isascii():
        _count_in_bytes(found, text)
    return found


class _Reading:
    """One pass over the members of the outermost object; places are counted in characters."""

    def __init__(self, text: str, wanted: frozenset[str], wire: str) -> None:
        self._text = text
        self._at = 0
        self._scan = Scan(wanted, wire)

    def scan(self) -> Scan:
        """Raises ValueError, IndexError or RecursionError for what is not plainly good."""
        self._scan.opening = self._expect("{")
        if self._next() != "}":
            self._member()
            while self._next() == ",":
                self._at += 1
                self._next()
                self._member()
        self._scan.closing = self._expect("}")
        if _SPACE.match(self._text, self._at).end() != len(self._text):  # type: ignore[union-attr]
            raise ValueError("something follows the object")
        return self._scan

    def _member(self) -> None:
        begin = self._at
        key, self._at = _PLAIN.raw_decode(self._text, begin)
        if not isinstance(key, str):
            raise ValueError("a key has to be a string")
        self._scan.take_key(key)
        self._expect(":")
        self._next()
        start = self._at
        value, self._at = STRICT.raw_decode(self._text, start)
        self._scan.look_at_each(key, value)
        if key in self._scan.wanted:
            end = self._at
            self._next()
            self._scan.members[key] = Member(value, begin, start, end, self._at)

    def _next(self) -> str:
        self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
        return self._text[self._at]

    def _expect(self, character: str) -> int:
        if self._next() != character:
            raise ValueError(f"{character} was expected")
        self._at += 1
        return self._at - 1


def _count_in_bytes(scan: Scan, text: str) -> None:
    def size(start: int, end: int) -> int:
        return len(text[start:end].encode())

    scan.opening, scan.closing = size(0, scan.opening), size(0, scan.closing or 0)
    for member in scan.members.values():
        begin, start, end, after = member.key, member.start, member.end, member.after
        member.key = size(0, begin)
        member.start = member.key + size(begin, start)
        member.end = member.start + size(start, end)
        member.after = member.end + size(end, after)
