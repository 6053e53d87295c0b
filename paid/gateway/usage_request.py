"""Chat Completions streams report usage only when asked to; ask, if the client did not.

A body may be on its way before it was seen whole. So what has to be changed in it is said as far
as that is known, with the place from which on it is not, and how much longer it may become.
"""

from __future__ import annotations

import json
import re

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


def unsure_from(route: Route, scan: Scan) -> int | None:
    """Where a value stands that may have to be changed, or refused, when more was seen."""
    streams, options = _may_stream(route, scan), scan.members.get("stream_options")
    if streams is False:
        return None
    if options is None:
        return scan.open.get("stream_options")
    is_good = isinstance(options.value, dict | None)
    return None if is_good and (streams or _asks(options)) else options.start


def usage_room(route: Route, scan: Scan, spool: Spool) -> int:
    """The most bytes by which the body may grow yet; 0 when it is sure that nothing changes."""
    if _may_stream(route, scan) is False:
        return 0
    options = scan.members.get("stream_options")
    if options is None:
        return len(_PUT_IN)
    if not isinstance(options.value, dict | None):
        return 0
    return max(0, sum(edit.growth for edit in _asking(options, spool)))


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
