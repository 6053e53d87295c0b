"""What was spent, as tables to take away: row by row, so that no table has to fit into memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from paid.errors import BadInputError

ROWS_A_CHUNK = 500
GROUPS = {
    "run": "e.run_id",
    "issue": "i.number",
    "project": "p.owner || '/' || p.name",
    "model": "e.model",
    "agent": "e.agent",
    "day": "e.day",
}
"""By what money can be added up, and where the ledger has it."""
_WHICH_PROJECT = {
    "project": GROUPS["project"],
    "api_url": "p.api_url",
    "project_id": "e.project_id",
}
"""Two servers may each have a repository of one name."""
_SUMS = """
    count(*) AS requests, sum(e.input_tokens)::bigint AS input_tokens,
    sum(e.cache_read_tokens)::bigint AS cache_read_tokens,
    sum(e.cache_write_tokens)::bigint AS cache_write_tokens,
    sum(e.output_tokens)::bigint AS output_tokens,
    sum(e.reasoning_tokens)::bigint AS reasoning_tokens,
    sum(e.amount_microdollars)::bigint AS amount_microdollars,
    count(*) FILTER (WHERE e.basis <> 'vendor') AS estimated_requests,
    coalesce(sum(e.amount_microdollars) FILTER (WHERE e.basis <> 'vendor'), 0)::bigint
        AS estimated_microdollars
"""
Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Columns, and rows that are read from PostgreSQL as they are taken: once, in the session."""

    columns: tuple[str, ...]
    rows: Iterator[Row]


def table(
    session: Session,
    by: str,
    *,
    project_id: int | None = None,
    days: int | None = None,
    now: datetime | None = None,
) -> Table:
    """Sums by one of GROUPS. Raises BadInputError.

    `days` are whole ones of each project's own calendar, the last of them today: a part of a day
    would look like a cheap one. Rows by run and by issue name their project too, because an issue's
    number alone says little; a project is named with its number and its server.
    """
    if by not in GROUPS:
        raise BadInputError(f"Cannot export by {by}.", hint=f"Choose one of {', '.join(GROUPS)}.")
    groups = {by: GROUPS[by]}
    if by in ("run", "issue"):
        groups = {"issue": GROUPS["issue"]} | groups
    if by in ("run", "issue", "project"):
        groups = _WHICH_PROJECT | groups
    named = ", ".join(f"{expression} AS {name}" for name, expression in groups.items())
    question = (
        f"SELECT {named}, {_SUMS} FROM ledger_entry e"  # noqa: S608 - from the table above
        " JOIN project p ON p.id = e.project_id JOIN issue i ON i.id = e.issue_id"
        " WHERE (CAST(:project AS bigint) IS NULL OR e.project_id = :project)"
        " AND (CAST(:days AS integer) IS NULL"
        "      OR e.day > (coalesce(:now, now()) AT TIME ZONE p.time_zone)::date"
        "                 - CAST(:days AS integer))"
        f" GROUP BY {', '.join(groups.values())} ORDER BY {', '.join(groups.values())}"
    )
    found = session.connection().execute(
        text(question),
        {"project": project_id, "days": days, "now": now},
        execution_options={"yield_per": ROWS_A_CHUNK},
    )
    return Table(tuple(found.keys()), (dict(row) for row in found.mappings()))


def as_csv(given: Table) -> Iterator[str]:
    """A header and the rows; a cell that a spreadsheet would take for a formula gets a quote."""
    head = {column: column for column in given.columns}
    for rows in _chunks(chain([head], given.rows)):
        file = io.StringIO()
        writer = csv.DictWriter(file, fieldnames=given.columns, lineterminator="\n")
        writer.writerows({name: _harmless(value) for name, value in row.items()} for row in rows)
        yield file.getvalue()


def as_json(given: Table) -> Iterator[str]:
    """A list of objects; days as YYYY-MM-DD."""
    between = "["
    for rows in _chunks(given.rows):
        yield between + ",\n ".join(json.dumps(row, default=str) for row in rows)
        between = ",\n "
    yield "[]\n" if between == "[" else "]\n"


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    taken = iter(rows)
    while chunk := list(islice(taken, ROWS_A_CHUNK)):
        yield chunk


def _harmless(value: object) -> object:
    if not isinstance(value, str):
        return value
    risky = value.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    # Python's writer leaves a lone carriage return unquoted, and readers would end the row there.
    return ("'" if risky else "") + value.replace("\r", " ")
