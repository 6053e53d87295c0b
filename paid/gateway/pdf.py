"""The most tokens that a PDF costs, as far as it can be read here without a library for it.

Vendors read a page as a picture and as its text (Anthropic: 1,500 to 3,000 tokens of text a page
and a picture's; Gemini: 258 to 1,120 a page; OpenAI: a picture and the text). So the pages are
counted, and the letters that they show. What would make either unsure (encryption, parts that are
used twice, codings that hide names) makes the answer None: then the model's window is the bound.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator

PAGE_TOKENS = 6_000
"""For a page's picture; see `estimate.MEDIA_TOKENS`."""
MOST_PAGES = 1_000
"""What no vendor takes more of."""
MOST_INFLATED_BYTES = 2 << 20
MOST_OUTSIDE_BYTES = 1 << 20
"""Of what is not in streams. So a look takes a tenth of a second at most, whoever made it up."""
MOST_STRINGS = 100_000
"""Beyond so many they are not told apart: all bytes are taken for letters."""
MOST_ASCII85_BYTES = 256 << 10
LONGEST_DICTIONARY_BYTES = 4096
MOST_LETTERS_A_GLYPH = 4

_HIDDEN_NAME = re.compile(rb"/[A-Za-z0-9]*#(?:3[0-9]|[46][1-9a-fA-F]|[57][0-9aA])")
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
# Every repetition is bounded, or cannot be given back: a made-up file must not hold the gateway up.
_LIST = rb"\s{0,20}\[([^\]]{0,20000}+)\]"
_ONE = rb"(\d{1,10}+)\s{1,20}+\d{1,10}+\s{1,20}+R"
_KIDS = re.compile(rb"/Kids" + _LIST)
_CONTENTS = re.compile(rb"/Contents(?:\s{0,20}%b|%b)" % (_ONE, _LIST))
_REFERENCE = re.compile(_ONE)
_FILTERS = re.compile(rb"/(\w{1,16}Decode|Crypt)\b")
_NO_TEXT = re.compile(
    rb"/Subtype\s{0,20}/(?:Image|Type1C|CIDFontType0C|OpenType)\b|/Type\s{0,20}/XRef\b|/Length1\b"
)
_FORM = re.compile(rb"/Subtype\s{0,20}/Form\b")
_STREAM = re.compile(rb"\bstream\r?\n")
_SHOWS = re.compile(rb"[)>\]]\s*(?:TJ|Tj|'|\")")
_STRING = re.compile(rb"\(((?:[^()\\]++|\\.)*+)\)|<([0-9A-Fa-f\s]*+)>", re.DOTALL)
_OPENING = re.compile(rb"(?<!\\)\(")
_DRAWS = re.compile(rb"/[^\s/]{1,127}+\s{1,20}+Do\b")
_MAPPED = re.compile(rb"<[0-9A-Fa-f\s]{0,100}+>\s{0,20}+\[?\s{0,20}+<([0-9A-Fa-f\s]*+)>")
_PICTURES = frozenset({b"DCTDecode", b"JPXDecode", b"CCITTFaxDecode", b"JBIG2Decode"})


class _UnclearError(Exception):
    """Raised when a part cannot be read as every reader would."""


def most_tokens(raw: bytes) -> int | None:
    """At most so many; None when nobody can tell from here."""
    try:
        plain, streams = _apart(raw)
        return _bound(plain, streams)
    except (_UnclearError, zlib.error, ValueError):
        return None


