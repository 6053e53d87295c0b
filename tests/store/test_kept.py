"""Failed runs whose work is kept: what is told of it, and when it may be published after all."""

from __future__ import annotations

import pytest

from paid.contracts import RunStatus
from paid.errors import BadInputError
from paid.models import Run
from paid.store import events, issues, kept, runs, secrets
from paid.store.database import Database
from tests.store.rows import FOUND, make_run, refuse

HEAD, BASE = "a" * 40, "b" * 40


def failed(database: Database, *, publishing: bool = True, number: int = 1) -> int:
    run_id = make_run(database, number)
    with database.session() as session:
        run = runs.get(session, run_id)
        run.host, run.head_sha, run.base_sha, run.branch = "here", HEAD, BASE, "paid/issue-1-1"
    with database.session() as session:
        if publishing:
            runs.enter(session, run_id, RunStatus.CREATING_PR, commit=HEAD)
        runs.end(session, run_id, RunStatus.FAILED, "push_rejected", "no")
        runs.say(session, runs.get(session, run_id), kept.WORK_KEPT, file="/kept", head=HEAD)
    return run_id


def test_the_commands_are_told(database: Database) -> None:
    run_id, unchecked = failed(database), failed(database, publishing=False, number=2)
    with database.session() as session:
        told = kept.advice(session, runs.get(session, run_id))
        assert f"paid work fetch {run_id}" in told
        assert f"paid retry {run_id} --publish" in told
        less = kept.advice(session, runs.get(session, unchecked))
    assert "paid work fetch" in less
    assert "retry" not in less


def test_a_run_without_work_has_nothing_to_tell(database: Database) -> None:
    run_id = make_run(database)
    with database.session() as session:
        assert kept.advice(session, runs.get(session, run_id)) == ""
        with pytest.raises(BadInputError, match="Nothing is kept"):
            kept.place(session, run_id)
        with pytest.raises(BadInputError, match="Nothing is kept"):
            kept.reopen(session, run_id, "maria")


def test_a_run_is_opened_again_once_and_by_a_workflow_of_its_own(database: Database) -> None:
    run_id = failed(database)
    opened = []
    for _ in range(2):
        with database.session() as session:
            opened.append(kept.reopen(session, run_id, "maria").workflow_id)
    assert opened == ["run:7:1:1:publish:1"] * 2
    with database.session() as session:
        run = runs.get(session, run_id)
        assert (run.status, run.ended, run.publishes_only) == (RunStatus.QUEUED, False, True)
        (live,) = issues.live_runs(session, run.project_id)
        assert not live.by_label  # its label is gone, and that is no reason to cancel it
        runs.end(session, run_id, RunStatus.FAILED, "push_rejected", "again")
    with database.session() as session:
        assert kept.reopen(session, run_id, "maria").workflow_id == "run:7:1:1:publish:2"


def test_what_did_not_pass_its_checks_is_not_published(database: Database) -> None:
    run_id = failed(database, publishing=False)
    with database.session() as session, pytest.raises(BadInputError, match="has not passed"):
        kept.reopen(session, run_id, "maria")


def test_a_run_beside_another_of_its_issue_is_not_opened_again(database: Database) -> None:
    run_id = failed(database)
    with database.session() as session:
        old = runs.get(session, run_id)
        session.add(Run(project_id=old.project_id, issue_id=old.issue_id, generation=2,
                        workflow_id="run:7:1:2", requested_by="maria", agent="codex"))  # fmt: skip
    with database.session() as session, pytest.raises(BadInputError, match="under way"):
        kept.reopen(session, run_id, "maria")


def test_a_release_is_on_record_and_opens_the_run_again(database: Database) -> None:
    run_id = make_run(database)
    refuse(database, run_id)
    for reason in ("a test key", "twice is once"):
        with database.session() as session:
            run = kept.release(session, run_id, "maria", reason)
            assert (run.status, run.publishes_only) == (RunStatus.QUEUED, True)
            assert run.workflow_id == "run:7:1:1:publish:1"
    with database.session() as session:
        run = runs.get(session, run_id)
        assert run.released_secrets == [each["fingerprint"] for each in FOUND]
        told, _ = events.of_kind(session, run_id, secrets.RELEASED)
    assert told.at
    assert (told.data["by"], told.data["reason"]) == ("maria", "a test key")
    assert (told.data["commit"], told.data["found"]) == (run.head_sha, FOUND)


def test_what_is_found_after_a_release_is_refused_as_before(database: Database) -> None:
    run_id = make_run(database)
    refuse(database, run_id)
    with database.session() as session:
        kept.release(session, run_id, "maria", "a test key")
    new = [{"kind": "a Slack token", "place": "b.ini, line 1", "fingerprint": "ef" * 32}]
    with database.session() as session:
        runs.say(session, runs.get(session, run_id), secrets.FOUND, commit="c", found=new)
        runs.end(session, run_id, RunStatus.FAILED, "secret_found", "Another one.")
    with database.session() as session:
        run = runs.get(session, run_id)
        assert kept.releasable(session, run) == new
        assert new[0]["fingerprint"] not in run.released_secrets


def test_a_release_that_could_publish_nothing_releases_nothing(database: Database) -> None:
    run_id = make_run(database)
    refuse(database, run_id)
    with database.session() as session:
        old = runs.get(session, run_id)
        session.add(Run(project_id=old.project_id, issue_id=old.issue_id, generation=2,
                        workflow_id="run:7:1:2", requested_by="maria", agent="codex"))  # fmt: skip
    with pytest.raises(BadInputError, match="under way"), database.session() as session:
        kept.release(session, run_id, "maria", "a test key")
    with database.session() as session:
        assert runs.get(session, run_id).released_secrets == []
        assert events.of_kind(session, run_id, secrets.RELEASED) == []


def test_a_run_that_failed_for_another_reason_names_no_release(database: Database) -> None:
    run_id, other = make_run(database), make_run(database, 2)
    refuse(database, run_id)
    refuse(database, other, code="push_rejected")  # after its agent had mended what was found
    with database.session() as session:
        told = kept.advice(session, runs.get(session, run_id))
        assert f"`paid release {run_id} --reason TEXT`" in told
        assert "retry" not in told
        assert "release" not in kept.advice(session, runs.get(session, other))
        assert kept.releasable(session, runs.get(session, other)) == []
    with database.session() as session, pytest.raises(BadInputError, match="No secret"):
        kept.release(session, other, "maria", "a test key")


def test_a_run_at_work_is_released_and_goes_on_as_it_is(database: Database) -> None:
    run_id = make_run(database)
    with database.session() as session:
        runs.say(session, runs.get(session, run_id), secrets.FOUND, commit="c", found=FOUND)
    with database.session() as session:
        run = kept.release(session, run_id, "maria", "a test key")
        assert (run.publishes_only, run.workflow_id) == (False, "run:7:1:1")
        assert len(run.released_secrets) == 2


def test_work_that_is_just_being_put_aside_is_to_be_waited_for(database: Database) -> None:
    run_id = make_run(database)
    with database.session() as session:
        run = runs.get(session, run_id)
        run.head_sha, run.base_sha = HEAD, BASE
    with database.session() as session:
        runs.end(session, run_id, RunStatus.FAILED, "push_rejected", "no")
    with database.session() as session, pytest.raises(BadInputError) as refused:
        kept.reopen(session, run_id, "maria")
    assert "moment" in str(refused.value.hint)
