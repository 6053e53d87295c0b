"""One line of a run's activity, and how facts are got out of an event's data safely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from web.rendering import pretty

LONGEST_IN_LINE = 140

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Item:
    """One line of the conversation.

    `kind` chooses its look; `text` is shown whole, `detail` behind a fold. All of it is plain.
    """

    kind: str
    title: str
    text: str = ""
    detail: str = ""
    mono: bool = False
    at: datetime | None = None
    seq: int = 0

    @property
    def in_line(self) -> bool:
        """Whether the text fits behind the title, on its line."""
        return self.mono and "\n" not in self.text and len(self.text) <= LONGEST_IN_LINE


def text_of(data: Data, *names: str) -> str:
    """The first of these that says something, as text; what else it is, as JSON."""
    for name in names:
        value = data.get(name)
        if isinstance(value, str) and value:
            return value
        if value not in (None, "", [], {}):
            return pretty(value)
    return ""


def number_of(data: Data, name: str) -> int:
    """A whole number, or 0 for anything else."""
    value = data.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
