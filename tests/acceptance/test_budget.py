"""A cap in the middle of a run: the container is frozen, and goes on when the cap is raised."""

from __future__ import annotations

from paid.containers.engine import DockerEngine
from paid.models import Run
from paid.store import ledger, project_settings
from paid.store.project_settings import ProjectChanges
from tests.acceptance.stage import OWNER, Stage, Watched

ASKS_A_MODEL = """
import json, os, pathlib, urllib.request
body = {"model": "gpt-5.2", "max_output_tokens": 1000, "input": "Say hello."}
request = urllib.request.Request(
    "http://127.0.0.1:8377/openai/v1/responses",
    data=json.dumps(body).encode(),
    headers={"Authorization": "Bearer " + os.environ["PAID_RUN_TOKEN"],
             "Content-Type": "application/json"})
print("asking", flush=True)
answer = json.load(urllib.request.urlopen(request, timeout=300))
pathlib.Path("answer.txt").write_text(answer["status"])
print("answered", flush=True)
"""


def _set_run_cents(stage: Stage, watched: Watched, cents: int) -> None:
    with stage.database.session() as session:
        project_settings.change(
            session, watched.project_id, ProjectChanges(run_cents=cents), by="test", box=None
        )


def _paused(stage: Stage, run: Run) -> bool:
    facts = DockerEngine(stage.settings).inspect(f"paid-run-{run.id}-agent-1")
    return facts is not None and bool(facts["State"]["Paused"])


def test_a_request_over_the_cap_freezes_the_run_until_the_cap_is_raised(stage: Stage) -> None:
    watched = stage.watch(agent_command=["python3", "-c", ASKS_A_MODEL], run_cents=1)
    billed_before = len(stage.model.bill())
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.begun(watched)
    stage.saw(run, "budget.hold")
    stage.until(lambda: _paused(stage, run), "the container's pause")
    assert len(stage.model.bill()) == billed_before
    _set_run_cents(stage, watched, 500)
    ended = stage.ended(watched)
    assert (ended.status, ended.error_message) == ("completed", "")
    assert len(stage.events(run, "step.started")) == 1
    billed = stage.model.bill()[billed_before:]
    assert run.id is not None
    with stage.database.session() as session:
        cost = ledger.run_cost(session, run.id)
    assert cost.spent_microdollars == sum(entry.cost_microdollars for entry in billed) > 0
    assert cost.reserved_microdollars == 0
