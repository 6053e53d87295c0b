"""Makes text of strangers plain: no terminal escapes, no control characters, no endless strings.

Escape sequences follow ECMA-48: CSI, OSC and the other string sequences, in their 7-bit and 8-bit
forms, terminated or cut off. Lone surrogates and NUL go too: PostgreSQL stores neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

MAX_TEXT_CHARS = 16_000
_MAX_DEPTH = 6
_MAX_ITEMS = 100
_MAX_NUMBER = 2**53

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor, clear screen
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, …
    r"|\x1b[ -/]*[0-~]?"  # every other escape
)
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def plain(text: str, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Strip escapes and control characters but tab and newline, and cut with a marker.

    A carriage return becomes a newline, so that nothing can overwrite what was printed before it.
    """
    looked_at = text[: 4 * max_chars]
    kept = _ESCAPES.sub("", looked_at.replace("\r\n", "\n").replace("\r", "\n"))
    kept = _CONTROLS.sub("", kept)
    if len(kept) <= max_chars and len(looked_at) == len(text):
        return kept
    return kept[:max_chars] + f" [cut: {len(text)} characters]"


def bounded(value: object, depth: int = _MAX_DEPTH) -> Json:
    """Make a parsed JSON value plain and small: every string, level, list and number bounded."""
    if isinstance(value, str):
        return plain(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if abs(value) <= _MAX_NUMBER else None
    if depth == 0:
        return "[cut: too deep]"
    if isinstance(value, Mapping):
        pairs = list(value.items())[:_MAX_ITEMS]
        return {plain(str(key), 200): bounded(item, depth - 1) for key, item in pairs}
    if isinstance(value, Sequence):
        return [bounded(item, depth - 1) for item in value[:_MAX_ITEMS]]
    return None
