"""Reads a JSON body as it passes: the members of its outermost object, and no more.

Money is reserved before the vendor has a whole request, and for that the model and the maximum
output must be known; JSON may have them at its end. See docs/decisions/gateway.md.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass, field
from typing import Any

MOST_CAPTURED_BYTES = 4 << 20
DEEPEST = 512


class BadBodyError(Exception):
    """Raised when a body is not one JSON object in UTF-8 that both sides must read alike."""


@dataclass
class Member:
    """The value of one member of the outermost object, and where it stands in the body."""

    value: Any
    start: int
    end: int


_INSIDE = re.compile(rb'[^"\\]*')
_OUTSIDE = re.compile(rb'[^"{}\[\],:]*')
_DEEP = re.compile(rb'[^"{}\[\]]*')
_QUOTE, _BACKSLASH, _COMMA, _COLON = b'"\\,:'
_OPEN = {ord("{"): ord("}"), ord("["): ord("]")}
_CLOSE = frozenset(_OPEN.values())
_SPACE = b" \t\r\n"

_MARKERS = {
    "media": (b'"image', b'"input_image', b'"inlineData', b'"inline_data'),
    "elsewhere": (
        *(b'"file_id', b'"file_url', b'"file_data', b'"fileUri', b'"file_uri', b'"fileData'),
        *(b'"input_file', b'"input_audio', b'"application/pdf', b'"video/', b'"audio/'),
        b'"item_reference',
    ),
    "document": (b'"document"',),
    "source": (b'"source"',),
    "hour_cache": (b'"1h"',),
    "later_tools": (b'"additional_tools"', b'"tool_search_output"', b'"tool_definition"'),
    # Nobody escapes plain letters, but to hide one of the words above.
    "escaped": (b"\\u004", b"\\u005", b"\\u006", b"\\u007"),
}
"""Words in a body that may bring tokens which its bytes do not bound."""
_LONGEST_MARKER = max(len(mark) for markers in _MARKERS.values() for mark in markers)


@dataclass
class Scan:
    """What is read of a body on its way. `wanted` are the members whose values are kept."""

    wanted: frozenset[str]
    members: dict[str, Member] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    opening: int = -1
    """Where the outermost object's brace stands; a member can be put in after it."""
    closing: int | None = None
    """Where it ends: without this brace, nobody can take a body for whole."""


