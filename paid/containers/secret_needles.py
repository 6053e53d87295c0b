"""Finding Paid's own secrets in a text, in any of many forms at once, at hundreds of MB/s.

A text is first folded: only its letters and digits stay, in lower case. So it does not matter how
lines are broken, what is quoted or escaped, or what stands between the letters. A form of a secret
is folded alike, and is then a needle.

There are a hundred needles a secret, so they are not looked for one by one. Each is at least 16
bytes long; wherever it stands in a text, eight of them fill one of the text's aligned words of 64
bits. All words of all needles are in one set, and the text's words are looked up in it. Only where
one is found are the needles themselves looked for.
"""

from __future__ import annotations

import base64
import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LEAST_SECRET_CHARS = 8
_LEAST_NEEDLE_BYTES = 16
_WORD_BYTES = 8
_ALNUM = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER = bytes(range(256)).lower()
_DROPPED = bytes(byte for byte in range(256) if byte not in _ALNUM)
_BLANKS = b" \t\r\n\0"


def fold(text: bytes) -> bytes:
    """The letters and digits of a text, in lower case."""
    return text.translate(_LOWER, _DROPPED)


@dataclass(frozen=True)
class _Needles:
    """Needles of one kind of text, each with the place of its secret."""

    by_needle: dict[bytes, int]
    words: frozenset[int]
    short: tuple[bytes, ...]

    @classmethod
    def of(cls, needles: Iterable[tuple[bytes, int]]) -> _Needles:
        by_needle = dict(needles)
        long = [needle for needle in by_needle if len(needle) >= _LEAST_NEEDLE_BYTES]
        words = frozenset(word for needle in long for word in _words_at_each_byte(needle))
        return cls(by_needle, words, tuple(set(by_needle) - set(long)))

    def found_in(self, text: bytes) -> int | None:
        """The place of a secret that is in the text."""
        whole = memoryview(text)[: len(text) // _WORD_BYTES * _WORD_BYTES].cast("Q")
        if not self.words.isdisjoint(whole):
            for needle, place in self.by_needle.items():
                if needle in text:
                    return place
        return next((self.by_needle[needle] for needle in self.short if needle in text), None)


class OwnSecrets:
    """Our secrets, ready to be looked for; those shorter than eight characters are left out."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets = [
            raw for secret in secrets if len(raw := secret.encode()) >= LEAST_SECRET_CHARS
        ]
        folded, plain = [], []
        for place, raw in enumerate(self.secrets):
            folded += [(needle, place) for needle in set(_folded_forms(raw))]
            plain += [(needle, place) for needle in set(_plain_forms(raw))]
        self._folded, self._plain = _Needles.of(folded), _Needles.of(plain)

    def found_in(self, text: bytes) -> bytes | None:
        """A secret that is in a text, in some form; None when there is none."""
        place = self._folded.found_in(fold(text))
        if place is None:
            place = self._plain.found_in(text.translate(None, _BLANKS))
        return None if place is None else self.secrets[place]


def _folded_forms(raw: bytes) -> Iterator[bytes]:
    """Forms whose letters and digits are enough to tell them."""
    for form in _forms(raw):
        needle = fold(form)
        if len(needle) >= _LEAST_NEEDLE_BYTES:
            yield from _halves(needle)
        elif len(needle) >= LEAST_SECRET_CHARS and len(needle) >= len(raw) - 2:
            yield needle


def _forms(raw: bytes) -> Iterator[bytes]:
    rot13 = codecs.encode(raw.decode("utf-8", "replace"), "rot13").encode()
    yield from (raw, raw[::-1], rot13)
    for bare in (raw, raw[::-1]):
        yield bare.hex().encode()
        yield from _base64_of(bare)
        yield from _base32_of(bare)
    yield base64.b64encode(raw.decode("utf-8", "replace").encode("utf-16-le"))
    for each in ("x%02x", "0x%02x", "u%04x", "u00%02x", "%d", "%03d", "%o", "%03o", "0o%o"):
        yield "".join(each % byte for byte in raw).encode()
    for each in ("{:08b}", "{:b}", "0b{:08b}"):
        yield "".join(each.format(byte) for byte in raw).encode()


def _plain_forms(raw: bytes) -> Iterator[bytes]:
    """Forms of which punctuation is a part; blanks are left out of texts and needles."""
    if len(fold(raw)) < max(LEAST_SECRET_CHARS, len(raw) - 2):
        yield raw.translate(None, _BLANKS)
    for encode in (base64.b85encode, base64.a85encode):
        for before in range(4):
            whole = encode(b"\0" * before + raw)
            yield from _halves(whole[5 if before else 0 : (before + len(raw)) // 4 * 5])


def _base64_of(raw: bytes) -> Iterator[bytes]:
    """The letters of base64 that depend on `raw` alone, wherever in a text it stands."""
    for before, skipped in ((0, 0), (1, 2), (2, 3)):
        whole = base64.b64encode(b"\0" * before + raw)
        yield whole[skipped : (before + len(raw)) * 8 // 6]


def _base32_of(raw: bytes) -> Iterator[bytes]:
    """The same of base32, in both alphabets that are in use."""
    for encode in (base64.b32encode, base64.b32hexencode):
        for before in range(5):
            whole = encode(b"\0" * before + raw)
            yield whole[-(-before * 8 // 5) : (before + len(raw)) * 8 // 5]


def _halves(needle: bytes) -> Iterator[bytes]:
    """Each half of a needle that is long enough is a leak, and every whole has both."""
    middle = len(needle) // 2
    if middle < _LEAST_NEEDLE_BYTES:
        yield needle
        return
    yield needle[:middle]
    yield needle[middle:]


def _words_at_each_byte(needle: bytes) -> Iterator[int]:
    for start in range(len(needle) - _WORD_BYTES + 1):
        yield memoryview(needle[start : start + _WORD_BYTES]).cast("Q")[0]
