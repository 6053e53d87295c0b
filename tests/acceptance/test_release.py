"""A secret in a change: the agent is told first, then a person may let it go to be published."""

from __future__ import annotations

import pytest

from paid.models import Run
from paid.store import secrets
from tests.acceptance.stage import OWNER, Stage, Watched

KEY = "gh" + "p_" + "7Qm2Vx9Kd4Lp8Rt1Zn6Wb3Yc5Hf0Gs2JuA4e"
LEAVES_A_KEY = """
import pathlib, sys
task = sys.stdin.read()
place = pathlib.Path("settings.ini")
told = "settings.ini, line 2" in task and "a GitHub token" in task
assert KEY not in task
assert told or not place.exists(), task
place.write_text("[github]\\ntoken = " + KEY + "\\n")
with open("tries.txt", "a") as tries:
    tries.write("told\\n" if told else "began\\n")
""".replace("KEY", f"('gh' + {KEY[2:]!r})")


@pytest.fixture
def refused(stage: Stage) -> tuple[Watched, Run]:
    """A run whose agent left a key in each of its rounds."""
    watched = stage.watch(agent_command=["python3", "-c", LEAVES_A_KEY])
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.ended(watched)
    stage.saw(run, "run.work_kept")
    return watched, run


def test_a_key_goes_back_to_the_agent_and_a_person_may_let_it_go(
    stage: Stage, refused: tuple[Watched, Run]
) -> None:
    watched, run = refused
    number = str(run.id)
    assert (run.status, run.error_code, run.iterations) == ("failed", "secret_found", 3)
    assert "a GitHub token in settings.ini, line 2" in run.error_message
    assert stage.forge.pulls(watched.name) == []
    _is_named(stage, watched, number)
    turns, cost = len(stage.events(run, "agent.started")), stage.settled(run)
    assert "reason" in stage.command("release", number, "--reason", " ").stderr
    released = stage.command("release", number, "--reason", "a key of the test server")
    assert released.returncode == 0, released.stderr
    assert "a GitHub token in settings.ini, line 2" in released.stdout
    run = stage.until(lambda: (it := stage.ended(watched)).pr_number and it, "the pull request")
    assert (run.status, run.error_code) == ("completed", "")
    (pull,) = stage.forge.pulls(watched.name)
    assert "a GitHub token in settings.ini, line 2" in pull.body
    assert stage.file(watched, pull.head_ref, "tries.txt").split() == ["began", "told", "told"]
    assert len(stage.events(run, "agent.started")) == turns == 3
    assert stage.settled(run) == cost
    _is_on_record(stage, run)
    assert KEY not in str([event.data for event in stage.events(run)])


def _is_named(stage: Stage, watched: Watched, number: str) -> None:
    """The command stands on the issue, on the run's page and in its log."""
    wanted = f"paid release {number} --reason"
    said = stage.command("logs", number).stdout
    assert wanted in said
    assert "a GitHub token in settings.ini, line 2" in said
    with stage.browser() as browser:
        assert wanted in browser.get(f"/runs/{number}").text
    stage.until(
        lambda: any(f"paid release {number}" in comment.body
                    for comment in stage.forge.issue(watched.name, 1).comments),
        "the command on the issue",
    )  # fmt: skip


def _is_on_record(stage: Stage, run: Run) -> None:
    (told,) = stage.events(run, secrets.RELEASED)
    assert told.data["reason"] == "a key of the test server"
    assert "(command line)" in told.data["by"]
    (found,) = told.data["found"]
    assert (found["kind"], found["place"]) == ("a GitHub token", "settings.ini, line 2")
    said = stage.command("logs", str(run.id)).stdout
    assert "a key of the test server" in said
