"""A run's row: moved on, ended once, cancelled against everything else."""

from __future__ import annotations

import random
import threading
import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from paid.chaos import gather
from paid.chaos.judge import of_chain
from paid.contracts import RunStatus
from paid.errors import (
    GatewayAwayError,
    HostFullError,
    NotFoundError,
    RunCancelledError,
    StaleAttemptError,
)
from paid.models import Run
from paid.store import events, runs, steps, tokens, waits
from paid.store.database import Database
from paid.store.events import NewEvent
from tests.store.rows import make_run
from tests.waiting import wait_until

RACES = 60


def _insert_out_of_order(database: Database, run_id: int) -> None:
    """The second event takes its id, then waits while the third one takes its place."""

    def second() -> None:
        with database.session() as session:
            events.append_to_run(session, run_id, 1, NewEvent("second"))

    waits_for_the_chain = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    )
    with database.session() as session:
        events.append_to_run(session, run_id, 1, NewEvent("first"))
        session.flush()
        thread = threading.Thread(target=second)
        thread.start()
        wait_until(lambda: session.connection().execute(waits_for_the_chain).scalar(), "its wait")
        events.append_to_run(session, run_id, 1, NewEvent("third"))
    thread.join()


def test_events_are_read_in_the_order_of_their_chain_whatever_their_ids(database: Database) -> None:
    """A reader who stood at the third one's id would never see the second one."""
    run_id = make_run(database)
    _insert_out_of_order(database, run_id)
    with database.session() as session:
        found = events.of_run(session, run_id)
        assert [event.kind for event in found][-3:] == ["first", "third", "second"]
        ids = [event.id or 0 for event in found][-3:]
        assert ids != sorted(ids)
        rest = events.of_run(session, run_id, found[-2].seq or 0)
        assert [event.kind for event in rest] == ["second"]
        chains = gather.chains(session)
    assert [one for name, links in chains.items() for one in of_chain(name, links)] == []


def test_entering_a_status_says_so_once(database: Database) -> None:
    run_id = make_run(database)
    for _ in range(2):
        with database.session() as session:
            runs.enter(session, run_id, RunStatus.RUNNING)
    with database.session() as session:
        assert [event.kind for event in events.of_run(session, run_id)] == ["run.running"]


def test_a_run_ends_once_and_keeps_its_end(database: Database) -> None:
    run_id = make_run(database)
    with database.session() as session:
        runs.end(session, run_id, RunStatus.FAILED, "agent", "It broke.")
    with database.session() as session:
        assert runs.end(session, run_id, RunStatus.CANCELLED, "", "").status == "failed"


def test_an_ended_run_needs_the_time_of_its_end(database: Database) -> None:
    run_id = make_run(database)
    with pytest.raises(IntegrityError), database.session() as session:
        runs.get(session, run_id).status = RunStatus.FAILED


def test_a_completed_run_needs_its_pull_request(database: Database) -> None:
    run_id = make_run(database)
    with pytest.raises(IntegrityError), database.session() as session:
        runs.end(session, run_id, RunStatus.COMPLETED, "", "")


def test_two_live_runs_of_one_issue_cannot_be(database: Database) -> None:
    run_id = make_run(database)
    with database.session() as session:
        first = runs.get(session, run_id)
    with pytest.raises(IntegrityError), database.session() as session:
        session.add(
            Run(project_id=first.project_id, issue_id=first.issue_id, generation=2,
                workflow_id="other", requested_by="maria", agent="codex")
        )  # fmt: skip


def test_after_a_cancel_no_step_begins_and_the_token_is_dead(database: Database) -> None:
    run_id = make_run(database)
    with database.session() as session:
        tokens.issue(session, run_id)
        runs.request_cancel(session, run_id, "maria", "not wanted")
        runs.request_cancel(session, run_id, "eve", "again")
    with database.session() as session:
        run = runs.get(session, run_id)
        assert run.cancel_requested_by == "maria"
        assert tokens.revoke(session, run_id) == 0
    with pytest.raises(RunCancelledError), database.session() as session:
        runs.enter(session, run_id, RunStatus.RUNNING)
    with pytest.raises(RunCancelledError), database.session() as session:
        runs.claim_host(session, run_id, "here", 5)


