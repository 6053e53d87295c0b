"""Every revision goes up and down, from empty and with the rows of the one before."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from itertools import count

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlmodel import SQLModel

from paid.check_lines import BASH
from paid.embedded import PostgresServer
from paid.store.database import Database

_NAMES = count(1)
FIRST_ROWS = """
    INSERT INTO credential (kind, ciphertext, created_at) VALUES ('github_token', 'x', now());
    INSERT INTO project (api_url, owner, name, github_id, clone_url, default_branch, credential_id,
        state, paused_reason, agent, interval_seconds, time_zone, created_at)
      VALUES ('https://api', 'o', 'r', 7, 'https://clone', 'main', 1, 'active', '', 'codex', 60,
        'UTC', now());
    INSERT INTO issue (project_id, number, github_id, title, html_url, author, state, generation,
        seen_at) VALUES (1, 5, 55, 'title', 'https://issue', 'maria', 'open', 1, now());
    INSERT INTO run (project_id, issue_id, generation, workflow_id, purpose, status, requested_by,
        agent, iterations, error_code, error_message, cancel_reason, created_at)
      VALUES (1, 1, 1, 'run:7:5:1', 'build', 'running', 'maria', 'codex', 0, '', '', '', now());
    INSERT INTO event (chain, run_id, project_id, kind, data)
      VALUES ('run:1', 1, 1, 'first', '{}'), ('run:1', 1, 1, 'second', '{"x": 1}');
"""
"""A project with a run under way, as revision 0001 holds them."""


@pytest.fixture
def empty(postgres_server: PostgresServer) -> Iterator[Database]:
    """A database without a schema."""
    name = f"empty_{next(_NAMES)}"
    database = Database(postgres_server.create_database(name))
    yield database
    database.close()
    postgres_server.drop_database(name)


def test_the_models_and_the_migrations_say_the_same(empty: Database) -> None:
    empty.migrate()
    with empty.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        found = list(compare_metadata(context, SQLModel.metadata))
    assert found == []


def test_all_revisions_go_up_down_and_up_again_from_empty(empty: Database) -> None:
    empty.migrate()
    empty.migrate("base")
    with empty.engine.connect() as connection:
        left = connection.execute(
            text(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                " AND relkind IN ('r', 'S', 'v') AND relname <> 'alembic_version'"
                " UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            )
        ).scalars()
        assert list(left) == []
    empty.migrate()
    assert empty.pending_migrations() == []


def test_rows_of_the_first_revision_survive_the_way_up_and_down(empty: Database) -> None:
    empty.migrate("0001")
    with empty.engine.begin() as connection:
        connection.execute(text(FIRST_ROWS))
    empty.migrate()
    with empty.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM event")).scalar() == 2
        assert connection.execute(text("SELECT status FROM run")).scalar() == "running"
    for _ in range(len(empty.pending_migrations()) or 20):
        with empty.engine.connect() as connection:
            current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if current == "0001":
            break
        empty.migrate("-1")
    with empty.engine.connect() as connection:
        hashes = connection.execute(text("SELECT hash FROM event ORDER BY seq")).scalars().all()
        assert len(set(hashes)) == 2
        assert connection.execute(text("SELECT title FROM issue")).scalar() == "title"


def test_a_check_that_was_split_at_its_shell_syntax_gets_a_shell(empty: Database) -> None:
    """npm took `&&` for an argument, and was green."""
    empty.migrate("0001")
    split = [["npm", "ci", "&&", "npm", "test", "-t", "a b"], ["make", ";"], ["make"]]
    with empty.engine.begin() as connection:
        connection.execute(text(FIRST_ROWS))
        connection.execute(
            text(
                "INSERT INTO policy (project_id, checks, check_timeout_seconds, max_iterations,"
                " allow_workflow_changes, max_seconds, cpus, memory_mib, pids,"
                " draft_pull_request, idle_seconds)"
                " VALUES (1, CAST(:checks AS jsonb), 9, 9, false, 900, 1, 900, 90, true, 9)"
            ),
            {"checks": json.dumps(split)},
        )
    empty.migrate()
    with empty.engine.connect() as connection:
        checks = connection.execute(text("SELECT checks FROM policy")).scalar()
    assert checks == [[*BASH, "npm ci && npm test -t 'a b'"], ["make", ";"], ["make"]]


def test_programs_that_start_together_migrate_once(empty: Database) -> None:
    others = [Database(empty.url, pool_size=2) for _ in range(4)]
    errors: list[Exception] = []

    def migrate(database: Database) -> None:
        try:
            database.migrate()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=migrate, args=(other,)) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.close()
    assert errors == []
    assert empty.pending_migrations() == []
