"""A tolerant look at a JSON object that untrusted code printed.

Nothing here fails: what is missing, or of another type than expected, reads as empty. Every text
that leaves is plain and bounded, which makes this the one door for agents' JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from paid.plain import Json, bounded, plain

MAX_LINE_CHARS = 4_000_000
_MAX_ARGUMENTS_CHARS = 32_000
_MAX_COUNT = 10**12
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}")


def identifier(text: str) -> str:
    """The text if it is fit to be an argument of a program (never an option), else empty."""
    return text if _IDENTIFIER.fullmatch(text) else ""


class Record:
    """A JSON value and the readers for it; a `path` is keys, from the outside in."""

    def __init__(self, value: object) -> None:
        self._value = value

    def at(self, *path: str) -> Record:
        """The value under a path; an empty record where there is none."""
        value = self._value
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return Record(value)

    def text(self, *path: str) -> str:
        """A string, plain and bounded; empty when it is anything else."""
        value = self.at(*path)._value
        return plain(value) if isinstance(value, str) else ""

    def word(self, *path: str) -> str:
        """A short string such as a type or a tool's name."""
        return self.text(*path)[:200]

    def identifier(self, *path: str) -> str:
        """A string that is fit to be an argument of a program, else empty."""
        return identifier(self.text(*path))

    def count(self, *path: str) -> int:
        """A number of tokens: a whole number from 0 to 10^12, else 0."""
        value = self.at(*path)._value
        if isinstance(value, bool) or not isinstance(value, int):
            return 0
        return value if 0 <= value <= _MAX_COUNT else 0

    def flag(self, *path: str) -> bool:
        """True only when the value is JSON's true."""
        return self.at(*path)._value is True

    def items(self, *path: str) -> Iterator[Record]:
        """The elements of a list, the first thousand; none when it is anything else."""
        value = self.at(*path)._value
        if isinstance(value, list):
            yield from (Record(item) for item in value[:1000])

    def arguments(self, *path: str) -> Mapping[str, Json]:
        """A tool's arguments as a small JSON object; parsed first when they are a string."""
        value = self.at(*path)._value
        if isinstance(value, str):
            parsed = parse_json(value)
            value = parsed if isinstance(parsed, Mapping) else {"input": value}
        if not isinstance(value, Mapping):
            return {}
        small = bounded(value)
        shown = json.dumps(small)
        if isinstance(small, Mapping) and len(shown) <= _MAX_ARGUMENTS_CHARS:
            return small
        return {"cut": shown[:_MAX_ARGUMENTS_CHARS]}

    def prose(self, *path: str) -> str:
        """A text that may be a string, or a list of parts that each have a `text`."""
        text = self.text(*path)
        if text:
            return text
        return plain(
            "\n".join(part.text("text") for part in self.items(*path) if part.text("text"))
        )


def parse_json(text: str) -> object:
    """The value, or None when it is not JSON, too long, too deep, or has numbers beyond sense."""
    if len(text) > MAX_LINE_CHARS:
        return None
    try:
        value: object = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    return value


def parse_line(line: str) -> Record | None:
    """The line as a record if it is one JSON object, else None."""
    stripped = line.strip()
    if not stripped.startswith("{"):
        return None
    value = parse_json(stripped)
    return Record(value) if isinstance(value, dict) else None
