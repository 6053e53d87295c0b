"""Each scenario of docs/demo.md comes to the end that the page promises, on the real parts."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import col, select

from paid.contracts import RunStatus
from paid.demo import forge
from paid.demo import scripted_model as vendor
from paid.demo.forge.sample import OWNER
from paid.demo.options import Options
from paid.demo.stage import BUILD_LABEL, Stage
from paid.models import Issue, Run
from paid.settings import Settings
from paid.store import ledger
from tests.demo.images import need_codex
from tests.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]

LONGEST_SECONDS = 300
LOOK = "{ env; cat /proc/net/dev; getent hosts example.com || echo no names; id -u; } > found.txt"
SCENARIOS = {"nothing": "nothing", "mend": "mend", "loop": "loop", "run": f"run {LOOK}"}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The demo, set up once, without a first label."""
    need_codex()
    with tempfile.TemporaryDirectory(prefix="paid-demo-") as folder:
        found = Settings.model_construct(data_dir=Path(folder))
        with Stage(Options(once=True), found, lambda _line: None) as stage:
            yield stage


@pytest.fixture(scope="module")
def ended(stage: Stage) -> dict[str, Run]:
    """All scenarios at once: each labelled issue's run after its end."""
    assert stage.forge is not None
    asked = {
        name: stage.forge.add_issue(
            stage.repository, f"Try {name}", f"Scenario: {text}", OWNER, [BUILD_LABEL]
        )
        for name, text in SCENARIOS.items()
    }
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        runs = runs_by_issue(stage)
        if all(number in runs and runs[number].ended for number in asked.values()):
            return {name: runs[number] for name, number in asked.items()}
        time.sleep(0.5)
    raise AssertionError(f"not all runs have ended: {runs_by_issue(stage)}")


def runs_by_issue(stage: Stage) -> dict[int, Run]:
    with stage.database.session() as session:
        question = select(Issue.number, Run).join(Run, col(Run.issue_id) == Issue.id)
        found = list(session.exec(question))
        session.expunge_all()
    return dict(found)


def test_nothing_to_change_is_no_changes(ended: dict[str, Run]) -> None:
    assert ended["nothing"].status == RunStatus.NO_CHANGES
    assert ended["nothing"].pr_url is None


def test_a_failing_check_is_mended_in_the_second_round(ended: dict[str, Run]) -> None:
    assert ended["mend"].status == RunStatus.COMPLETED
    assert ended["mend"].iterations == 2


def test_a_loop_is_found_and_ended(ended: dict[str, Run]) -> None:
    assert ended["loop"].status == RunStatus.FAILED
    assert ended["loop"].iterations == 3


def test_what_the_agent_runs_finds_no_network_and_no_key(
    stage: Stage, ended: dict[str, Run]
) -> None:
    assert stage.forge is not None
    assert stage.model is not None
    found = stage.forge.git.show(stage.repository, ended["run"].head_sha or "", "found.txt")

    assert "no names" in found
    assert "eth0" not in found
    assert stage.model.key not in found
    assert found.strip().endswith("1000")


@pytest.mark.usefixtures("ended")
def test_the_ledger_and_the_vendors_bill_agree(stage: Stage) -> None:
    assert stage.model is not None
    with stage.database.session() as session:
        runs = list(session.exec(select(Run.id)))
        costs = ledger.run_costs(session, [run_id for run_id in runs if run_id is not None])

    counted = sum(cost.spent_microdollars for cost in costs.values())

    assert counted == sum(entry.cost_microdollars or 0 for entry in stage.model.bill())
    assert counted > 0


GITHUB_MISBEHAVES = (
    forge.Fault("status", status=502, method="GET", path=r"/issues$"),
    forge.Fault("truncate", method="GET", path=r"/events$"),
    forge.Fault("drop_after", method="POST", path=r"/comments$"),
    forge.Fault("status", status=503, path=r"git-receive-pack$"),
    forge.Fault("drop_after", method="POST", path=r"/pulls$"),
    forge.Fault("secondary", status=429, seconds=1, method="PATCH"),
)
MODEL_MISBEHAVES = (
    vendor.Fault("status", status=529),
    vendor.Fault("status", status=429, headers={"retry-after": "1"}),
    vendor.Fault("status", status=500),
    vendor.Fault("cut", at_byte=900),
    vendor.Fault("drop"),
)


@pytest.mark.usefixtures("ended")
def test_when_github_misbehaves_in_six_ways_there_is_one_of_everything(stage: Stage) -> None:
    assert stage.forge is not None
    for fault in GITHUB_MISBEHAVES:
        stage.forge.fail(fault)

    number, run = labelled(stage, "Write on a bad day of GitHub's")

    assert run.status == RunStatus.COMPLETED, run.error_message
    pulls = [pull for pull in stage.forge.pulls(stage.repository) if pull.head_ref == run.branch]
    comments = stage.forge.issue(stage.repository, number).comments
    assert len(pulls) == 1
    assert len(comments) == 1
    assert pulls[0].head_sha == run.head_sha == stage.forge.branches(stage.repository)[run.branch]


@pytest.mark.usefixtures("ended")
def test_when_the_model_misbehaves_nothing_is_counted_too_low(stage: Stage) -> None:
    assert stage.model is not None
    billed = sum(entry.cost_microdollars or 0 for entry in stage.model.bill())
    for fault in MODEL_MISBEHAVES:
        stage.model.fail(fault)

    _, run = labelled(stage, "Write on a bad day of the vendor's")

    assert run.status == RunStatus.COMPLETED, run.error_message
    billed = sum(entry.cost_microdollars or 0 for entry in stage.model.bill()) - billed

    def cost() -> ledger.RunCost:
        with stage.database.session() as session:
            return ledger.run_cost(session, run.id or 0)

    wait_until(lambda: cost().reserved_microdollars == 0, "the last settlement")
    assert cost().spent_microdollars >= billed > 0


def labelled(stage: Stage, title: str) -> tuple[int, Run]:
    """A new issue for the scenario `write`, labelled; its run after its end."""
    assert stage.forge is not None
    number = stage.forge.add_issue(stage.repository, title, "Scenario: write", OWNER, [BUILD_LABEL])
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        run = runs_by_issue(stage).get(number)
        if run is not None and run.ended:
            return number, run
        time.sleep(0.5)
    raise AssertionError(f"the run of issue {number} does not end")
