"""Chat Completions streams report usage only when asked to; ask, if the client did not.

A body may be on its way before it was seen whole. So what has to be changed in it is also said as
far as that is known, with the place up to which it is, and how much longer it may become.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from paid.gateway.refusal import RefusedError
from paid.gateway.routes import Route
from paid.gateway.scan import Member, Scan
from paid.gateway.spool import Edit, Spool

_ASKED = b'"include_usage":true'
_PUT_IN = b',"stream_options":{%b}' % _ASKED
"""The longest of all changes: it goes in before the last brace, behind some other member."""
_DECODER = json.JSONDecoder()
_BETWEEN = re.compile(r"[ \t\r\n,:]*")
"""What stands between two values."""


def usage_edits(route: Route, scan: Scan, spool: Spool) -> list[Edit]:
    """The change, as far as the body was seen. Raises RefusedError."""
    if _may_stream(route, scan) is not True:
        return []
    options = scan.members.get("stream_options")
    if options is None:
        end = scan.closing
        return [] if end is None else [Edit(end, end, _PUT_IN)]
    if not isinstance(options.value, dict | None):
        raise RefusedError("stream_options must be an object")
    return _asking(options, spool)


class PassingEdits:
    """The same for a body on its way, as far as it was seen.

    Nothing waits until it is known whether the answer is a stream. Options that pass before that
    are taken out where they stand, and put in, changed or not, before the last brace: there it is
    known, and the members of an object have no order.
    """

    def __init__(self, route: Route, scan: Scan, spool: Spool) -> None:
        self._route, self._scan, self._spool = route, scan, spool
        self._moved: Member | None = None
        self._in_place: list[Edit] = []

    def room(self) -> int:
        """The most bytes by which the body may grow yet; 0 when it is sure that nothing changes."""
        if self._may_stream() is False:
            return 0
        options = self._options()
        if options is None:
            return len(_PUT_IN)
        if not isinstance(options.value, dict | None):
            return 0
        return max(0, sum(edit.growth for edit in _asking(options, self._spool)))

    def ready(self) -> tuple[int, Sequence[Edit]]:
        """Up to where the body may be sent by now, and what is changed in it up to there."""
        scan, options = self._scan, self._options()
        end = self._spool.size - 1 if scan.closing is None else scan.closing
        if self._moved is None and options is not None and self._has_to_move(options):
            self._moved = options
        if self._moved is not None:
            return self._without(self._moved, end)
        held = self._held_from(options)
        if held is not None:
            return min(end, held), ()
        if not self._in_place:  # there is never more than one, and it takes time to find
            self._in_place.extend(usage_edits(self._route, scan, self._spool))
        return end, self._in_place

    def _may_stream(self) -> bool | None:
        return _may_stream(self._route, self._scan)

    def _options(self) -> Member | None:
        return self._scan.members.get("stream_options")

    def _has_to_move(self, options: Member) -> bool:
        return self._may_stream() is None and not _asks(options)

    def _held_from(self, options: Member | None) -> int | None:
        """Where the options begin, or what may be them, until they were seen."""
        if self._may_stream() is False:
            return None
        if options is None:
            return self._scan.open.get("stream_options", self._scan.open_key)
        return None if isinstance(options.value, dict | None) else options.key

    def _without(self, options: Member, end: int) -> tuple[int, Sequence[Edit]]:
        """A comma follows them, and goes with them: otherwise it were known by then."""
        taken_out = Edit(options.key, options.after + 1, b"")
        if end < taken_out.end:
            return taken_out.start, ()
        if self._scan.closing is None:
            return end, [taken_out]
        return end, [taken_out, Edit(end, end, self._put_back(options))]

    def _put_back(self, options: Member) -> bytes:
        value = self._spool.part(options.start, options.end)
        for edit in usage_edits(self._route, self._scan, self._spool):
            start, end = edit.start - options.start, edit.end - options.start
            value = value[:start] + edit.new + value[end:]
        return b',"stream_options":' + value


def _may_stream(route: Route, scan: Scan) -> bool | None:
    """Whether usage must be asked for; None when what came does not tell."""
    stream = scan.members.get("stream")
    if route.wire != "chat":
        return False
    if stream is None:
        return None if scan.closing is None else False
    return stream.value is True


def _asks(options: Member) -> bool:
    return isinstance(options.value, dict) and options.value.get("include_usage") is True


def _asking(options: Member, spool: Spool) -> list[Edit]:
    """The change within the member, of which all else is kept as it is."""
    start = options.start
    if options.value is None:
        return [Edit(start, options.end, b"{%b}" % _ASKED)]
    if _asks(options):
        return []
    if "include_usage" in options.value:
        first, last = _place_within(spool.part(start, options.end), "include_usage")
        return [Edit(start + first, start + last, b"true")]
    comma = b"," if options.value else b""
    return [Edit(start + 1, start + 1, _ASKED + comma)]


def _place_within(raw: bytes, name: str) -> tuple[int, int]:
    """Where a value stands in an object that has it and is valid JSON."""
    text, end, key = raw.decode(), 1, None
    while key != name:
        key, end = _DECODER.raw_decode(text, _next(text, end))
        start = _next(text, end)
        _, end = _DECODER.raw_decode(text, start)
    return len(text[:start].encode()), len(text[:end].encode())


def _next(text: str, place: int) -> int:
    found = _BETWEEN.match(text, place)
    return place if found is None else found.end()