class Scanner:
    """Reads JSON chunk by chunk: one state machine, memory for the wanted members only.

    Brackets have to match, and the outermost object's members have to be well formed and unique
    (also up to the case of letters, because some readers ignore it): otherwise we could reserve
    for one model and the vendor run another. What is inside of them is the vendor's to judge.
    """

    def __init__(self, wanted: frozenset[str]) -> None:
        self.scan = Scan(wanted)
        self._at = 0
        self._closers: list[int] = []
        self._in_string = self._escaped = False
        self._expects = "object"
        self._seen: set[str] = set()
        self._key = ""
        self._captured: bytearray | None = None
        self._capture_from = 0
        self._value_start = 0
        self._scalar = bytearray()
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._overlap = b""

    def feed(self, chunk: bytes) -> None:
        """Read on. Raises BadBodyError."""
        try:
            self._utf8.decode(chunk)
        except UnicodeDecodeError as error:
            raise BadBodyError("The body is not valid UTF-8.") from error
        self._count(chunk)
        self._capture_from, place, size = 0, 0, len(chunk)
        while place < size:
            place = self._string(chunk, place) if self._in_string else self._plain(chunk, place)
        if self._captured is not None:
            self._keep(chunk[self._capture_from :])
        self._at += size

    def finish(self) -> Scan:
        """What was found. Raises BadBodyError when the body ends too early."""
        try:
            self._utf8.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise BadBodyError("The body is not valid UTF-8.") from error
        if self._expects != "end":
            raise BadBodyError("The body is not a whole JSON object.")
        return self.scan

    def _string(self, chunk: bytes, place: int) -> int:
        if self._escaped:
            self._escaped = False
            return place + 1
        place = _skip(_INSIDE, chunk, place)
        if place == len(chunk):
            return place
        if chunk[place] == _BACKSLASH:
            self._escaped = True
            return place + 1
        self._in_string = False
        place += 1
        if len(self._closers) == 1 and self._expects == "key-end":
            self._take_key(chunk, place)
        return place

    def _plain(self, chunk: bytes, place: int) -> int:
        is_deep = len(self._closers) > 1
        end = _skip(_DEEP if is_deep else _OUTSIDE, chunk, place)
        if end > place and not is_deep:
            self._between(chunk[place:end], place)
        if end == len(chunk):
            return end
        character = chunk[end]
        if len(self._closers) == 0:
            self._outermost(character, end)
        elif len(self._closers) == 1:
            self._structure(character, chunk, end)
        elif character == _QUOTE:
            self._in_string = True
        elif character in _OPEN:
            self._push(_OPEN[character])
        elif character in _CLOSE:
            self._pop(character)
            if len(self._closers) == 1:
                self._expects = "comma"
        return end + 1

    def _between(self, text: bytes, place: int) -> None:
        """Spaces, or a number or word that is a member's value."""
        stripped = text.strip(_SPACE)
        if not stripped:
            return
        if self._expects == "value":
            self._begin(place + text.index(stripped))
            self._expects = "scalar"
        if self._expects != "scalar":
            raise BadBodyError("The body is not a JSON object.")

    def _outermost(self, character: int, place: int) -> None:
        if self._expects != "object" or character != ord("{"):
            raise BadBodyError("The body is not a JSON object.")
        self.scan.opening = self._at + place
        self._push(ord("}"))
        self._expects = "key-or-end"

    def _structure(self, character: int, chunk: bytes, place: int) -> None:
        """One character that means something among the outermost object's members."""
        expects = self._expects
        if character == _QUOTE and expects in ("key", "key-or-end"):
            self._in_string, self._expects = True, "key-end"
            self._captured, self._capture_from = bytearray(), place
        elif character == _COLON and expects == "colon":
            self._expects = "value"
        elif expects == "value" and (character == _QUOTE or character in _OPEN):
            self._begin(place)
            self._expects = "comma"
            if character == _QUOTE:
                self._in_string = True
            else:
                self._push(_OPEN[character])
        elif character == _COMMA and expects in ("comma", "scalar"):
            self._take_value(chunk, place)
            self._expects = "key"
        elif character == ord("}") and expects in ("comma", "scalar", "key-or-end"):
            if expects != "key-or-end":
                self._take_value(chunk, place)
            self._pop(character)
            self._expects = "end"
            self.scan.closing = self._at + place
        else:
            raise BadBodyError("The body is not valid JSON.")

    def _take_key(self, chunk: bytes, place: int) -> None:
        self._keep(chunk[self._capture_from : place])
        self._key = self._name(bytes(self._captured or b""))
        self._captured = None
        folded = self._key.casefold()
        if folded in self._seen:
            raise BadBodyError(f"The member {self._key!r} is there twice.")
        self._seen.add(folded)
        if folded in self.scan.wanted and self._key not in self.scan.wanted:
            raise BadBodyError(f"The member {self._key!r} is misspelt.")
        self._expects = "colon"

    def _begin(self, place: int) -> None:
        self._value_start = self._at + place
        if self._key in self.scan.wanted:
            self._captured, self._capture_from = bytearray(), place

    def _take_value(self, chunk: bytes, place: int) -> None:
        if self._captured is None:
            return
        self._keep(chunk[self._capture_from : place])
        raw = bytes(self._captured).rstrip(_SPACE)
        self._captured = None
        self.scan.members[self._key] = Member(
            self._loads(raw), self._value_start, self._value_start + len(raw)
        )

    def _keep(self, part: bytes) -> None:
        assert self._captured is not None  # noqa: S101 - only called while capturing
        self._captured += part
        self._capture_from = 0
        if len(self._captured) > MOST_CAPTURED_BYTES:
            raise BadBodyError(f"The member {self._key!r} is too long.")

    def _push(self, closer: int) -> None:
        if len(self._closers) == DEEPEST:
            raise BadBodyError("The body is nested too deep.")
        self._closers.append(closer)

    def _pop(self, character: int) -> None:
        if self._closers.pop() != character:
            raise BadBodyError("The body's brackets do not match.")

    def _name(self, raw: bytes) -> str:
        is_plain = b"\\" not in raw and raw.isascii() and raw[1:-1].decode().isprintable()
        return raw[1:-1].decode() if is_plain else str(self._loads(raw))

    @staticmethod
    def _loads(raw: bytes) -> Any:
        try:
            return _DECODER.decode(raw.decode())
        except (ValueError, RecursionError) as error:
            raise BadBodyError("The body is not valid JSON.") from error

    def _count(self, chunk: bytes) -> None:
        """Count what may bring tokens that are not in the bytes; quoted quotes are text."""
        before = self._overlap
        window = before + chunk if before else chunk
        for name, markers in _MARKERS.items():
            found = _occurrences(window, markers)
            if found and before:
                found -= _occurrences(before, markers)
            if found > 0:
                self.scan.counts[name] = self.scan.counts.get(name, 0) + found
        self._overlap = window[-_LONGEST_MARKER:]


def _occurrences(window: bytes, markers: tuple[bytes, ...]) -> int:
    """Mostly there are none, and looking for a word is what costs: so once, not twice."""
    total = 0
    for mark in markers:
        found = window.count(mark)
        if found:
            total += found - window.count(b"\\" + mark)
    return total


def _skip(pattern: re.Pattern[bytes], chunk: bytes, place: int) -> int:
    found = pattern.match(chunk, place)
    return place if found is None else found.end()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is there twice")
    return found


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique)
