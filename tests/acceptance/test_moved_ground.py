"""What a run stands on moves in its middle: its base branch, its issue (faults 16 and 17)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from paid.contracts import RunStatus
from paid.demo import sample
from paid.demo.forge import Fault
from paid.models import ProjectState, Run
from paid.store import projects
from tests.acceptance.stage import OWNER, ROBOT, UNTIL_TOLD, Stage, Watched
from tests.acceptance.test_bad_input import fails_everywhere


@pytest.mark.parametrize("what", ["rewritten", "deleted"])
def test_a_base_that_is_taken_away_in_mid_run_needs_a_person_and_publishes_nothing(
    stage: Stage, what: str
) -> None:
    watched, run = _at_work(stage)
    if what == "rewritten":
        stage.forge.rewrite_branch(watched.name, "main", {"README.md": "anew"})
    else:
        stage.forge.push_file(watched.name, "other", "README.md", "other")
        stage.forge.delete_branch(watched.name, "main")
    stage.let_end(run)
    run = fails_everywhere(stage, watched, "base_rewritten", f"was {what}")
    assert not any(name.startswith("paid/") for name in stage.forge.branches(watched.name))
    assert stage.forge.pulls(watched.name) == []
    assert Path(stage.saw(run, "run.work_kept").data["file"]).is_file()
    stage.nothing_left(run)


@pytest.mark.parametrize("what", ["moved on", "renamed"])
def test_a_base_that_goes_on_in_mid_run_gets_a_pull_request_of_the_runs_commits_alone(
    stage: Stage, what: str
) -> None:
    watched, run = _at_work(stage, interval_seconds=600)
    base = "main" if what == "moved on" else "trunk"
    if what == "moved on":
        stage.forge.push_file(watched.name, "main", "other.txt", "somebody else's")
    else:
        stage.forge.rename_default_branch(watched.name, "trunk")
    stage.let_end(run)
    run = stage.ended(watched)
    assert (run.status, run.error_message) == ("completed", "")
    (pull,) = stage.forge.pulls(watched.name)
    assert pull.base_ref == base
    title = sample.issues()[0].title
    assert _subjects(stage, watched, f"{base}..{pull.head_ref}") == [title]
    stage.nothing_left(run)


def test_an_issue_that_is_transferred_in_mid_run_cancels_the_run_and_leaves_nothing(
    stage: Stage,
) -> None:
    """As one that is deleted, closed or loses its label (test_bad_input)."""
    watched, _ = _at_work(stage)
    other = f"{watched.name}-else"
    stage.forge.add_repository(other, {"README": ""}, OWNER)
    stage.forge.set_permission(other, ROBOT, "write")
    stage.forge.transfer_issue(watched.name, 1, other)
    _nothing_came_of(stage, watched)


def test_an_issue_that_goes_while_its_run_publishes_cancels_it_too(stage: Stage) -> None:
    watched, run = _at_work(stage)
    stage.forge.fail(Fault("status", status=502, path=f"{watched.name}.git/", times=-1))
    stage.let_end(run)
    stage.in_status(watched, RunStatus.CREATING_PR)
    stage.forge.delete_issue(watched.name, 1, actor=OWNER)
    stage.until(lambda: (found := stage.run_of(watched)) and found.cancel_requested_at, "a cancel")
    stage.forge.mend()
    _nothing_came_of(stage, watched)


def test_a_run_whose_pull_request_is_refused_takes_its_branch_back_and_keeps_its_work(
    stage: Stage,
) -> None:
    watched, run = _at_work(stage)
    stage.forge.fail(
        Fault("status", status=422, method="POST", path=f"{watched.name}/pulls", times=-1)
    )
    stage.let_end(run)
    run = stage.ended(watched)
    assert run.status == "failed"
    stage.saw(run, "run.branch_taken_back")
    assert stage.forge.branches(watched.name).keys() == {"main"}
    assert Path(stage.saw(run, "run.work_kept").data["file"]).is_file()
    stage.nothing_left(run)


def test_a_token_that_lost_a_right_in_mid_run_pauses_the_project_and_the_work_is_kept(
    stage: Stage,
) -> None:
    watched, run = _at_work(stage)
    stage.forge.limit_token(stage.token, {"contents": "write", "issues": "write"})
    try:
        stage.let_end(run)
        run = stage.ended(watched)
    finally:
        stage.forge.world.tokens[stage.token].rights = None
    assert (run.status, run.error_code) == ("failed", "github_unauthorized")
    with stage.database.session() as session:
        project = projects.get(session, run.project_id)
    assert project.state == ProjectState.PAUSED
    assert "pull_requests=write" in project.paused_reason
    assert Path(stage.saw(run, "run.work_kept").data["file"]).is_file()


def _at_work(stage: Stage, **changes: object) -> tuple[Watched, Run]:
    watched = stage.watch(agent_command=UNTIL_TOLD, **changes)  # type: ignore[arg-type]
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    if changes:
        stage.command("run", f"{watched.name}#1")
    run = stage.begun(watched)
    stage.saw(run, "agent.message")
    return watched, run


def _nothing_came_of(stage: Stage, watched: Watched) -> None:
    run = stage.ended(watched)
    assert run.status == "cancelled", run.error_message
    assert stage.forge.branches(watched.name).keys() == {"main"}
    assert stage.forge.pulls(watched.name) == []
    stage.nothing_left(run)


def _subjects(stage: Stage, watched: Watched, span: str) -> list[str]:
    argv = ["git", "-C", str(stage.forge.git_dir(watched.name)), "log", "--format=%s", span]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
