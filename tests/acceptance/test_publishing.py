"""What leaves: whose commits, which words, and what never goes out."""

from __future__ import annotations

import subprocess
from pathlib import Path

from paid.demo import sample
from tests.acceptance.stage import OWNER, Stage, Watched

EVIL = """
import pathlib, subprocess
def git(*argv):
    subprocess.run(["git", *argv], check=True)
git("config", "user.name", "Evil")
git("config", "user.email", "ceo@example.org")
pathlib.Path("made.txt").write_text("made")
git("add", "made.txt")
trailer = "Co-authored-by: Evil <ceo@example.org>"
git("commit", "-q", "-m", "fixes #1 @acme", "-m", "Closes #3\\n" + trailer)
pathlib.Path("left.txt").write_text("left")
print("I greeted people by name. fixes #2")
"""


def agent(program: str) -> list[str]:
    return ["python3", "-c", program]


def label(stage: Stage, watched: Watched, number: int = 1) -> None:
    stage.forge.add_label(watched.name, number, "paid-build", actor=OWNER)


def forge_git(stage: Stage, watched: Watched, *argv: str) -> str:
    place = str(stage.forge.git_dir(watched.name))
    return subprocess.run(
        ["git", "-C", place, *argv], capture_output=True, text=True, check=True
    ).stdout


def test_commits_are_the_projects_own_and_close_nothing(stage: Stage) -> None:
    watched = stage.watch(
        agent_command=agent(EVIL), commit_name="Our robot", commit_email="robot@example.org"
    )
    label(stage, watched)
    run = stage.ended(watched)
    assert run.status == "completed", run.error_message
    (pull,) = stage.forge.pulls(watched.name)
    span = f"main..{pull.head_ref}"
    people = forge_git(stage, watched, "log", "--format=%an <%ae> %cn <%ce>", span)
    robot = "Our robot <robot@example.org>"
    assert people.splitlines() == [f"{robot} {robot}"] * 2
    words = forge_git(stage, watched, "log", "--reverse", "--format=%B", span)
    assert "fixes # 1 @ acme\n\nCloses # 3\n" in words
    title = sample.issues()[0].title
    assert f"{title}\n\nI greeted people by name. fixes # 2\n" in words
    assert "Evil" not in words + people


UNDOES = """
import pathlib, subprocess
def commit(words):
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", words], check=True)
pathlib.Path("made.txt").write_text("made")
commit("one")
pathlib.Path("made.txt").unlink()
commit("and back")
commit("nothing")
"""
LITTERS = """
import pathlib
for path in (".venv/pyvenv.cfg", ".venv/bin/python", "node_modules/left-pad/index.js", ".env"):
    place = pathlib.Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("x")
pathlib.Path("made.txt").write_text("made")
"""
MENDS = """
import pathlib, subprocess, sys
task = sys.stdin.read()
big = pathlib.Path("big.bin")
if "published" not in task or not big.exists():
    big.write_text("raw")
    pathlib.Path("made.txt").write_text("made")
else:
    assert "'big.bin'" in task, task
    subprocess.run(["git", "reset", "-q", "--soft", "HEAD^"], check=True)
    subprocess.run(["git", "rm", "-q", "--cached", "big.bin"], check=True)
    big.unlink()
    subprocess.run(["git", "commit", "-q", "-m", "without it"], check=True)
"""
TOO_MANY = """
import pathlib, subprocess, sys
def git(*argv, **more):
    return subprocess.run(["git", *argv], check=True, capture_output=True, **more).stdout.decode()
task, made = sys.stdin.read(), pathlib.Path("made.txt")
if not made.exists():
    made.write_text("made")
    branch = git("symbolic-ref", "HEAD").strip()
    one = f"commit {branch}\\ncommitter A <a@example.org> 1700000000 +0000\\ndata 4\\nwork\\n"
    first = one + f"from {git('rev-parse', 'HEAD').strip()}\\n"
    git("fast-import", "--quiet", input=(first + one * 2000).encode())
else:
    assert "2002 commits; 2000 are accepted" in task, task
    assert "smaller" in task, task
    git("reset", "-q", "--soft", "HEAD~2002")
"""
MAKES = "import pathlib; pathlib.Path('made.txt').write_text('made')"


def test_an_edit_and_its_undoing_are_no_change(stage: Stage) -> None:
    watched = stage.watch(agent_command=agent(UNDOES))
    label(stage, watched)
    run = stage.ended(watched)
    assert run.status == "no_changes", run.error_message
    assert stage.forge.pulls(watched.name) == []


