"""Reads a JSON body as it passes: the members of its outermost object, and its conversation.

Money is reserved before the vendor has a whole request, and for that the model and the maximum
output must be known; JSON may have them at its end. See docs/decisions/gateway.md.
"""

from __future__ import annotations

import codecs
import re
from typing import Any

from paid.gateway.growth import Growth
from paid.gateway.kept import Kept
from paid.gateway.quick_scan import quick_scan
from paid.gateway.scan import SPACE, STRICT, BadBodyError, Member, Scan, TwiceError

DEEPEST = 512
_LETTERS = rb'(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+'
_INSIDE = re.compile(_LETTERS)
_OUTSIDE = re.compile(rb'[^"{}\[\],:]*')
_FLAT = re.compile(rb'(?:[^"{}\[\],]++|"%b")*+' % _LETTERS)
"""What stands between the elements of an array, strings among it."""
_DEEP = re.compile(rb'(?:[^"{}\[\]]++|"%b")*+' % _LETTERS)
_CUT_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?")
_QUOTE, _BACKSLASH, _COMMA, _COLON = b'"\\,:'
_OPEN = {ord("{"): ord("}"), ord("["): ord("]")}
_CLOSE = frozenset(_OPEN.values())
QUICK_BYTES = 1_000_000
"""What is no longer than this is read when it is whole, and quicker."""