def _bound(plain: bytes, streams: list[tuple[bytes, bytes]]) -> int:
    objects = plain + b"\n".join(data for head, data in streams if b"/ObjStm" in head)
    if b"/Encrypt" in objects or _HIDDEN_NAME.search(objects):
        raise _UnclearError
    if len(plain) > MOST_OUTSIDE_BYTES or objects.count(b"/Kids") > MOST_PAGES:
        raise _UnclearError
    if objects.count(b"/Contents") > MOST_PAGES:
        raise _UnclearError
    used = [
        number
        for one, many in _CONTENTS.findall(objects)
        for number in ([one] if one else _REFERENCE.findall(many))
    ]
    kids = [number for kid in _KIDS.findall(objects) for number in _REFERENCE.findall(kid)]
    pages = max(len(_PAGE.findall(objects)), len(kids), 1)
    if len(set(used)) < len(used) or len(set(kids)) < len(kids) or pages > MOST_PAGES:
        raise _UnclearError
    letters = sum(_letters(data) * times for data, times in _shown(streams))
    # Titles, forms and notes are strings of the objects; there is no need to tell them apart.
    letters += _letters(objects, always=True)
    return pages * PAGE_TOKENS + letters * _letters_a_glyph(streams)


def _shown(streams: list[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, int]]:
    """Every stream that may show text, and how often. A form may be drawn again and again."""
    forms = [data for head, data in streams if _FORM.search(head)]
    draws = sum(len(_DRAWS.findall(data)) for _, data in streams)
    if any(_DRAWS.search(form) for form in forms) and any(_SHOWS.search(form) for form in forms):
        raise _UnclearError
    for head, data in streams:
        if b"/ObjStm" not in head:
            yield data, max(1, draws) if data in forms else 1


def _letters(data: bytes, *, always: bool = False) -> int:
    """How many bytes of strings there are; of a stream only when it shows any."""
    if not always and not _SHOWS.search(data):
        return 0
    if data.count(b"(") + data.count(b"<") > MOST_STRINGS:
        return len(data)
    found = _STRING.findall(data)
    if len(_OPENING.findall(data)) > sum(1 for text, digits in found if not digits):
        return len(data)  # brackets within brackets: all of it may be text
    return sum(len(text) + len(digits) // 2 for text, digits in found)


def _letters_a_glyph(streams: list[tuple[bytes, bytes]]) -> int:
    """At least two, because some scripts have two tokens a letter; more for ligatures."""
    longest = 2
    for _, data in streams:
        if b"beginbf" in data:
            # UTF-16: four digits a letter.
            longest = max([longest, *(len(to) // 4 for to in _MAPPED.findall(data))])
    if longest > MOST_LETTERS_A_GLYPH:
        raise _UnclearError
    return longest


def _apart(raw: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """What is outside of streams, and each stream's dictionary and its bytes, unpacked."""
    outside, streams, place, left = [], [], 0, MOST_INFLATED_BYTES
    while (found := _STREAM.search(raw, place)) is not None:
        begin = max(place, found.start() - LONGEST_DICTIONARY_BYTES)
        head = raw[begin : found.start()]
        head = head[max(head.rfind(b" obj"), 0) :]
        end = raw.find(b"endstream", found.end())
        if end < 0:
            raise _UnclearError
        outside.append(raw[place : found.start()])
        data = _unpacked(head, raw[found.end() : end], left)
        left -= len(data)
        streams.append((head, data))
        place = end + len(b"endstream")
    outside.append(raw[place:])
    return b"\n".join(outside), streams


def _unpacked(head: bytes, data: bytes, most: int) -> bytes:
    """A stream's bytes; nothing for pictures and fonts, which show no text by themselves."""
    filters = _FILTERS.findall(head)
    if _NO_TEXT.search(head):
        return b""
    if b"/Predictor" in head or set(filters) & _PICTURES:
        raise _UnclearError
    for name in filters:
        if name == b"FlateDecode":
            inflating = zlib.decompressobj()
            data = inflating.decompress(data.lstrip(b"\r\n"), most + 1)
        elif name == b"ASCII85Decode" and len(data) <= MOST_ASCII85_BYTES:
            data = base64.a85decode(data.strip().removesuffix(b"~>"))
        else:
            raise _UnclearError
        if len(data) > most:
            raise _UnclearError
    return data
