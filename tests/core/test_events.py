"""The event table keeps its own chain."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from paid.store import events
from paid.store.database import Database
from paid.store.events import NewEvent


def test_events_are_numbered_and_chained_in_the_order_of_their_insertion(
    database: Database,
) -> None:
    with database.session() as session:
        events.append_to_system(session, NewEvent("first"), NewEvent("second", {"x": 1}))
    with database.session() as session:
        found = events.after(session, 0)
        assert [(event.seq, event.kind) for event in found] == [(1, "first"), (2, "second")]
        assert found[1].prev_hash == found[0].hash
        assert events.first_broken_link(session, events.SYSTEM) is None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE event SET kind = 'other'",
        "DELETE FROM event",
        "TRUNCATE event",
    ],
)
def test_the_database_refuses_to_change_events(database: Database, change: str) -> None:
    with database.session() as session:
        events.append_to_system(session, NewEvent("first"))
    with pytest.raises(ProgrammingError, match="only ever added"), database.session() as session:
        session.connection().execute(text(change))


@pytest.mark.parametrize(
    "change",
    ["UPDATE event SET kind = 'other' WHERE seq = 2", "DELETE FROM event WHERE seq = 2"],
)
def test_an_alteration_behind_the_triggers_is_found(database: Database, change: str) -> None:
    with database.session() as session:
        events.append_to_system(session, *(NewEvent(f"kind{n}") for n in range(4)))
        session.connection().execute(text("ALTER TABLE event DISABLE TRIGGER ALL"))
        session.connection().execute(text(change))
        assert events.first_broken_link(session, events.SYSTEM) in (2, 3)


def test_nul_and_lone_surrogates_are_replaced_before_they_reach_postgresql(
    database: Database,
) -> None:
    with database.session() as session:
        events.append_to_system(session, NewEvent("odd", {"a\0": ["\0", "\ud800"]}))
        assert events.after(session, 0)[0].data == {"a\ufffd": ["\ufffd", "?"]}
