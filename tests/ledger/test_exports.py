"""Spending as tables to take away."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel import Session

from paid.errors import BadInputError
from paid.models import Run
from paid.store import exports
from paid.store.database import Database
from paid.store.exports import ROWS_A_CHUNK, Table
from tests.ledger.rows import add_issue, add_project, add_rows, add_run, item, reserve, settlement
from tests.ledger.rows import settle as _settle

CENT = 10_000


def _spend(
    session: Session, run_id: int, cents: int, *, at: datetime | None = None, **values: Any
) -> None:
    asked = item(run_id, cents * CENT, **values)
    reserve(session, asked, at=at)
    _settle(session, settlement(asked, cents * CENT, input_tokens=100, output_tokens=10), at=at)


def _csv(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(exports.as_csv(table)), newline="")))


@pytest.mark.parametrize("by", list(exports.GROUPS))
def test_spending_is_exported_in_every_grouping(database: Database, by: str) -> None:
    rows = add_rows(database)
    with database.session() as session:
        _spend(session, rows.run_id, 3)
        _spend(session, rows.run_id, 4)
        as_json = json.loads("".join(exports.as_json(_of(session, by, rows.project_id))))
        as_csv = _csv(_of(session, by, rows.project_id))
    assert [row["amount_microdollars"] for row in as_json] == [7 * CENT]
    assert [row["requests"] for row in as_csv] == ["2"]
    assert as_csv[0][by] == str(as_json[0][by]) != ""


def test_groups_are_kept_apart_and_add_up_to_the_same(database: Database) -> None:
    with database.session() as session:
        for agent, model in (("codex", "gpt-5"), ("aider", "gpt-5"), ("aider", "claude-opus-4-5")):
            project = add_project(session)
            run = add_run(session, project, add_issue(session, project))
            session.get_one(Run, run).agent = agent
            session.flush()
            _spend(session, run, 5, model=model)
        found = {by: list(exports.table(session, by).rows) for by in exports.GROUPS}
    assert {by: len(rows) for by, rows in found.items()} == {
        "run": 3, "issue": 3, "project": 3, "model": 2, "agent": 2, "day": 1,
    }  # fmt: skip
    for rows in found.values():
        assert sum(row["amount_microdollars"] for row in rows) == 15 * CENT


@pytest.mark.parametrize("by", ["project", "issue", "run"])
def test_projects_of_one_name_on_two_servers_are_kept_apart(database: Database, by: str) -> None:
    servers = ("https://api.github.com", "https://github.example.org/api/v3")
    with database.session() as session:
        projects = {
            add_project(session, owner="team", name="app", api_url=server): server
            for server in servers
        }
        for cents, project in enumerate(projects, start=1):
            _spend(session, add_run(session, project, add_issue(session, project, 7)), cents)
        found = list(exports.table(session, by).rows)
    assert [(row["project_id"], row["project"], row["api_url"]) for row in found] == [
        (project, "team/app", server) for project, server in projects.items()
    ]
    assert [row["amount_microdollars"] for row in found] == [1 * CENT, 2 * CENT]


@pytest.mark.parametrize("by", list(exports.GROUPS))
def test_the_last_days_are_whole_ones_of_the_projects_own_calendar(
    database: Database, by: str
) -> None:
    """It is one in the morning of the 11th in Auckland: three days are the 9th to the 11th."""
    rows = add_rows(database, time_zone="Pacific/Auckland")
    with database.session() as session:
        for day, hour, cents in ((8, 10, 1), (8, 12, 2), (9, 12, 4)):
            _spend(session, rows.run_id, cents, at=datetime(2026, 3, day, hour, tzinfo=UTC))
        now = datetime(2026, 3, 10, 12, tzinfo=UTC)
        found = exports.table(session, by, project_id=rows.project_id, days=3, now=now)
        assert sum(row["amount_microdollars"] for row in found.rows) == (2 + 4) * CENT


def test_nothing_is_a_table_too(database: Database) -> None:
    with database.session() as session:
        assert "".join(exports.as_json(exports.table(session, "day"))) == "[]\n"
        assert "".join(exports.as_csv(exports.table(session, "day"))).startswith("day,requests,")


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_csv_cell_never_is_a_formula(cell: str) -> None:
    shown = cell.replace("\r", " ")
    (row,) = _csv(Table(("model", "requests"), iter([{"model": cell, "requests": -1}])))
    assert row == {"model": f"'{shown}", "requests": "-1"}


def test_a_long_table_comes_in_chunks_and_is_never_held_whole() -> None:
    taken = 0

    def rows() -> Any:
        nonlocal taken
        for number in range(10 * ROWS_A_CHUNK):
            taken += 1
            yield {"run": number}

    chunks = exports.as_json(Table(("run",), rows()))
    first = next(chunks)
    assert taken == ROWS_A_CHUNK
    assert len(json.loads(first + "".join(chunks))) == 10 * ROWS_A_CHUNK


def test_an_unknown_grouping_is_refused(database: Database) -> None:
    with database.session() as session, pytest.raises(BadInputError):
        exports.table(session, "colour")


def _of(session: Session, by: str, project_id: int) -> Table:
    return exports.table(session, by, project_id=project_id)
