"""What a run leaves behind at a host that was given up, and what the next one knows of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from paid.activities import workspace
from paid.activities.agent import AgentActivities
from paid.activities.background import Background
from paid.activities.task_text import ask_of
from paid.activities.workspace import WORKTREE, WorkspaceActivities
from paid.containers.absent import Absent
from paid.contracts import TurnInput, Workspace
from paid.errors import StaleAttemptError
from paid.precedence import Precedence
from paid.store import runs
from paid.store.database import Database
from tests.store.rows import make_run

OLD, NEW = "a" * 40, "b" * 40


def _claim(database: Database, run_id: int, host: str) -> None:
    with database.session() as session:
        runs.claim_host(session, run_id, host, 5)


def _host(database: Database, name: str) -> Any:
    return SimpleNamespace(
        database=database,
        settings=SimpleNamespace(host_name=name, gateway_socket_path=None),
        background=Background(),
        workspaces=SimpleNamespace(
            volume=lambda run_id: f"paid-run-{run_id}", create=lambda *_: "volume"
        ),
        precedence=Precedence(),
        remote=lambda _: None,
    )


def test_a_session_does_not_move_to_another_host(database: Database) -> None:
    """It is in the home folder of the lost workspace, and agents refuse one that is not there."""
    run_id = make_run(database)
    _claim(database, run_id, "first")
    with database.session() as session:
        runs.get(session, run_id).agent_session = "s-1"
    _claim(database, run_id, "second")
    given = TurnInput(run_id, 2, 2, made := Workspace(run_id, "volume", NEW, "branch"))
    with database.session() as session:
        ask = ask_of(session, runs.facts(session, run_id), given, made, Absent(), continues=True)
    assert ask.session_id is None


def test_a_host_that_claims_again_keeps_the_session(database: Database) -> None:
    run_id = make_run(database)
    _claim(database, run_id, "first")
    with database.session() as session:
        runs.get(session, run_id).agent_session = "s-1"
    _claim(database, run_id, "first")
    with database.session() as session:
        assert runs.get(session, run_id).agent_session == "s-1"


def test_a_turn_does_not_take_another_hosts_workspace_for_its_own(database: Database) -> None:
    run_id = make_run(database)
    _claim(database, run_id, "first")
    with database.session() as session:
        row = runs.get(session, run_id)
        row.branch, row.base_sha = "paid/issue-1-1", OLD
    _claim(database, run_id, "second")
    host = _host(database, "second")

    def fails() -> None:
        raise RuntimeError("its own cannot be made")

    host.background.begin(run_id, WORKTREE, fails)
    assert AgentActivities(host)._workspace_made_here(run_id) is None


def test_a_host_that_was_given_up_does_not_record_its_base(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = make_run(database)
    _claim(database, run_id, "first")
    host = _host(database, "first")

    def prepare(*_: object) -> SimpleNamespace:
        _claim(database, run_id, "second")  # while the first one clones
        with database.session() as session:
            runs.get(session, run_id).base_sha = NEW
        return SimpleNamespace(path="mirror", base_sha=OLD)

    host.mirrors = SimpleNamespace(prepare=prepare, free_branch=lambda *_: "paid/issue-1-1")
    monkeypatch.setattr(workspace, "vendors_with_keys", lambda _: None)
    with pytest.raises(StaleAttemptError):
        WorkspaceActivities(host)._worktree(run_id)
    with database.session() as session:
        assert runs.get(session, run_id).base_sha == NEW