def test_litter_stays_out_and_is_told_beside_a_branch_that_is_in_the_way(stage: Stage) -> None:
    watched = stage.watch(agent_command=agent(LITTERS))
    forge_git(stage, watched, "update-ref", "refs/heads/paid", "refs/heads/main")
    label(stage, watched)
    run = stage.ended(watched)
    assert run.status == "completed", run.error_message
    (pull,) = stage.forge.pulls(watched.name)
    names = forge_git(stage, watched, "log", "--name-only", "--format=", f"main..{pull.head_ref}")
    assert names.split() == ["made.txt"]
    assert all(f"`{root}`" in pull.body for root in (".venv", "node_modules", ".env"))


def test_what_lfs_keeps_goes_back_to_the_agent_and_is_not_pushed(stage: Stage) -> None:
    files = {**sample.files(), ".gitattributes": "*.bin filter=lfs -text\n"}
    watched = stage.watch(files, agent_command=agent(MENDS))
    label(stage, watched)
    run = stage.ended(watched)
    assert run.status == "completed", run.error_message
    assert run.iterations == 2
    (refused,) = stage.events(run, "publish.refused")
    assert "big.bin" in refused.data["message"]
    (pull,) = stage.forge.pulls(watched.name)
    names = forge_git(stage, watched, "log", "--name-only", "--format=", f"main..{pull.head_ref}")
    assert names.split() == ["made.txt"]


def test_a_change_that_is_too_large_goes_back_to_the_agent(stage: Stage) -> None:
    watched = stage.watch(agent_command=agent(TOO_MANY))
    label(stage, watched)
    run = stage.ended(watched)
    assert (run.status, run.iterations) == ("completed", 2), run.error_message
    (refused,) = stage.events(run, "publish.refused")
    assert refused.data["code"] == "change_too_large"
    (pull,) = stage.forge.pulls(watched.name)
    assert forge_git(stage, watched, "rev-list", "--count", f"main..{pull.head_ref}") == "1\n"


def test_kept_work_is_named_fetched_and_published_once_the_cause_is_mended(
    stage: Stage, tmp_path: Path
) -> None:
    watched = stage.watch(agent_command=agent(MAKES))
    stage.forge.reject_pushes(watched.name, "not on a Friday")
    label(stage, watched)
    run = stage.ended(watched)
    assert (run.status, run.error_code) == ("failed", "push_rejected")
    stage.saw(run, "run.work_kept")
    _is_named(stage, watched, str(run.id))
    _is_fetched(stage, watched, str(run.id), tmp_path)
    _is_published(stage, watched, str(run.id))
    assert len(stage.events(run, "agent.started")) == 1


def _is_named(stage: Stage, watched: Watched, run_id: str) -> None:
    wanted = f"paid retry {run_id} --publish"
    stage.until(
        lambda: any(wanted.replace("--", "") in comment.body.replace("\\", "").replace("--", "")
                    for comment in stage.forge.issue(watched.name, 1).comments),
        "the command on the issue",
    )  # fmt: skip
    with stage.browser() as browser:
        page = browser.get(f"/runs/{run_id}").text
    assert wanted in page
    assert f"paid work fetch {run_id}" in page


def _is_fetched(stage: Stage, watched: Watched, run_id: str, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", stage.forge.git_dir(watched.name), clone], check=True)
    fetched = stage.command("work", "fetch", run_id, "-C", str(clone))
    assert fetched.returncode == 0, fetched.stderr
    shown = subprocess.run(
        ["git", "-C", clone, "show", f"paid-run-{run_id}:made.txt"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout == "made"
    empty = tmp_path / "empty"
    subprocess.run(["git", "init", "-q", empty], check=True)
    refused = stage.command("work", "fetch", run_id, "-C", str(empty))
    assert refused.returncode == 2
    assert "git fetch origin" in refused.stderr
    bundle = tmp_path / "run.bundle"
    assert stage.command("work", "fetch", run_id, "--bundle", str(bundle)).returncode == 0
    assert bundle.is_file()


def _is_published(stage: Stage, watched: Watched, run_id: str) -> None:
    assert "--publish" in stage.command("retry", run_id).stderr
    assert stage.command("retry", run_id, "--publish").returncode == 0
    stage.until(
        lambda: len(stage.events(stage.begun(watched), "run.ended")) == 2,
        "the second refusal",
    )
    again = stage.ended(watched)
    assert (again.status, again.error_code) == ("failed", "push_rejected")
    stage.forge.reject_pushes(watched.name, None)
    for _ in range(2):
        stage.command("retry", run_id, "--publish")
    run = stage.until(
        lambda: (found := stage.ended(watched)).status == "completed" and found, "the publication"
    )
    (pull,) = stage.forge.pulls(watched.name)
    assert pull.number == run.pr_number
    assert stage.file(watched, pull.head_ref, "made.txt") == "made"
    refused = stage.command("retry", run_id, "--publish")
    assert refused.returncode == 2
    assert "pull request" in refused.stderr
