"""A vendor's limit in the middle of a run: it waits without a container, and goes on by itself.

The vendor refuses every request until the test has seen enough, so that no machine is too slow: a
run whose time has come, and that is refused once more, waits once more.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from paid.containers.engine import DockerEngine
from paid.demo.sample import CHECK
from paid.demo.scripted_model import Fault
from paid.models import Run
from tests.acceptance.stage import OWNER, Stage, Watched

RESETS_IN_SECONDS = 8
OPENAI = {
    "retry-after": str(RESETS_IN_SECONDS),
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-tokens": f"{RESETS_IN_SECONDS}s",
}
ANTHROPIC = {
    "retry-after": str(RESETS_IN_SECONDS),
    "anthropic-ratelimit-output-tokens-remaining": "0",
}
ANSWERED_FIRST = Fault("delay", seconds=0)
"""The first request is answered; only what comes after it meets the limit."""
ASKS_CLAUDE = """
import json, os, pathlib, sys, urllib.request
note = pathlib.Path('note.txt')
note.write_text(note.read_text() + 'again' if note.exists() else 'begun ')
body = {"model": "claude-sonnet-4-5", "max_tokens": 1000,
        "messages": [{"role": "user", "content": "Say hello."}]}
request = urllib.request.Request(
    "http://127.0.0.1:8377/anthropic/v1/messages", data=json.dumps(body).encode(),
    headers={"x-api-key": os.environ["PAID_RUN_TOKEN"], "anthropic-version": "2023-06-01",
             "content-type": "application/json"})
try:
    json.load(urllib.request.urlopen(request, timeout=300))
except urllib.error.HTTPError as error:
    sys.exit(f"the vendor answered {error.code}")
"""


def test_codex_goes_on_in_its_session_when_openais_limit_resets(stage: Stage) -> None:
    watched = stage.watch(agent="codex", run_cents=2000, checks=[list(CHECK)])
    stage.model.reset()
    stage.model.fail(ANSWERED_FIRST)
    stage.model.fail(Fault("status", status=429, headers=OPENAI, times=-1))
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.begun(watched)
    stage.until(lambda: "quota" in _ends(stage, run), "the turn's end")
    _is_parked(stage, watched, run)
    stage.kill("worker")
    stage.model.mend()
    ended = stage.ended(watched)
    assert (ended.status, ended.error_message) == ("completed", "")
    assert ended.agent_session
    prompts = [event.data["template"] for event in stage.events(run, "agent.prompt")]
    assert prompts[0] == "task"
    assert set(prompts[1:]) == {"continue"}
    assert _ends(stage, run)[-1] == "finished"
    _waited_until_the_reset(stage, run)
    _came_to_one_pull_request(stage, watched, ended)


def test_a_run_keeps_its_files_while_anthropics_limit_lasts(stage: Stage) -> None:
    watched = stage.watch(agent_command=["python3", "-c", ASKS_CLAUDE])
    stage.model.reset()
    stage.model.fail(Fault("status", status=429, headers=ANTHROPIC, times=-1))
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.begun(watched)
    stage.until(lambda: "quota" in _ends(stage, run), "the turn's end")
    stage.model.mend()
    ended = stage.ended(watched)
    assert (ended.status, ended.error_message) == ("completed", "")
    _waited_until_the_reset(stage, run)
    note = stage.file(watched, str(ended.branch), "note.txt")
    assert note.startswith("begun again")
    _came_to_one_pull_request(stage, watched, ended)


def _is_parked(stage: Stage, watched: Watched, run: Run) -> None:
    """No container, but its workspace; and its people are told why and until when."""
    assert run.id is not None
    engine = DockerEngine(stage.settings)
    stage.until(
        lambda: run.id not in {owned.run_id for owned in engine.owned()}, "the freed container"
    )
    assert run.id in {volume.run_id for volume in engine.owned_volumes()}
    comment = stage.until(lambda: _comment(stage, watched, "limit is reached"), "the comment")
    assert "limit of OpenAI" in comment
    assert "goes on by itself at" in comment
    stage.until(lambda: _listed(stage, run)["held_until"], "the command line's word")
    with stage.browser() as browser:
        stage.until(
            lambda: "goes on by itself at" in browser.get(f"/runs/{run.id}").text,
            "the run's page",
        )


def _waited_until_the_reset(stage: Stage, run: Run) -> None:
    starts = [event.at for event in stage.events(run, "agent.started")]
    resets = [datetime.fromisoformat(e.data["until"]) for e in stage.events(run, "quota.hold")]
    assert len(starts) == len(resets) + 1
    for reset, start in zip(resets, starts[1:], strict=True):
        assert start >= reset


def _came_to_one_pull_request(stage: Stage, watched: Watched, run: Run) -> None:
    """One branch, one pull request, one comment; and the ledger is the vendor's bill."""
    assert run.id is not None
    (pull,) = stage.forge.pulls(watched.name)
    assert pull.head_ref == run.branch
    assert stage.forge.branches(watched.name).keys() == {"main", run.branch}
    assert len(stage.forge.issue(watched.name, 1).comments) == 1
    cost = stage.settled(run)
    billed = sum(entry.cost_microdollars or 0 for entry in stage.model.bill())
    assert cost.spent_microdollars == billed > 0


def _ends(stage: Stage, run: Run) -> list[str]:
    return [event.data["end"] for event in stage.events(run, "turn.ended")]


def _comment(stage: Stage, watched: Watched, words: str) -> str | None:
    bodies = [comment.body for comment in stage.forge.issue(watched.name, 1).comments]
    return next((body for body in bodies if words in body), None)


def _listed(stage: Stage, run: Run) -> dict[str, Any]:
    """What `paid runs` says of it."""
    listed = stage.command("runs", "--json")
    assert listed.returncode == 0, listed.stderr
    return next(row for row in json.loads(listed.stdout) if row["id"] == run.id)