class Scanner:
    """Reads JSON chunk by chunk: one state machine, memory for a piece at a time.

    All of it has to be JSON as the standard has it, and the names of each object unique, those of
    the outermost also up to the case of letters, because some readers ignore it: otherwise we
    could reserve for one model and the vendor run another. So each piece (a member, or an element
    of a member's array) is decoded when it has passed, and looked at if it is of the conversation.

    A body of up to `quick_bytes` is kept until it is whole, and read in one go.
    """

    def __init__(
        self, wanted: frozenset[str], wire: str = "", *, quick_bytes: int = QUICK_BYTES
    ) -> None:
        self.scan = Scan(wanted, wire)
        self._quick_bytes = quick_bytes
        self._at = 0
        self._closers: list[int] = []
        self._in_string = False
        self._expects = "object"
        self._key = ""
        self._key_start = 0
        self._kept: Kept | None = None
        self._by_element = False
        self._elements = 0
        self._value_start = 0
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._cut = b""
        self._growth = Growth()
        self._unread: list[bytes] | None = []
        self._unread_bytes = 0

    def feed(self, chunk: bytes) -> None:
        """Read on. Raises BadBodyError and RefusedError."""
        self._growth.feed(chunk)
        if self._unread is None:
            self._read(chunk)
            return
        self._unread.append(chunk)
        self._unread_bytes += len(chunk)
        if self._unread_bytes > self._quick_bytes:
            self._read_all()

    def finish(self) -> Scan:
        """What was found. Raises BadBodyError when the body ends too early, and RefusedError."""
        scan = self._found()
        scan.growth_bytes = self._growth.size
        return scan

    def _found(self) -> Scan:
        if self._unread is not None:
            found = quick_scan(b"".join(self._unread), self.scan.wanted, self.scan.wire)
            if found is not None:
                self.scan = found
                return found
            self._read_all()
        self._check_letters(b"", final=True)
        if self._expects != "end":
            raise BadBodyError("The body is not a whole JSON object.")
        return self.scan

    def _read_all(self) -> None:
        """Turn to reading chunk by chunk."""
        unread, self._unread = self._unread or [], None
        for chunk in unread:
            self._read(chunk)

    def _read(self, chunk: bytes) -> None:
        self._check_letters(chunk)
        chunk, self._cut = self._cut + chunk, b""
        if self._kept is not None:
            self._kept.begin = 0
        place, size = 0, len(chunk)
        while place < size - len(self._cut):
            place = self._string(chunk, place) if self._in_string else self._plain(chunk, place)
        end = size - len(self._cut)
        if self._kept is not None:
            self._kept.pass_on(chunk, end, in_string=self._in_string)
        self._at += end

    def _check_letters(self, chunk: bytes, *, final: bool = False) -> None:
        try:
            self._utf8.decode(chunk, final)
        except UnicodeDecodeError as error:
            raise BadBodyError("The body is not valid UTF-8.") from error

    def _string(self, chunk: bytes, place: int) -> int:
        """On to a string's end, or to the chunk's."""
        end = _skip(_INSIDE, chunk, place)
        if end == len(chunk):
            return end
        if chunk[end] == _BACKSLASH and _CUT_ESCAPE.fullmatch(chunk, end):
            self._cut = chunk[end:]
            return end
        if chunk[end] != _QUOTE:
            raise BadBodyError("The body is not valid JSON.")
        self._in_string = False
        if self._kept is not None:
            self._kept.end_string(chunk, end)
        if len(self._closers) == 1 and self._expects == "key-end":
            self._take_key(chunk, end + 1)
        return end + 1

    def _plain(self, chunk: bytes, place: int) -> int:
        depth = len(self._closers)
        is_between = depth == 2 and self._by_element
        end = _skip(_OUTSIDE if depth < 2 else _FLAT if is_between else _DEEP, chunk, place)
        if end > place and depth < 2:
            self._between(chunk[place:end], place)
        if end == len(chunk):
            return end
        character = chunk[end]
        if depth == 0:
            self._outermost(character, end)
        elif depth == 1:
            self._structure(character, chunk, end)
        elif is_between and character in b",]":
            self._take_element(character, chunk, end)
        elif character == _QUOTE:
            self._begin_string(end)
        elif character in _OPEN:
            self._push(_OPEN[character])
        else:
            self._pop(character)
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
            self._expects = "key-end"
            self.scan.open_key = self._key_start = self._at + place
            self._kept = Kept(place, self.scan.seen.lengths, is_whole=True)
            self._begin_string(place)
        elif character == _COLON and expects == "colon":
            self._expects = "value"
        elif expects == "value" and (character == _QUOTE or character in _OPEN):
            self._begin_value(character, place)
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

    def _begin_value(self, character: int, place: int) -> None:
        self._by_element = character == ord("[") and self._key not in self.scan.wanted
        self._begin(place + 1 if self._by_element else place)
        self._elements, self._expects = 0, "comma"
        if character == _QUOTE:
            self._begin_string(place)
        else:
            self._push(_OPEN[character])

    def _begin_string(self, place: int) -> None:
        self._in_string = True
        if self._kept is not None:
            self._kept.begin_string(place)

    def _take_key(self, chunk: bytes, place: int) -> None:
        assert self._kept is not None  # noqa: S101 - a key is kept
        self._key = str(self._loads(self._kept.taken(chunk, place)))
        self._kept = None
        try:
            self.scan.take_key(self._key)
        except ValueError as error:
            raise BadBodyError(str(error)) from error
        self.scan.open_key, self._expects = None, "colon"
        if self._key in self.scan.wanted:
            self.scan.open[self._key] = self._key_start

    def _begin(self, place: int) -> None:
        self._value_start = self._at + place
        is_whole = self._key in self.scan.wanted
        self._kept = Kept(place, self.scan.seen.lengths, name=self._key, is_whole=is_whole)

    def _take_element(self, character: int, chunk: bytes, place: int) -> None:
        assert self._kept is not None  # noqa: S101 - an element is kept
        raw = self._kept.taken(chunk, place).strip(SPACE)
        if raw or self._elements or character == _COMMA:
            self.scan.look(self._key, self._loads(raw))
        self._elements += 1
        if character == _COMMA:
            self._begin(place + 1)
        else:
            self._kept, self._by_element = None, False
            self._pop(character)

    def _take_value(self, chunk: bytes, place: int) -> None:
        if self._kept is None:
            return
        raw = self._kept.taken(chunk, place).rstrip(SPACE)
        self._kept = None
        value = self._loads(raw)
        self.scan.look_at_each(self._key, value)
        if self._key not in self.scan.wanted:
            return
        self.scan.open.clear()
        start, end, after = self._value_start, self._value_start + len(raw), self._at + place
        self.scan.members[self._key] = Member(value, self._key_start, start, end, after)

    def _push(self, closer: int) -> None:
        if len(self._closers) == DEEPEST:
            raise BadBodyError("The body is nested too deep.")
        self._closers.append(closer)

    def _pop(self, character: int) -> None:
        if self._closers.pop() != character:
            raise BadBodyError("The body's brackets do not match.")

    @staticmethod
    def _loads(raw: bytes) -> Any:
        try:
            return STRICT.decode(raw.decode())
        except TwiceError as error:
            raise BadBodyError(str(error)) from error
        except (ValueError, RecursionError) as error:
            raise BadBodyError("The body is not valid JSON.") from error


def _skip(pattern: re.Pattern[bytes], chunk: bytes, place: int) -> int:
    found = pattern.match(chunk, place)
    return place if found is None else found.end()
