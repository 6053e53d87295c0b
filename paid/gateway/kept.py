"""A piece of a body that is kept until it is whole, without the long strings that are in it."""

from __future__ import annotations

import re
import secrets

from paid.gateway.inline_data import HEAD_LETTERS, MARK_LETTERS
from paid.gateway.scan import BadBodyError

MOST_BYTES = 4 << 20
LONG_BYTES = 64 << 10
"""A string that is longer may be left out but for its beginning: a picture is."""
_BEGIN = re.compile(rb"[ !#-\[\]-~]{0,%d}" % HEAD_LETTERS)
"""Enough to see what a string holds; it ends before any escape."""
_STRING = re.compile(rb'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
SHORT_BYTES = 2048
"""Where there is no room, longer strings than this are left out."""
_DOCUMENT = re.compile(rb"(?:data:[^,]{0,200},)?\s*JVBER", re.IGNORECASE)


class Kept:
    """Bytes of one piece, from `begin` of the present chunk on.

    What is left out of a string is replaced by a mark that nobody can guess, under which `lengths`
    has the string's length. Documents are kept, to be looked into, while there is room.
    """

    def __init__(
        self, begin: int, lengths: dict[str, int], *, name: str = "", is_whole: bool = False
    ) -> None:
        self.begin = begin
        self._lengths = lengths
        self._name = name
        self._is_whole = is_whole
        self._bytes = bytearray()
        self._string = 0
        self._left_out: int | None = None

    def begin_string(self, quote: int) -> None:
        """A string begins at this place of the chunk."""
        self._string = len(self._bytes) + quote + 1 - self.begin

    def end_string(self, chunk: bytes, quote: int) -> None:
        """It ends at this place of the chunk."""
        if self._left_out is not None:
            length = len(self._bytes) - self._string + self._left_out + quote - self.begin
            mark = secrets.token_hex(MARK_LETTERS // 2)
            self._lengths[mark] = length
            self._bytes += mark.encode()
            self._left_out, self.begin = None, quote

    def pass_on(self, chunk: bytes, end: int, *, in_string: bool) -> None:
        """The chunk is over, and the piece is not. Raises BadBodyError for one that is too long."""
        if self._left_out is not None:
            self._left_out += end - self.begin
        else:
            self._bytes += chunk[self.begin : end]
            if in_string and not self._is_whole:
                self._leave_out()
        self.begin = 0
        # A string that is not over yet begins with the quote before this place.
        self._check(self._string - 1 if in_string else len(self._bytes))

    def taken(self, chunk: bytes, end: int) -> bytes:
        """The whole piece, which ends at this place of the chunk. Raises BadBodyError."""
        self._bytes += chunk[self.begin : end]
        self._check(len(self._bytes))
        return bytes(self._bytes)

    def _shorten(self, end: int, spares: re.Pattern[bytes] | None) -> int:
        """Leave long strings out up to there, but those like `spares`; where that place is then."""

        def short(found: re.Match[bytes]) -> bytes:
            if len(found[1]) < SHORT_BYTES or (spares is not None and spares.match(found[1])):
                return found[0]
            begin = _BEGIN.match(found[1])
            mark = secrets.token_hex(MARK_LETTERS // 2)
            self._lengths[mark] = len(found[1])
            return b'"%b%b"' % (begin[0] if begin else b"", mark.encode())

        rest = _STRING.sub(short, bytes(self._bytes[:end]))
        self._string += len(rest) - end
        self._bytes[:end] = rest
        return len(rest)

    def _leave_out(self) -> None:
        size = len(self._bytes) - self._string
        is_document = _DOCUMENT.match(self._bytes, self._string) is not None
        if size > LONG_BYTES and not (is_document and len(self._bytes) <= MOST_BYTES):
            found = _BEGIN.match(self._bytes, self._string)
            end = self._string if found is None else found.end()
            self._left_out = len(self._bytes) - end
            del self._bytes[end:]

    def _check(self, end: int) -> None:
        """Leave out what is long up to there when there is no room. Raises BadBodyError."""
        for spares in (_DOCUMENT, None):
            if len(self._bytes) > MOST_BYTES and not self._is_whole:
                end = self._shorten(end, spares)
        if len(self._bytes) > MOST_BYTES:
            raise BadBodyError(
                f"A part of the member {self._name!r} is longer than {MOST_BYTES} bytes:"
                " send it in several parts."
            )
