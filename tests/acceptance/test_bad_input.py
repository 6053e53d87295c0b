"""What people and repositories get wrong: a clear error, the right end, and a clean machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from paid.containers.contract import GIBIBYTE
from paid.contracts import RunStatus
from paid.models import Run
from paid.store import project_settings
from paid.store.project_settings import ProjectChanges
from tests.acceptance.stage import OWNER, ROBOT, UNTIL_TOLD, Stage, Watched
from tests.acceptance.test_scenarios import QUICKLY
from tests.conftest import missing

NOTHING = ["python3", "-c", "print('nothing to do')"]
ASKS_GEMINI = """
import os, sys, urllib.request
request = urllib.request.Request(
    "http://127.0.0.1:8377/gemini/v1beta/models/gemini-2.5-pro:generateContent",
    data=b'{"contents": [{"parts": [{"text": "Hello"}]}]}',
    headers={"x-goog-api-key": os.environ["PAID_RUN_TOKEN"], "Content-Type": "application/json"})
try:
    urllib.request.urlopen(request, timeout=60)
except OSError:
    sys.exit("it went wrong")
"""
FILLS_THE_DISK = """
import os, time
for number in range(5):
    with open(f"filler-{number}", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 2**30)
    print(("one", "two", "three", "four", "five")[number], "more", flush=True)
