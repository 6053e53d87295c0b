"""Readings of a text in which letters are written in another way than as themselves.

`plain` is the one in which all that cannot be misunderstood is undone at once. `otherwise` are
those that would spoil it: `=5f` is a letter in mail and an assignment in a program.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

_FROM_EBCDIC = bytes(range(256)).decode("cp037").encode("latin-1")
_CONTROLS = bytes(byte for byte in (*range(32), 127) if byte not in b"\t\n\v\f\r")
_COLOUR = re.compile(rb"\x1b\[[0-9;]{0,16}[A-Za-z]")


def plain(text: bytes) -> bytes:
    """The text without what stands between its letters, and with escapes as what they mean.

    That is UTF-16 and UTF-32 of either order, with a mark or without; the escapes of URLs,
    programs, HTML and Markdown; letters that look like others; invisible ones, and accents. The
    text itself where nothing of all that is in it.
    """
    made = _COLOUR.sub(b"", text) if b"\x1b[" in text else text
    made = made.translate(None, _CONTROLS)
    made = _unescaped(made)
    if b"+" in made:
        made = _UTF7.sub(_from_utf7, made)
    if not made.isascii():
        letters = made.decode("utf-8", "ignore")
        letters = letters.translate(_TAGS) if _TAG in made else letters
        made = unicodedata.normalize("NFKD", letters).encode("ascii", "ignore")
    return made


@dataclass(frozen=True)
class Reading:
    """A text as it may also be read; `is_encoded` where much of it was written otherwise."""

    text: bytes
    is_encoded: bool = False


def otherwise(text: bytes) -> Iterator[Reading]:
    """What a plain text is as mail, as a style sheet, and with its broken words joined."""
    lines = text.replace(b"=\r\n", b"").replace(b"=\n", b"") if b"=" in text else text
    mail = _MAIL.read_in(lines)
    is_encoded = lines != text or len(text) - len(mail) >= _MANY_ESCAPES_BYTES
    for reading in (
        Reading(mail, is_encoded),
        Reading(_STYLE_SHEET.read_in(text)),
        Reading(_BREAKS.sub(b"", text)),
    ):
        if reading.text != text:
            yield reading


_MANY_ESCAPES_BYTES = 32
"""Of sixteen escapes: each is three bytes that are read as one."""
_BREAKS = re.compile(
    rb"<[!/A-Za-z][^<>]{0,200}>|\*{2,}|~~|`|\\\r?\n[ \t]{0,16}"
    rb"|[\"'][ \t\r\n\\+.&]{0,40}[\"']"
)
"""What stands within words that are shown as one: markup, line ends that a shell leaves out, and
the quotes of strings that a program puts together.
"""


def from_mainframe(text: bytes) -> bytes:
    """The text by EBCDIC, whose letters and digits are beyond ASCII; empty where nothing is.

    However little of it is: small files are looked through together with their neighbours.
    """
    return b"" if text.isascii() else text.translate(_FROM_EBCDIC)


_HEX2 = rb"[0-9A-Fa-f]{2}"
_TAGS = {0xE0000 + code: code for code in range(0x20, 0x7F)}
"""Unicode's invisible letters, U+E0020 and on."""
_TAG = "\U000e0041".encode()[:2]


@dataclass(frozen=True)
class _Escape:
    """One way to write a byte: where it may be (`mark`), a run of it, and how a run is read."""

    mark: bytes
    run: re.Pattern[bytes]
    between: re.Pattern[bytes]
    base: int

    @classmethod
    def of(cls, mark: bytes, before: bytes, digits: bytes, after: bytes, base: int) -> _Escape:
        one = before + digits + after
        between = before + (b"|" + after.rstrip(b"?") if after else b"")
        return cls(mark, re.compile(one + b"(?:" + one + b")*"), re.compile(between), base)

    def read_in(self, text: bytes) -> bytes:
        return self.run.sub(self._meant, text) if self.mark in text else text

    def _meant(self, match: re.Match[bytes]) -> bytes:
        codes = self.between.sub(b" ", match[0]).split()
        return bytes(value for code in codes if (value := int(code, self.base)) < 256)


_ESCAPES = (
    _Escape.of(b"%", rb"%(?:25){0,3}", _HEX2, b"", 16),
    _Escape.of(b"%u", rb"%u00", _HEX2, b"", 16),
    _Escape.of(b"\\x", rb"\\{1,8}x\{?", _HEX2, rb"\}?", 16),
    _Escape.of(b"\\u", rb"\\{1,8}u\{?(?:0000|00)?", _HEX2, rb"\}?", 16),
    _Escape.of(b"\\U", rb"\\U000000", _HEX2, b"", 16),
    _Escape.of(b"&#x", rb"&#x0{0,5}", _HEX2, b";?", 16),
    _Escape.of(b"&#X", rb"&#X0{0,5}", _HEX2, b";?", 16),
    _Escape.of(b"&#", rb"&#0{0,5}", rb"[0-9]{2,3}", b";?", 10),
    _Escape.of(b"\\", rb"\\0?", rb"(?!000)[0-7]{3}", b"", 8),
)
_MAIL = _Escape.of(
    b"=", rb"=(?![A-Za-z0-9+/]{4}(?:[\r\n]|\\+[nr]))", _HEX2, b"", 16
)  # no sum of PGP
_STYLE_SHEET = _Escape.of(b"\\", rb"\\0{0,4}", _HEX2, rb"[ \t\n]?", 16)


_LETTERS = ((b"&lowbar;", b"_"), (b"&UnderBar;", b"_"), (b"&hyphen;", b"-"), (b"&shy;", b""))
_AMPERSANDS = re.compile(rb"&(?:amp;){1,4}(?=[#a-z])")


def _unescaped(text: bytes) -> bytes:
    made = text
    if b"\\" in text:
        made = made.replace(b"\\_", b"_").replace(b"\\-", b"-").replace(b"\\.", b".")
    if b"&" in text:
        made = _AMPERSANDS.sub(b"&", made)
        for name, letter in _LETTERS:
            made = made.replace(name, letter)
    for escape in _ESCAPES:
        made = escape.read_in(made)
    return made


_UTF7 = re.compile(rb"\+[A-Za-z0-9+/]{3,}+-?")
"""A whole run, whether it ends as UTF-7 does or not: what begins later in it ends there as well. To
try each + of base64 on one line takes time with the square of its length."""


def _from_utf7(run: re.Match[bytes]) -> bytes:
    if not run[0].endswith(b"-"):
        return run[0]
    with suppress(ValueError):
        return run[0].decode("utf-7").encode("utf-8") or run[0]
    return run[0]
