"""Locks of those who change a project or a run, and of those who write down what happens to it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlmodel import Session

from paid.store import projects, runs
from paid.store.database import Database
from paid.store.events import NewEvent, append_to_run
from tests.ledger.rows import Rows, add_rows

HOLDERS: dict[str, Callable[[Session, Rows], object]] = {
    "project": lambda session, rows: projects.get(session, rows.project_id, lock=True),
    "run": lambda session, rows: runs.locked(session, rows.run_id),
}


@pytest.mark.parametrize("what", HOLDERS)
def test_who_holds_a_row_keeps_no_event_of_it_waiting(database: Database, what: str) -> None:
    """A raised budget and a run that looks at its hold would wait for each other."""
    rows = add_rows(database)

    def tell() -> None:
        with database.session() as session:
            append_to_run(session, rows.run_id, rows.project_id, NewEvent("test"))

    with database.session() as session:
        HOLDERS[what](session, rows)
        teller = threading.Thread(target=tell)
        teller.start()
        teller.join(10)
        was_told = not teller.is_alive()
    teller.join()
    assert was_told
