"""Letting go what looks like a secret: by whom, why, and only what was named."""

from __future__ import annotations

import pytest
from sqlmodel import select

from paid.errors import BadInputError
from paid.models import Event, Run
from paid.store import projects, runs, secrets
from paid.store.database import Database
from tests.store.rows import make_run

VALUE = "ab" * 32


def refuse(database: Database, run_id: int) -> None:
    found = [{"kind": "a GitHub token", "place": "a.ini, line 3", "fingerprint": VALUE}]
    with database.session() as session:
        runs.say(session, runs.get(session, run_id), secrets.FOUND, commit="c", found=found)


def test_a_refused_run_is_released_for_what_was_found(database: Database) -> None:
    run_id = make_run(database)
    refuse(database, run_id)
    with database.session() as session:
        secrets.release(session, run_id, "maria", " a test key ")
    with database.session() as session:
        run = session.get_one(Run, run_id)
        assert run.released_secrets == [VALUE]
        told = session.exec(select(Event).where(Event.kind == secrets.RELEASED)).one()
    assert (told.data["by"], told.data["reason"]) == ("maria", "a test key")


def test_a_run_of_which_nothing_was_refused_is_not_released(database: Database) -> None:
    run_id = make_run(database)
    with database.session() as session, pytest.raises(BadInputError, match="No secret"):
        secrets.release(session, run_id, "maria", "why not")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_release_needs_a_reason(reason: str, database: Database) -> None:
    run_id = make_run(database)
    refuse(database, run_id)
    with database.session() as session, pytest.raises(BadInputError, match="reason"):
        secrets.release(session, run_id, "maria", reason)


def test_a_project_lets_paths_and_values_go_and_takes_it_back(database: Database) -> None:
    make_run(database)
    with database.session() as session:
        secrets.allow(session, 1, "maria", "for tests", path="tests/keys/**")
        secrets.allow(session, 1, "maria", "public", value=VALUE)
        secrets.allow(session, 1, "maria", "still public", value=VALUE)
    with database.session() as session:
        assert projects.policy(session, 1).allowed_secrets == [
            {"path": "tests/keys/**", "reason": "for tests", "by": "maria"},
            {"value": VALUE, "reason": "still public", "by": "maria"},
        ]
        secrets.disallow(session, 1, "jo", value=VALUE)
    with database.session() as session:
        [kept] = projects.policy(session, 1).allowed_secrets
        assert kept["path"] == "tests/keys/**"
        kinds = [event.kind for event in session.exec(select(Event))]
        with pytest.raises(BadInputError, match="no such entry"):
            secrets.disallow(session, 1, "jo", value=VALUE)
    assert kinds[-1] == "project.secret_disallowed"


@pytest.mark.parametrize("path", ["*", "**", "**/*", "/", "?*"])
def test_no_glob_of_every_file_is_taken(path: str, database: Database) -> None:
    make_run(database)
    with database.session() as session, pytest.raises(BadInputError, match="every file"):
        secrets.allow(session, 1, "maria", "all", path=path)


@pytest.mark.parametrize("given", [{}, {"path": "a", "value": VALUE}, {"value": "short"}])
def test_one_path_or_one_fingerprint_is_named(given: dict[str, str], database: Database) -> None:
    make_run(database)
    with database.session() as session, pytest.raises(BadInputError):
        secrets.allow(session, 1, "maria", "reason", **given)