def test_a_host_takes_no_more_runs_than_its_slots(database: Database) -> None:
    first, second = make_run(database, 1), make_run(database, 2)
    with database.session() as session:
        runs.claim_host(session, first, "here", 1)
        runs.claim_host(session, first, "here", 1)
    with pytest.raises(HostFullError), database.session() as session:
        runs.claim_host(session, second, "here", 1)
    with database.session() as session:
        runs.end(session, first, RunStatus.FAILED, "", "")
        runs.claim_host(session, second, "here", 1)


def test_a_host_that_was_given_up_has_no_more_part_in_the_run(database: Database) -> None:
    run_id = make_run(database)
    with database.session() as session:
        runs.claim_host(session, run_id, "lost", 1)
        token = tokens.issue(session, run_id)
    with database.session() as session:
        runs.claim_host(session, run_id, "other", 1)
        fresh = tokens.issue(session, run_id)
    with database.session() as session:
        alive = "SELECT run_id FROM run_token_grant(:hash)"
        granted = [
            session.connection().execute(text(alive), {"hash": tokens.digest(each)}).first()
            for each in (token, fresh)
        ]
        assert granted == [None, (run_id,)]
        assert (runs.live_on(session, "lost"), runs.live_on(session, "other")) == ([], [run_id])
        runs.effect_fence(session, run_id, "other")
        with pytest.raises(StaleAttemptError, match="other, not at lost"):
            runs.effect_fence(session, run_id, "lost")


def test_no_effect_begins_once_a_cancel_is_acknowledged(database: Database) -> None:
    for number in range(1, RACES + 1):
        run_id = make_run(database, number)
        with database.session() as session:
            runs.claim_host(session, run_id, "here", RACES)
        told: list[float] = []
        effects: list[float] = []

        def cancel(run_id: int = run_id, told: list[float] = told) -> None:
            time.sleep(random.random() / 200)  # noqa: S311 - the race itself
            with database.session() as session:
                runs.request_cancel(session, run_id, "maria", "")
            told.append(time.monotonic())

        def publish(run_id: int = run_id, effects: list[float] = effects) -> None:
            time.sleep(random.random() / 200)  # noqa: S311 - the race itself
            try:
                with database.session() as session:
                    runs.effect_fence(session, run_id, "here")
                    time.sleep(0.002)  # the push
                    effects.append(time.monotonic())
            except RunCancelledError:
                return

        threads = [threading.Thread(target=cancel), threading.Thread(target=publish)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(effect < told[0] for effect in effects)


def test_a_run_that_is_not_there_is_said_to_be_missing(database: Database) -> None:
    with pytest.raises(NotFoundError, match="no run 99"), database.session() as session:
        runs.get(session, 99)


def test_a_run_that_ends_leaves_no_step_running_and_keeps_the_ends_that_steps_had(
    database: Database,
) -> None:
    run_id = make_run(database)
    with database.session() as session:
        project_id = runs.get(session, run_id).project_id
        turn = steps.begin(session, run_id, project_id, "agent", 1, "a container")
        steps.end(session, turn, "succeeded", 0)
        steps.begin(session, run_id, project_id, "verify", 1, "another")
        runs.end(session, run_id, RunStatus.FAILED, "container", "It broke.")
    with database.session() as session:
        found = steps.of_run(session, run_id)
    assert [(step.state, step.ended_at is not None) for step in found] == [
        ("succeeded", True),
        ("stopped", True),
    ]


def test_a_step_that_waits_is_told_once_and_its_end_too(database: Database) -> None:
    run_id = make_run(database)
    for _ in range(2):
        with database.session() as session:
            waits.note_at_step(session, run_id, GatewayAwayError("Away."), "refused")
    with database.session() as session:
        assert runs.get(session, run_id).waits
    for _ in range(2):
        with database.session() as session:
            waits.over_at_step(session, run_id, GatewayAwayError.code)
    with database.session() as session:
        assert not runs.get(session, run_id).waits
        kinds = [event.kind for event in events.of_run(session, run_id)]
    assert kinds == ["run.waiting", "run.waited"]