time.sleep(300)
"""
LONG = ["python3", "-c", "import time; print('begun', flush=True); time.sleep(300)"]


def _label(stage: Stage, watched: Watched, number: int = 1, actor: str = OWNER) -> None:
    stage.forge.add_label(watched.name, number, "paid-build", actor=actor)


def _comment(stage: Stage, watched: Watched, number: int, words: str) -> str:
    def found() -> str | None:
        comments = stage.forge.issue(watched.name, number).comments
        assert len(comments) <= 1
        return next((comment.body for comment in comments if words in comment.body), None)

    return stage.until(found, f"a comment with {words!r}")


def fails_everywhere(stage: Stage, watched: Watched, code: str, words: str, number: int = 1) -> Run:
    """The run failed, and its reason is on the issue, on the command line and in its record."""
    run = stage.ended(watched, number)
    assert (run.status, run.error_code) == ("failed", code), run.error_message
    assert words in run.error_message
    assert words in stage.events(run, "run.ended")[0].data["message"]
    assert words in stage.command("logs", str(run.id)).stdout
    _comment(stage, watched, number, words)
    stage.until(
        lambda: stage.forge.issue(watched.name, number).labels == ["paid-failed"], "the label"
    )
    return run


def test_an_agent_that_changes_nothing_ends_without_a_pull_request(stage: Stage) -> None:
    watched = stage.watch(agent_command=NOTHING)
    _label(stage, watched)
    run = stage.ended(watched)
    assert run.status == "no_changes"
    _comment(stage, watched, 1, "without a change")
    assert stage.forge.pulls(watched.name) == []


def test_an_empty_repository_is_told_so_everywhere(stage: Stage) -> None:
    watched = stage.watch(agent_command=QUICKLY)
    stage.forge.delete_branch(watched.name, "main")
    _label(stage, watched)
    run = fails_everywhere(stage, watched, "bad_input", "The repository is empty")
    stage.nothing_left(run)


def test_a_title_with_options_shells_and_markup_stays_text(stage: Stage) -> None:
    watched = stage.watch(agent_command=QUICKLY)
    title = (
        "--upload-pack=touch /tmp/owned; $(touch /tmp/owned) `id` @maria <script>alert(1)</script>"
    )
    number = stage.forge.add_issue(watched.name, title, "-x\n--exec=id\n\x00\u202eabc", OWNER)
    _label(stage, watched, number)
    run = stage.ended(watched, number)
    assert run.status == "completed"
    (pull,) = stage.forge.pulls(watched.name)
    assert "@maria" not in pull.title
    assert "<script>" not in pull.body


def test_an_issue_of_a_megabyte_is_cut_and_worked_on(stage: Stage) -> None:
    watched = stage.watch(agent_command=QUICKLY)
    number = stage.forge.add_issue(watched.name, "Long", "word " * 200_000, OWNER)
    _label(stage, watched, number)
    assert stage.ended(watched, number).status == "completed"


def test_an_outsider_cannot_start_a_run_and_is_told_once(stage: Stage) -> None:
    watched = stage.watch(agent_command=QUICKLY)
    stage.forge.add_user("eve")
    stage.forge.set_permission(watched.name, "eve", "read")
    _label(stage, watched, actor="eve")
    _comment(stage, watched, 1, "did not start")
    assert stage.run_of(watched) is None
    assert "label_by_outsider" in stage.command("project", "show", watched.name).stdout


@pytest.mark.parametrize("other", ["paid-plan", "paid-cancel"])
def test_two_labels_at_once_start_nothing_and_are_explained(stage: Stage, other: str) -> None:
    watched = stage.watch(agent_command=QUICKLY)
    stage.forge.add_label(watched.name, 1, other, actor=OWNER)
    _label(stage, watched)
    _comment(stage, watched, 1, "are both set, and they ask for different things")
    assert stage.run_of(watched) is None
    assert "two_labels" in stage.command("project", "show", watched.name).stdout


def test_the_same_label_again_starts_a_second_run_only_when_set_anew(stage: Stage) -> None:
    watched = stage.watch(agent_command=QUICKLY)
    _label(stage, watched)
    first = stage.ended(watched)
    stage.until(lambda: "paid-done" in stage.forge.issue(watched.name, 1).labels, "the label")
    _label(stage, watched)
    second = stage.until(
        lambda: (run := stage.run_of(watched)) and run.id != first.id and run, "a second run"
    )
    assert second.generation == 2


def test_taking_the_label_away_cancels_the_run_and_leaves_nothing(stage: Stage) -> None:
    watched = stage.watch(agent_command=LONG)
    _label(stage, watched)
    run = stage.begun(watched)
    stage.saw(run, "agent.message")
    stage.forge.remove_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.ended(watched)
    assert run.status == "cancelled"
    assert stage.forge.pulls(watched.name) == []
    stage.nothing_left(run)


@pytest.mark.parametrize("what", ["close", "delete"])
def test_closing_or_deleting_the_issue_cancels_the_run(stage: Stage, what: str) -> None:
    watched = stage.watch(agent_command=LONG)
    _label(stage, watched)
    run = stage.begun(watched)
    stage.saw(run, "agent.message")
    if what == "close":
        stage.forge.close_issue(watched.name, 1, actor=OWNER)
    else:
        stage.forge.delete_issue(watched.name, 1, actor=OWNER)
    assert stage.ended(watched).status == "cancelled"
    stage.nothing_left(run)


def test_a_run_without_budget_waits_and_goes_on_when_it_is_raised(stage: Stage) -> None:
    watched = stage.watch(agent_command=QUICKLY, run_cents=0)
    _label(stage, watched)
    run = stage.in_status(watched, RunStatus.BUDGET_EXCEEDED)
    assert not run.ended
    assert stage.events(run, "agent.started") == []
    with stage.database.session() as session:
        project_settings.change(
            session, watched.project_id, ProjectChanges(run_cents=500), by="test", box=None
        )
    stage.tell_budget_changed(run)
    assert stage.ended(watched).status == "completed"


def test_a_token_or_repository_that_goes_in_mid_run_ends_it_and_keeps_its_work(
    stage: Stage,
) -> None:
    """Nobody can write on the issue then: the project's pause and the record say it."""
    begun = {what: _begun_with_its_own_token(stage) for what in GOES}
    for what, (watched, token, run) in begun.items():
        stage.saw(run, "agent.message")
        GOES[what](stage, watched, token)
    for what, (watched, _, run) in begun.items():
        _ends_with_its_work_kept(stage, what, watched, run)


GOES: dict[str, Callable[[Stage, Watched, str], None]] = {
    "token revoked": lambda stage, _, token: stage.forge.revoke_token(token),
    "right withdrawn": lambda stage, watched, _: stage.forge.set_permission(
        watched.name, ROBOT, "read"
    ),
    "repository gone": lambda stage, watched, _: stage.forge.delete_repository(watched.name),
}


