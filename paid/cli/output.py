"""What commands print: tables for people, JSON for programs, nothing that moves the cursor."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from paid.plain import plain as without_escapes

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Text of strangers and agents without what moves a cursor, hides, or reverses reading."""
    return _DIRECTIONS.sub("", without_escapes(text, max_chars=len(text) + 1))


def one_line(text: str, most: int = 60) -> str:
    """The first line of a text, cut to a width."""
    line = plain(text).strip().partition("\n")[0].strip()
    return line if len(line) <= most else f"{line[: most - 1]}…"


def print_json(value: Any, *, in_one_line: bool = False) -> None:
    """One JSON value on standard output; in one line where further ones follow it."""
    print(json.dumps(value, indent=None if in_one_line else 2, default=_as_json))


def say(text: str) -> None:
    """A line for people, with rich's markup; escape what strangers wrote (`shown`)."""
    _console().print(text, highlight=False, soft_wrap=True)


def shown(text: object) -> str:
    """Somebody's text for use inside markup."""
    return escape(plain(str(text)))


def complain(message: str, hint: str | None) -> None:
    """An error on standard error: what is wrong, and what to do."""
    console = Console(stderr=True, soft_wrap=True)
    console.print(f"[bold red]error:[/] {shown(message)}", highlight=False)
    if hint:
        console.print(f"[bold]what to do:[/] {shown(hint)}", highlight=False)


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], *, right: str = "") -> None:
    """A table; `right` names the headings whose column is aligned to the right, by commas."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        aligned = "right" if heading in right.split(",") else "left"
        # an address that is cut short is worth nothing: in a narrow window it goes on below
        grid.add_column(heading, justify=aligned, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        grid.add_row(*(shown(cell) for cell in row))
    _console().print(grid)


def pairs(rows: Sequence[tuple[str, object]]) -> None:
    """Names and values, one a line."""
    grid = Table(box=None, pad_edge=False, show_header=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, shown(value))
    _console().print(grid)


def dollars(microdollars: int | None) -> str:
    """Money for people; None is no limit."""
    if microdollars is None:
        return "no limit"
    places = 2 if microdollars % 10_000 == 0 or microdollars >= 10_000_000 else 4
    return f"${microdollars / 1_000_000:.{places}f}"


def cents(amount: int | None) -> str:
    """A limit for people."""
    return "no limit" if amount is None else f"${amount / 100:.2f}"


def age(moment: datetime | None) -> str:
    """How long ago something was, in its largest unit."""
    if moment is None:
        return "-"
    return duration((datetime.now(UTC) - moment).total_seconds())


def duration(seconds: float) -> str:
    """A time span in its largest unit."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def _console() -> Console:
    """Made for each use, because tests and pipes swap standard output."""
    wide = None if sys.stdout.isatty() else 200
    return Console(width=wide, emoji=False)


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
