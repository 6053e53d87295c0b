"""What a test leaves in its database, the next one does not find."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import text

from paid.embedded import PostgresServer
from paid.store.database import Database
from tests.databases import SEQUENCES, TABLES, Databases
from tests.store.rows import make_run


def test_a_database_is_lent_again_as_new_and_under_another_name(
    postgres_server: PostgresServer, databases: Databases, template_database: str
) -> None:
    first, other = databases.lend(), databases.lend()
    used = Database(postgres_server.url(first))
    make_run(used)
    with used.session() as session:
        session.connection().execute(text("UPDATE organisation SET time_zone = 'Europe/Berlin'"))
    assert _content(postgres_server, first) != _content(postgres_server, template_database)
    databases.take_back(first)
    databases.take_back(other)
    *_, second = lent = [databases.lend() for _ in databases.free[1:]]
    used.close()
    assert first not in lent
    assert _content(postgres_server, second) == _content(postgres_server, template_database)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(postgres_server.url(first))
    for name in lent:
        databases.take_back(name)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE issue ADD COLUMN of_a_test int",
        "ALTER TABLE issue ALTER COLUMN title DROP NOT NULL",
        "ALTER TABLE event DISABLE TRIGGER ALL",
        "CREATE FUNCTION of_a_test() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP TABLE run_hold CASCADE",
        "CREATE TABLE of_a_test (id int)",
    ],
)
def test_a_database_of_another_schema_is_not_lent_again(
    postgres_server: PostgresServer, databases: Databases, change: str
) -> None:
    name = databases.lend()
    with psycopg.connect(postgres_server.url(name)) as connection:
        connection.execute(change)
    databases.take_back(name)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(postgres_server.url(name))


def _content(server: PostgresServer, name: str) -> dict[str, object]:
    """Every row of every table, and where each sequence stands."""
    with psycopg.connect(server.url(name)) as connection:
        tables = [table for (table,) in connection.execute(TABLES)]
        rows = {
            table: sorted(str(row) for row in connection.execute(f"SELECT * FROM {table}"))  # noqa: S608 - a name of ours
            for table in tables
        }
        return {**rows, "sequences": sorted(connection.execute(SEQUENCES).fetchall())}
