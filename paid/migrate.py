"""`python -m paid.migrate`: bring the database's schema up before a program of ours starts.

`paid up` does the same by itself. Programs may start together: one migrates, the others wait.
"""

from __future__ import annotations

import sys

from paid.errors import PaidError
from paid.process_end import end_process
from paid.settings import Settings, load_settings
from paid.store.database import Database


def migrate(settings: Settings) -> list[str]:
    """Apply what is missing to the database of DATABASE_URL; returns what that was.

    Without DATABASE_URL there is nothing to do: the program that starts next says what it needs.
    Raises DatabaseError when PostgreSQL does not answer.
    """
    if settings.database_url is None:
        return []
    database = Database(settings.database_url.get_secret_value(), pool_size=1)
    try:
        pending = database.pending_migrations()
        if pending:
            database.migrate()
    finally:
        database.close()
    return pending


def main() -> int:
    """0 when the schema is up to date, 1 with a message when it cannot be."""
    try:
        applied = migrate(load_settings())
    except PaidError as error:
        print(error, file=sys.stderr)
        return 1
    if applied:
        print(f"the database's schema was brought up by {len(applied)} migrations")
    return 0


if __name__ == "__main__":
    end_process(main())
