"""What came of an attack, and the table of all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

LONGEST_TEXT = 60


@dataclass(frozen=True)
class Result:
    """One attack: what Paid promises, what was seen, and whether the promise held."""

    area: str
    attack: str
    expected: str
    seen: str
    held: bool


def failures(results: Sequence[Result]) -> list[Result]:
    """The attacks that got what they wanted."""
    return [result for result in results if not result.held]


def show(results: Sequence[Result], *, as_json: bool) -> None:
    """Print a row an attack and a line that counts; or one JSON object."""
    if as_json:
        print(json.dumps([asdict(result) for result in results]))
        return
    table = Table(title="Attacks")
    for column in ("area", "attack", "expected", "seen", ""):
        table.add_column(column, overflow="fold")
    for it in results:
        mark = "held" if it.held else "BROKEN"
        table.add_row(it.area, _short(it.attack), it.expected, _short(it.seen), mark)
    console = Console()
    console.print(table)
    broken = len(failures(results))
    console.print(f"{len(results)} attacks, {len(results) - broken} held, {broken} broken")


def _short(text: str) -> str:
    plain = text.encode("unicode_escape").decode()
    return plain if len(plain) <= LONGEST_TEXT else plain[: LONGEST_TEXT - 1] + "…"
