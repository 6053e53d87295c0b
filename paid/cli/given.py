"""What people give on a command line: secrets in files, command lines, money."""

from __future__ import annotations

import sys
from pathlib import Path

from paid import check_lines
from paid.agents import registry
from paid.errors import BadInputError

LARGEST_ID = 2**63 - 1
"""PostgreSQL's bigint: no number of ours is larger."""
NONE = "none"


def read_secret(file: Path) -> str:
    """A secret from a file; `-` is standard input. Raises BadInputError."""
    try:
        return (sys.stdin.read() if str(file) == "-" else file.read_text()).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{file} cannot be read: {error}.") from error


def agent(name: str) -> str:
    """An agent that Paid knows. Raises BadInputError with the names that exist.

    Not NotFoundError, whose exit code says to scripts that the project or run is not there.
    """
    if name not in registry.names():
        hint = f"Choose: {', '.join(registry.names())}."
        raise BadInputError(f"There is no agent named {name!r}.", hint=hint)
    return name


def listed(texts: list[str]) -> list[str]:
    """Values of an option that is repeated; `none` empties the list. Raises BadInputError."""
    if texts == [NONE]:
        return []
    if NONE in texts:
        raise BadInputError(
            f"{', '.join(texts)!r} cannot be meant: none is for an empty list.",
            hint="Give none alone, or leave it out.",
        )
    return texts


def command(line: str) -> list[str]:
    """What the agent `command` runs; `none` is nothing. Raises BadInputError."""
    return [] if line.strip() in ("", NONE) else check_lines.argv_of(line)


def cents(text: str) -> int | None:
    """An amount in cents; `none` lifts the limit. Raises BadInputError."""
    if text.strip().lower() == NONE:
        return None
    digits = text.strip().replace("_", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 12):
        raise BadInputError(
            f"{text!r} is not an amount in cents.", hint="As in 500 for five dollars, or none."
        )
    return int(digits)


def percents(given: list[str] | None) -> list[int] | None:
    """Percents of a limit; `none` empties the list, None was not given. Raises BadInputError."""
    if given is None or given == [NONE]:
        return None if given is None else []
    texts = [text.strip().removesuffix("%") for text in given]
    if not all(text.isascii() and text.isdigit() and len(text) < 4 for text in texts):
        raise BadInputError(f"{', '.join(given)!r} are not percents.", hint="As in 80, or none.")
    return [int(text) for text in texts]