def _begun_with_its_own_token(stage: Stage) -> tuple[Watched, str, Run]:
    token = stage.forge.add_user(ROBOT)
    watched = stage.watch(token=token, agent_command=UNTIL_TOLD)
    _label(stage, watched)
    return watched, token, stage.begun(watched)


def _ends_with_its_work_kept(stage: Stage, what: str, watched: Watched, run: Run) -> None:
    stage.until(lambda: stage.project_state(watched) == "paused", f"the pause: {what}")
    stage.let_end(run)
    run = stage.ended(watched)
    assert run.status == "failed", what
    assert run.error_code in ("github_unauthorized", "github_not_found", "push_rejected"), what
    assert Path(stage.saw(run, "run.work_kept").data["file"]).is_file()
    assert run.error_message[:40] in stage.command("logs", str(run.id)).stdout
    assert "paused" in stage.command("project", "show", str(watched.project_id)).stdout
    stage.nothing_left(run)


def test_a_change_of_the_workflows_is_held_back(stage: Stage) -> None:
    evil = (
        "import pathlib; p = pathlib.Path('.github/workflows'); p.mkdir(parents=True);"
        "(p / 'own.yml').write_text('on: push')"
    )
    watched = stage.watch(agent_command=["python3", "-c", evil])
    _label(stage, watched)
    run = stage.ended(watched)
    assert (run.status, run.error_code) == ("failed", "policy")
    assert stage.forge.branches(watched.name).keys() == {"main"}
    _comment(stage, watched, 1, "could not do this")


def test_an_agent_that_crashes_fails_with_its_own_words(stage: Stage) -> None:
    crash = ["python3", "-c", "import sys; sys.exit('the agent broke')"]
    watched = stage.watch(agent_command=crash)
    _label(stage, watched)
    run = stage.ended(watched)
    assert (run.status, run.error_code) == ("failed", "agent")
    assert "the agent broke" in run.error_message
    stage.nothing_left(run)


def test_a_push_that_the_server_refuses_ends_the_run_with_the_reason(stage: Stage) -> None:
    watched = stage.watch(agent_command=QUICKLY)
    stage.forge.reject_pushes(watched.name, "not on a Friday")
    _label(stage, watched)
    run = stage.ended(watched)
    assert (run.status, run.error_code) == ("failed", "push_rejected")
    assert "Friday" in run.error_message
    kept = Path(stage.saw(run, "run.work_kept").data["file"])
    listed = subprocess.run(
        ["git", "bundle", "list-heads", str(kept)], capture_output=True, text=True, check=True
    )
    assert listed.stdout.split() == [run.head_sha, "refs/heads/paid-kept"]


def test_without_docker_the_issue_says_so_and_the_run_begins_when_it_is_back(stage: Stage) -> None:
    watched = stage.watch(agent_command=QUICKLY)
    stage.docker.away()
    _label(stage, watched)
    _comment(stage, watched, 1, "Docker does not answer")
    run = stage.begun(watched)
    assert (run.status, run.waits, run.error_code) == ("queued", True, "docker_unavailable")
    stage.docker.back()
    assert (stage.ended(watched).status, stage.ended(watched).error_message) == ("completed", "")
    _comment(stage, watched, 1, "has opened a pull request")
    assert len(stage.events(run, "run.waiting")) == 1
    assert "Docker does not answer" in stage.command("logs", str(run.id)).stdout


def test_a_host_without_docker_keeps_no_run_from_one_that_has_it(
    stage: Stage, tmp_path: Path
) -> None:
    watched = stage.watch(agent_command=QUICKLY)
    with stage.another_worker("without-docker", tmp_path, f"unix://{tmp_path}/none.sock"):
        for number in (1, 2, 3):
            _label(stage, watched, number)
        ended = [stage.ended(watched, number) for number in (1, 2, 3)]
    assert [(run.status, run.host) for run in ended] == [
        ("completed", stage.settings.host_name)
    ] * 3


