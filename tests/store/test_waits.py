"""What a run that no host has taken waits for: on its row, in its chain, and one host at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from paid.contracts import RunStatus
from paid.errors import DockerUnavailableError, HostFullError, RunCancelledError
from paid.store import events, runs, waits
from paid.store.database import Database
from tests.store.rows import make_run as add_run

AWAY = DockerUnavailableError("Docker does not answer.", hint="Start it.")
FULL = HostFullError("All slots are taken.")


def _waiting(database: Database, run_id: int) -> list[str]:
    with database.session() as session:
        found = events.of_run(session, run_id)
    return [event.data["code"] for event in found if event.kind == waits.WAITING]


def test_a_reason_is_said_once_and_goes_with_the_claim(database: Database) -> None:
    run_id = add_run(database)
    for _ in range(2):
        with database.session() as session:
            assert waits.note(session, run_id, AWAY, "here", "connection refused")
    with database.session() as session:
        run = runs.get(session, run_id)
        assert run.waits
        assert (run.error_code, run.error_message) == (
            "docker_unavailable",
            "Docker does not answer. Start it.",
        )
        assert timedelta(0) < waits.waited(session, run_id) < timedelta(minutes=5)
        waits.over(session, run)
        assert not run.waits
    assert _waiting(database, run_id) == ["docker_unavailable"]


def test_a_full_host_ends_the_time_that_a_run_waits_for_docker(database: Database) -> None:
    run_id = add_run(database)
    for reason in (AWAY, FULL, AWAY):
        with database.session() as session:
            waits.note(session, run_id, reason, "here")
    assert _waiting(database, run_id) == ["docker_unavailable", "host_full", "docker_unavailable"]


def test_a_host_without_docker_does_not_speak_for_a_full_one_that_has_it(
    database: Database,
) -> None:
    """Otherwise a run that waits for a slot would fail for want of a Docker that it has."""
    at_work, waiting = add_run(database, 1), add_run(database, 2)
    with database.session() as session:
        runs.claim_host(session, at_work, "healthy", 1)
        assert waits.note(session, waiting, FULL, "healthy")
        assert not waits.note(session, waiting, AWAY, "sick")
    assert _waiting(database, waiting) == ["host_full"]
    with database.session() as session:
        runs.end(session, at_work, RunStatus.FAILED, "agent", "It broke.")
        assert waits.note(session, waiting, AWAY, "sick")


def test_a_run_that_is_to_end_waits_for_nothing(database: Database) -> None:
    run_id = add_run(database)
    with database.session() as session:
        runs.request_cancel(session, run_id, "maria", "not wanted")
    with database.session() as session, pytest.raises(RunCancelledError):
        waits.note(session, run_id, AWAY, "here")
