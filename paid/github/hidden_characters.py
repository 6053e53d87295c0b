"""Characters that a person does not see and a model reads: found, taken out, and told."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from html.entities import html5

Note = Callable[[str, str], None]
"""Called with the kind of what was taken out, and what it was."""

ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC: titles, links, clipboard
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor, erase
    r"|\x1b[ -/]*[0-~]?"
)
_ENTITY = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,31}));")
_KEPT_CONTROLS = frozenset("\n\t")
_BIDIRECTIONAL = frozenset(
    "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u2028\u2029"
    + "".join(chr(code) for code in range(0x180B, 0x1810))
)
_JOINERS = frozenset("\u200c\u200d")
_PRESENTATION = frozenset("\ufe0e\ufe0f")


def without_hidden_characters(text: str, note: Note) -> str:
    """The text as a person sees it, with lines that end in LF alone."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = ESCAPES.sub(lambda match: _gone(note, "terminal escape", match[0]), text)
    text = _ENTITY.sub(lambda match: _entity(match, note), text)
    return without_unseen_characters(text, note)


def without_unseen_characters(text: str, note: Note) -> str:
    """The text without single characters that cannot be seen; for text that is no markup."""
    if text.isascii() and text.isprintable():
        return text
    kept = []
    for place, character in enumerate(text):
        kind = _kind(character)
        if kind is None or _joins(text, place):
            kept.append(character)
        elif kind == "lone surrogate":
            kept.append(_gone(note, kind, character) + "\ufffd")
        else:
            note(kind, character)
    return "".join(kept)


def _gone(note: Note, kind: str, what: str) -> str:
    note(kind, what)
    return ""


def _entity(match: re.Match[str], note: Note) -> str:
    """An entity that stands for a hidden character goes; one for a letter becomes the letter."""
    decimal, hexadecimal, name = match.groups()
    if name is not None:
        meant = html5.get(f"{name};", match[0])
    else:
        code = int(decimal) if decimal else int(hexadecimal, 16)
        meant = chr(code) if 0 < code < 0x110000 else "\0"
    if meant != match[0] and all(_kind(character) for character in meant):
        return _gone(note, "hidden entity", match[0])
    if name is None and meant.isascii() and meant.isalnum():
        note("encoded letter", match[0])
        return meant
    return match[0]


def _kind(character: str) -> str | None:
    """Why a character is hidden; None when it can be seen."""
    if character.isascii() and (character.isprintable() or character in _KEPT_CONTROLS):
        return None
    if character in _BIDIRECTIONAL:
        return "bidirectional control"
    code = ord(character)
    if 0xE0000 <= code <= 0xE007F:
        return "tag character"
    if 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF:
        return "variation selector"
    if character in _BLANK:
        return "invisible character"
    category = unicodedata.category(character)
    kinds = {"Cc": "control character", "Cf": "invisible character", "Cs": "lone surrogate"}
    return kinds.get(category, "unassigned character" if category in ("Cn", "Co") else None)


def _joins(text: str, place: int) -> bool:
    """Whether a joiner or a selector does its work: in an emoji, or between foreign letters."""
    character = text[place]
    before = text[place - 1] if place else " "
    after = text[place + 1] if place + 1 < len(text) else " "
    if character in _PRESENTATION:
        return unicodedata.category(before) in ("So", "Sk", "Sm") or before in "0123456789#*"
    if character == "\u200d" and before in _PRESENTATION:
        return unicodedata.category(after) == "So"
    return character in _JOINERS and _is_joinable(before) and _is_joinable(after)


def _is_joinable(character: str) -> bool:
    return ord(character) > 0x2FF and unicodedata.category(character) in (
        "Lo",
        "Mn",
        "Mc",
        "So",
        "Sk",
    )
