"""Attacks and odd values in every argument: an exit code and a sentence, never a traceback."""

from __future__ import annotations

import pytest

from paid.store.database import Database
from tests.cli.conftest import Paid, Repository
from tests.web.together.test_bad_input import SQL

ODD = ["\x00", "a\x00b", "\udcff", "\ud800x", "\u202e", "\x1b[2J", "9" * 400, "-1", "1e5", "\u0661",
       "../../etc/passwd", "a" * 5000, "{}", "%s%n", "${PATH}", "$(id)", ""]  # fmt: skip
COMMANDS = {
    "search": ("runs", "--json", "--search"),
    "group": ("runs", "--group"),
    "page": ("runs", "--page"),
    "project of runs": ("runs", "--project"),
    "logs": ("logs",),
    "cancel": ("cancel",),
    "show": ("project", "show"),
    "issue": ("run",),
    "spending": ("export", "--by"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_value_breaks_a_command_or_reaches_the_database_as_sql(
    paid: Paid, project: Repository, database: Database, name: str
) -> None:
    for value in [*SQL[::4], *ODD]:  # each costs a connection
        argv = COMMANDS[name]
        joined = (*argv[:-1], f"{argv[-1]}={value}") if argv[-1].startswith("--") else argv
        told = paid(*(joined if joined != argv else (*argv, "--", value)))
        assert told.code in {0, 2, 3}, (name, value, told.code, told.err[-500:])
        for word in ("Traceback", "sqlalchemy", "psycopg", "\x1b[2J", "\x00"):
            assert word not in told.out + told.err, (name, value)
        if name == "search" and value not in {"%s%n", ""}:
            assert told.json == []
    assert [each["state"] for each in paid("project", "list", "--json").json] == ["active"]
