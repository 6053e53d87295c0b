"""The four scenarios that Paid exists for, on real parts (the fourth, a cancel from the dashboard,
is in tests/browser)."""

from __future__ import annotations

from paid.demo.forge import Fault
from paid.demo.sample import CHECK
from tests.acceptance.stage import OWNER, Stage

SLOWLY = [
    "python3",
    "-c",
    "import time,pathlib\n"
    "for n in range(8): print('step', n, flush=True); time.sleep(1)\n"
    "pathlib.Path('made.txt').write_text('made')",
]
"""An agent that works for eight seconds and changes one file."""
QUICKLY = ["python3", "-c", "import pathlib; pathlib.Path('made.txt').write_text('made')"]


def test_a_labelled_issue_becomes_a_checked_pull_request(stage: Stage) -> None:
    watched = stage.watch(agent="codex", run_cents=2000, checks=[list(CHECK)])
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.ended(watched)
    assert (run.status, run.error_message) == ("completed", "")
    (pull,) = stage.forge.pulls(watched.name)
    assert run.pr_number == pull.number
    assert pull.head_sha == run.head_sha == stage.forge.branches(watched.name)[pull.head_ref]
    assert "passed" in pull.body
    stage.until(lambda: stage.forge.issue(watched.name, 1).labels == ["paid-done"], "the label")
    stage.until(
        lambda: (
            [pull.html_url in it.body for it in stage.forge.issue(watched.name, 1).comments]
            == [True]
        ),
        "one comment with the pull request",
    )
    assert run.iterations == 1
    assert run.tokens_used > 0


def test_an_activity_that_fails_in_passing_is_tried_again(stage: Stage) -> None:
    watched = stage.watch(agent="command", agent_command=QUICKLY)
    path = rf"/repos/{watched.name}/pulls$"
    stage.forge.fail(Fault(method="POST", path=path, kind="status", status=502, times=1))
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.ended(watched)
    assert run.status == "completed"
    assert len(stage.forge.pulls(watched.name)) == 1
    assert len(stage.events(run, "step.started")) == 1


def test_a_run_goes_on_when_its_worker_is_killed(stage: Stage) -> None:
    watched = stage.watch(agent_command=SLOWLY)
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.begun(watched)
    stage.saw(run, "step.started")
    stage.kill("worker")
    run = stage.ended(watched)
    assert (run.status, run.error_message) == ("completed", "")
    assert len(stage.events(run, "step.started")) == 1
    assert len(stage.events(run, "agent.started")) == 1
    said = [event.data["text"] for event in stage.events(run, "agent.message")]
    assert said == [f"step {n}" for n in range(8)]
    assert len(stage.forge.pulls(watched.name)) == 1
