"""Each scenario of docs/demo.md comes to the end that the page promises, on the real parts."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import col, select

from paid.contracts import RunStatus
from paid.demo.forge.sample import OWNER
from paid.demo.options import Options
from paid.demo.stage import BUILD_LABEL, Stage
from paid.models import Issue, Run
from paid.settings import Settings
from paid.store import ledger
from tests.demo.images import need_codex

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]

LONGEST_SECONDS = 240


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The demo, set up once, without a first label."""
    need_codex()
    with tempfile.TemporaryDirectory(prefix="paid-demo-") as folder:
        found = Settings.model_construct(data_dir=Path(folder))
        with Stage(Options(once=True), found, lambda _line: None) as stage:
            yield stage


def outcome(stage: Stage, title: str, body: str) -> Run:
    """Label a new issue and wait for the end of its run."""
    assert stage.forge is not None
    number = stage.forge.add_issue(stage.repository, title, body, OWNER, [BUILD_LABEL])
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        with stage.database.session() as session:
            question = (
                select(Run).join(Issue, col(Run.issue_id) == Issue.id).where(Issue.number == number)
            )
            run = session.exec(question).first()
            if run is not None and run.ended:
                session.expunge(run)
                return run
        time.sleep(0.2)
    raise AssertionError(f"the run of issue {number} does not end")


def test_nothing_to_change_is_no_changes(stage: Stage) -> None:
    run = outcome(stage, "Anything?", "Scenario: nothing")

    assert run.status == RunStatus.NO_CHANGES
    assert run.pr_url is None


def test_a_failing_check_is_mended_in_the_second_round(stage: Stage) -> None:
    run = outcome(stage, "Add a promise", "Scenario: mend")

    assert run.status == RunStatus.COMPLETED
    assert run.iterations == 2
    assert run.pr_url is not None


def test_a_loop_is_found_and_ended(stage: Stage) -> None:
    run = outcome(stage, "Add another promise", "Scenario: loop")

    assert run.status == RunStatus.FAILED
    assert run.iterations == 3
    assert re.search("same", run.error_message)


def test_what_the_agent_runs_finds_no_network_and_no_key(stage: Stage) -> None:
    command = (
        "{ env; ip addr 2>&1 || cat /proc/net/dev; getent hosts example.com || echo no names; "
        "id -u; } > found.txt"
    )

    run = outcome(stage, "Look around", f"Scenario: run {command}")

    assert stage.forge is not None
    assert stage.model is not None
    assert run.status == RunStatus.COMPLETED
    found = stage.forge.git.show(stage.repository, run.head_sha or "", "found.txt")
    assert "no names" in found
    assert "eth0" not in found
    assert stage.model.key not in found
    assert found.strip().endswith("1000")


def test_the_ledger_and_the_vendors_bill_agree(stage: Stage) -> None:
    assert stage.model is not None
    with stage.database.session() as session:
        runs = list(session.exec(select(Run.id)))
        costs = ledger.run_costs(session, [run_id for run_id in runs if run_id is not None])

    counted = sum(cost.spent_microdollars for cost in costs.values())

    assert counted == sum(entry.cost_microdollars or 0 for entry in stage.model.bill())
    assert counted > 0
