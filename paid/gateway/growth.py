"""Letters that a model's tokeniser may make longer before it cuts a text into tokens.

A token has at least a byte, so a request's bytes bound its tokens; but some tokenisers bring a text
to Unicode's form NFKC first (Anthropic's published one does), or NFC (Qwen's), where one letter may
become eighteen. The bound is of the longer text.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

_RANGES = (
    range(0xA0, 0x3400),
    range(0xF900, 0x10000),
    range(0x10780, 0x107C0),
    range(0x1D15E, 0x1D800),
    range(0x1EE00, 0x1F300),
)
"""Where Unicode has letters with such forms; all others stay as long as they are."""
_ESCAPE = re.compile(r"\\u([0-3fF][0-9a-fA-F]{3})")
"""Of what those ranges have below U+10000; an astral letter's two escapes are longer than it."""
_CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")


def growth_of(letter: str) -> int:
    """By how many bytes of UTF-8 the letter grows at most; 0 for nearly all."""
    longest = max(len(unicodedata.normalize(form, letter).encode()) for form in ("NFC", "NFKC"))
    return max(0, longest - len(letter.encode()))


_GROWTH = {
    letter: growth
    for numbers in _RANGES
    for letter in map(chr, numbers)
    if not "\ud800" <= letter <= "\udfff" and (growth := growth_of(letter))
}
_BY_ESCAPE = {f"{ord(letter):04x}": growth for letter, growth in _GROWTH.items()}
_GROWS = re.compile(f"[{''.join(map(re.escape, _GROWTH))}]")


class Growth:
    """Counts over the chunks of a JSON body, raw and escaped letters alike.

    `size` is in bytes. An escaped letter counts as a raw one, though it has three bytes more.
    """

    def __init__(self) -> None:
        self.size = 0
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._cut = ""

    def feed(self, chunk: bytes) -> None:
        """Read on; what is no UTF-8 is refused elsewhere."""
        text = self._cut + self._utf8.decode(chunk)
        if not text.isascii():
            self.size += sum(_GROWTH[letter] for letter in _GROWS.findall(text))
        if "\\" in text:
            numbers = map(str.lower, _ESCAPE.findall(text))
            self.size += sum(filter(None, map(_BY_ESCAPE.get, numbers)))
        cut = _CUT_ESCAPE.search(text, max(0, len(text) - 5))
        self._cut = cut[0] if cut else ""