def test_an_agent_without_a_key_for_its_models_is_not_started(stage: Stage) -> None:
    watched = stage.watch(agent="gemini")
    _label(stage, watched)
    run = fails_everywhere(stage, watched, "model_key_missing", "the gateway has no key for it")
    assert "GEMINI_API_KEY" in run.error_message
    assert stage.events(run, "run.workspace") == []
    stage.nothing_left(run)


def test_a_key_that_is_missed_only_by_the_agent_is_named_at_the_end(stage: Stage) -> None:
    """A program of one's own may use any vendor, so nobody can know it before."""
    watched = stage.watch(agent_command=["python3", "-c", ASKS_GEMINI])
    _label(stage, watched)
    run = fails_everywhere(stage, watched, "agent", "This host has no key for gemini")
    stage.nothing_left(run)


@pytest.mark.parametrize("branch", ["-x", "--upload-pack=touch${IFS}canary"])
def test_a_default_branch_that_looks_like_an_option_is_a_branch(stage: Stage, branch: str) -> None:
    watched = stage.watch(agent_command=QUICKLY)
    stage.forge.rename_default_branch(watched.name, branch)
    _label(stage, watched)
    run = stage.ended(watched)
    assert (run.status, run.error_message) == ("completed", "")
    (pull,) = stage.forge.pulls(watched.name)
    assert pull.base_ref == branch
    stage.nothing_left(run)
    # not Path.rglob, which fails on a folder that goes while it looks
    assert not any("canary" in files for *_, files in os.walk(stage.settings.data_dir))
    assert not Path("canary").exists()


def test_such_a_repository_is_not_taken_on_anew(stage: Stage, tmp_path: Path) -> None:
    """Where people can still choose another name, Paid asks for one."""
    stage.forge.add_repository("demo/odd", {"README": "odd"}, OWNER, "--upload-pack=x")
    stage.forge.set_permission("demo/odd", ROBOT, "write")
    (tmp_path / "token").write_text(stage.token)
    given = ("--api-url", stage.forge.api_url, "--token-file", str(tmp_path / "token"))
    added = stage.command("project", "add", "demo/odd", *given)
    assert added.returncode == 2
    assert "git would take for an option" in added.stderr


def test_a_full_disk_fails_a_run_clearly_and_the_next_one_works_when_there_is_room(
    stage: Stage, tmp_path: Path
) -> None:
    watched = stage.watch(agent_command=QUICKLY)
    with _small_disk(tmp_path / "image", stage.settings.data_dir / "workspaces") as disk:
        filler = disk / "filler"
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - 5 * GIBIBYTE // 2)
        _label(stage, watched)
        run = fails_everywhere(stage, watched, "disk_full", "are free under")
        assert "Free some disk" in run.error_message
        stage.nothing_left(run)
        filler.unlink()
        _label(stage, watched)
        again = stage.until(
            lambda: (found := stage.run_of(watched)) and found.generation == 2 and found.ended,
            "the end of a second run",
        )
        assert again
        ended = stage.run_of(watched)
        assert ended is not None
        assert (ended.status, ended.error_message) == ("completed", "")
        stage.nothing_left(ended)


def test_a_run_that_fills_the_disk_is_stopped_and_says_so(stage: Stage, tmp_path: Path) -> None:
    watched = stage.watch(agent_command=["python3", "-c", FILLS_THE_DISK])
    with _small_disk(tmp_path / "image", stage.settings.data_dir / "workspaces"):
        _label(stage, watched)
        run = fails_everywhere(stage, watched, "disk_full", "The host's disk ran full")
        stage.nothing_left(run)


@contextmanager
def _small_disk(image: Path, folder: Path) -> Iterator[Path]:
    """A file system of 6 GiB on `folder`, for as long as it lasts; the image is a sparse file."""
    folder.mkdir(exist_ok=True)
    mode = folder.stat().st_mode
    for command in (
        ["truncate", "--size", "6G", str(image)],
        ["mkfs.ext4", "-q", "-F", "-N", "400000", str(image)],
        ["mount", "-o", "loop", str(image), str(folder)],
    ):
        if subprocess.run(command, check=False, capture_output=True).returncode != 0:
            missing(f"a small file system: {command[0]} does not work here")
    folder.chmod(mode)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
