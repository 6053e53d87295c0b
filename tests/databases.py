"""Fresh databases for tests, for a tenth of what a copy of the template costs.

A copy takes PostgreSQL 50 ms of a processor and its end 14. So what a test has left is emptied and
lent to the next one, under a new name: whoever still knows the old one, such as a thread that
outlived its test, finds nothing there.
"""

from __future__ import annotations

from itertools import count
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import Engine, create_engine

from paid.embedded import PostgresServer
from paid.store import database as store

LARGEST_BYTES = 8 << 20
"""A database with more in its tables than this is not worth emptying."""
TABLES = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND oid >= 16384"
"""PostgreSQL's own objects have smaller numbers (FirstNormalObjectId)."""
SIZE = """
SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND oid >= 16384
"""
SEQUENCES = """
SELECT format('%I.%I', schemaname, sequencename), coalesce(last_value, start_value),
    last_value IS NOT NULL
FROM pg_sequences
"""
SHAPE = """
SELECT md5(string_agg(concat(what, ' ', xmin), ',' ORDER BY what)) FROM (
    SELECT concat('class ', oid) AS what, xmin FROM pg_class WHERE oid >= 16384
    UNION ALL SELECT concat('column ', attrelid, ' ', attnum), xmin FROM pg_attribute
        WHERE attrelid >= 16384
    UNION ALL SELECT concat('trigger ', oid), xmin FROM pg_trigger
    UNION ALL SELECT concat('constraint ', oid), xmin FROM pg_constraint
    UNION ALL SELECT concat('function ', oid), xmin FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT concat('setting ', setdatabase, setrole), xmin FROM pg_db_role_setting
) AS schema
"""
"""Differs after any change of the schema: each writes a new version of the row that says it."""
LEAVE = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class Databases:
    """Lends copies of a database of the newest schema and no rows but those it begins with."""

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server = server
        self._template = template
        self._numbers = count(1)
        self.free: list[str] = []
        """Those that are to be lent again; which waited longest is first."""
        self._names = psycopg.connect(server.url(), autocommit=True)
        database = store.Database(server.create_database(template))
        database.migrate()
        database.close()
        with psycopg.connect(server.url(template)) as connection:
            self._shape = connection.execute(SHAPE).fetchone()
            self._emptying = _emptying(connection)

    def lend(self) -> str:
        """The name of a fresh database."""
        name = f"test_{next(self._numbers)}"
        # PostgreSQL waits 100 ms before it renames what somebody is just leaving: not the last one.
        if len(self.free) > 1:
            self._rename(self.free.pop(0), name)
        else:
            self._server.create_database(name, self._template)
        return name

    def take_back(self, name: str) -> None:
        """Empty it for the next test; end it where its schema was changed, or it has grown."""
        with psycopg.connect(self._server.url(name), autocommit=True) as connection:
            connection.execute(LEAVE)
            (size,) = connection.execute(SIZE).fetchone() or (None,)
            is_as_it_was = connection.execute(SHAPE).fetchone() == self._shape
            if is_as_it_was and size < LARGEST_BYTES:
                connection.execute(self._emptying)
                self.free.append(name)
                return
        self._server.drop_database(name)

    def _rename(self, name: str, wanted: str) -> None:
        names = sql.Identifier(name), sql.Identifier(wanted)
        self._names.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*names))

    def close(self) -> None:
        """Close the connection that names them."""
        self._names.close()


def ask_for_no_password(server: PostgresServer) -> None:
    """Let in whoever reaches the socket's folder, which is private.

    Proving the password costs each side's processor 5 ms a connection, and there are thousands.
    """
    rules = server._files.data / "pg_hba.conf"
    rules.write_text(rules.read_text().replace("scram-sha-256", "trust"))
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("SELECT pg_reload_conf()")


def _emptying(connection: psycopg.Connection) -> sql.Composed:
    """The statements that bring a used copy back to what the template holds now.

    No trigger runs meanwhile: those keep events from being deleted.
    """
    parts: list[sql.Composable] = [sql.SQL("SET session_replication_role = replica")]
    tables = [name for (name,) in connection.execute(TABLES)]
    for name in tables:
        parts.append(sql.SQL("DELETE FROM {}").format(sql.SQL(name)))
    for name in tables:
        table = sql.SQL(name)
        select = sql.SQL("SELECT jsonb_agg(to_jsonb(it)) FROM {} AS it").format(table)
        (rows,) = connection.execute(select).fetchone() or (None,)
        if rows is not None:
            insert = "INSERT INTO {t} SELECT * FROM jsonb_populate_recordset(NULL::{t}, {rows})"
            parts.append(sql.SQL(insert).format(t=table, rows=sql.Literal(Jsonb(rows))))
    for name, value, was_used in connection.execute(SEQUENCES):
        parts.append(sql.SQL("SELECT setval({}, {}, {})").format(name, value, was_used))
    return sql.SQL("; ").join(parts)


def share_what_engines_learn() -> None:
    """Let the engines of this process compile each statement once among them.

    A program has one engine; a test has its own, and would spend its time on compiling. SQLAlchemy
    keys what it compiled by the dialect, so the engines share that as well.
    """
    first: list[Engine] = []

    def create(*args: Any, **options: Any) -> Engine:
        engine = create_engine(*args, **options)
        if first:
            engine.dialect = first[0].dialect
            engine._compiled_cache = first[0]._compiled_cache
        else:
            first.append(engine)
        return engine

    store.create_engine = create  # type: ignore[attr-defined]
