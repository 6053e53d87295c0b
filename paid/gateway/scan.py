"""What is read of a JSON body: the members of its outermost object, and words that cost tokens."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SPACE = b" \t\r\n"

_MARKERS: Mapping[str, Sequence[bytes]] = {
    "media": (b"image", b"input_image", b"inlineData", b"inline_data"),
    "elsewhere": (
        *(b"file_id", b"file_url", b"file_data", b"fileUri", b"file_uri", b"fileData"),
        *(b"input_file", b"input_audio", b"application/pdf", b"video/", b"audio/"),
        b"item_reference",
    ),
    "document": (b'document"',),
    "source": (b'source"',),
    "hour_cache": (b'1h"',),
    "later_tools": (b'additional_tools"', b'tool_search_output"', b'tool_definition"'),
}
"""Words behind an opening quote that may bring tokens which a body's bytes do not bound."""
_NAMES = {word: name for name, words in _MARKERS.items() for word in words}
_ESCAPED = re.compile(rb"\\u00[4-7]")
"""Nobody escapes plain letters, but to hide one of the words above."""
LONGEST_MARKER = max(len(word) for word in _NAMES) + 1


def _any_word(words: Iterable[bytes]) -> re.Pattern[bytes]:
    """Finds each word behind a quote. Most quotes have none, and by the first letter that is seen:
    so a long conversation is looked through ten times as fast as with one search a word."""
    by_letter: dict[bytes, list[bytes]] = {}
    for word in words:
        by_letter.setdefault(word[:1], []).append(re.escape(word[1:]))
    rests = (b'(?<="%b)(?:%b)' % (letter, b"|".join(rest)) for letter, rest in by_letter.items())
    return re.compile(b'"[%b](?:%b)' % (b"".join(by_letter), b"|".join(rests)))


_WORD = _any_word(_NAMES)


class BadBodyError(Exception):
    """Raised when a body is not one JSON object in UTF-8 that both sides must read alike."""


@dataclass
class Member:
    """The value of one member of the outermost object, and where it stands in the body."""

    value: Any
    key: int
    """Where its key begins."""
    start: int
    end: int
    after: int
    """Where the comma or the brace stands that follows it."""


@dataclass
class Scan:
    """What is read of a body on its way. `wanted` are the members whose values are kept."""

    wanted: frozenset[str]
    members: dict[str, Member] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    """Where a wanted member begins that has not ended yet: there is one at most."""
    open_key: int | None = None
    """Where a key begins that has not ended yet, so that nobody knows which it is."""
    counts: dict[str, int] = field(default_factory=dict)
    opening: int = -1
    """Where the outermost object's brace stands; a member can be put in after it."""
    closing: int | None = None
    """Where it ends: without this brace, nobody can take a body for whole."""

    def count(self, window: bytes, before: bytes = b"") -> None:
        """Count what may bring tokens that are not in the bytes; quoted quotes are text.

        The window may begin with what was counted `before`, so that no word is cut.
        """
        found = _occurrences(window)
        if before:
            found.subtract(_occurrences(before))
        for name, times in found.items():
            if times > 0:
                self.counts[name] = self.counts.get(name, 0) + times


def _occurrences(window: bytes) -> Counter[str]:
    found = Counter(
        _NAMES[match.group()[1:]] for match in _WORD.finditer(window) if _is_bare(window, match)
    )
    if b"\\u00" in window:
        escapes = sum(_is_bare(window, match) for match in _ESCAPED.finditer(window))
        found.update({"escaped": escapes})
    return found


def _is_bare(window: bytes, match: re.Match[bytes]) -> bool:
    """Whether it means what it says: behind a backslash it is a part of a text."""
    return window[match.start() - 1 : match.start()] != b"\\"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is there twice")
    return found


STRICT = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique)
"""For values that are looked at: no NaN, and no member twice on any level."""
