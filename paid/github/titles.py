"""Titles of strangers: plain text on one line, of which only what cannot be seen goes.

GitHub's pages show a title as it was typed. Brackets, tags, comments and entities are not markup
there: a person sees them, and so an agent is to see them, too.
"""

from __future__ import annotations

from paid.github.hidden_characters import Note, without_unseen_characters

_LOOKED_AT_FACTOR = 4
_CUT = "…"


def seen_title(text: str, most_chars: int = 300, note: Note | None = None) -> str:
    """The title as a person sees it, cut to `most_chars`; `note` hears of what was taken out."""
    looked_at = text[: most_chars * _LOOKED_AT_FACTOR]
    # white space first: a line end is one, and also a control character
    line = " ".join(looked_at.split())
    line = " ".join(without_unseen_characters(line, note or _not_told).split())
    if len(line) <= most_chars and len(looked_at) == len(text):
        return line
    return line[: most_chars - 1].rstrip() + _CUT


def _not_told(kind: str, what: str) -> None:
    """Where a title is shown to people, nothing needs to be said of what it lost."""
