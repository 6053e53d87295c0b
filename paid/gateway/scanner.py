"""Reads a JSON body as it passes: the members of its outermost object, and no more.

Money is reserved before the vendor has a whole request, and for that the model and the maximum
output must be known; JSON may have them at its end. See docs/decisions/gateway.md.
"""

from __future__ import annotations

import codecs
import re
from typing import Any

from paid.gateway.quick_scan import quick_scan
from paid.gateway.scan import LONGEST_MARKER, SPACE, STRICT, BadBodyError, Member, Scan

MOST_CAPTURED_BYTES = 4 << 20
DEEPEST = 512
_INSIDE = re.compile(rb'[^"\\]*')
_OUTSIDE = re.compile(rb'[^"{}\[\],:]*')
_DEEP = re.compile(rb'[^"{}\[\]]*')
_QUOTE, _BACKSLASH, _COMMA, _COLON = b'"\\,:'
_OPEN = {ord("{"): ord("}"), ord("["): ord("]")}
_CLOSE = frozenset(_OPEN.values())
QUICK_BYTES = 1_000_000
"""What is no longer than this is read when it is whole, and quicker."""


class Scanner:
    """Reads JSON chunk by chunk: one state machine, memory for the wanted members only.

    Brackets have to match, and the outermost object's members have to be well formed and unique
    (also up to the case of letters, because some readers ignore it): otherwise we could reserve
    for one model and the vendor run another. What is inside of them is the vendor's to judge.

    A body of up to `quick_bytes` is kept until it is whole, and read in one go.
    """

    def __init__(self, wanted: frozenset[str], *, quick_bytes: int = QUICK_BYTES) -> None:
        self.scan = Scan(wanted)
        self._quick_bytes = quick_bytes
        self._at = 0
        self._closers: list[int] = []
        self._in_string = self._escaped = False
        self._expects = "object"
        self._seen: set[str] = set()
        self._key = ""
        self._key_start = 0
        self._captured: bytearray | None = None
        self._capture_from = 0
        self._value_start = 0
        self._scalar = bytearray()
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._overlap = b""
        self._unread: list[bytes] | None = []
        self._unread_bytes = 0

    def feed(self, chunk: bytes) -> None:
        """Read on. Raises BadBodyError."""
        if self._unread is None:
            self._read(chunk)
            return
        self._unread.append(chunk)
        self._unread_bytes += len(chunk)
        if self._unread_bytes > self._quick_bytes:
            self._read_all()

    def finish(self) -> Scan:
        """What was found. Raises BadBodyError when the body ends too early."""
        if self._unread is not None:
            found = quick_scan(b"".join(self._unread), self.scan.wanted)
            if found is not None:
                self.scan = found
                return found
            self._read_all()
        try:
            self._utf8.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise BadBodyError("The body is not valid UTF-8.") from error
        if self._expects != "end":
            raise BadBodyError("The body is not a whole JSON object.")
        return self.scan

    def _read_all(self) -> None:
        """Turn to reading chunk by chunk."""
        unread, self._unread = self._unread or [], None
        for chunk in unread:
            self._read(chunk)

    def _read(self, chunk: bytes) -> None:
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
        stripped = text.strip(SPACE)
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
            self.scan.open_key = self._key_start = self._at + place
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
        self.scan.open_key, self._expects = None, "colon"
        if self._key in self.scan.wanted:
            self.scan.open[self._key] = self._key_start

    def _begin(self, place: int) -> None:
        self._value_start = self._at + place
        if self._key in self.scan.wanted:
            self._captured, self._capture_from = bytearray(), place

    def _take_value(self, chunk: bytes, place: int) -> None:
        if self._captured is None:
            return
        self._keep(chunk[self._capture_from : place])
        raw = bytes(self._captured).rstrip(SPACE)
        self._captured = None
        self.scan.open.clear()
        start, end, after = self._value_start, self._value_start + len(raw), self._at + place
        self.scan.members[self._key] = Member(self._loads(raw), self._key_start, start, end, after)

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
            return STRICT.decode(raw.decode())
        except (ValueError, RecursionError) as error:
            raise BadBodyError("The body is not valid JSON.") from error

    def _count(self, chunk: bytes) -> None:
        window = self._overlap + chunk
        self.scan.count(window, self._overlap)
        self._overlap = window[-LONGEST_MARKER:]


def _skip(pattern: re.Pattern[bytes], chunk: bytes, place: int) -> int:
    found = pattern.match(chunk, place)
    return place if found is None else found.end()
