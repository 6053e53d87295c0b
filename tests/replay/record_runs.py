"""Records the histories that `test_runs.py` replays.

    python -m tests.replay.record_runs [SUFFIX [SCENARIO …]]

Run it when the run's commands were changed on purpose, behind `workflow.patched`, and add the new
files beside the old ones: runs that were started before the change still go on.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from paid import queues
from paid.contracts import (
    STEPS,
    HostSlot,
    KeptWork,
    PullRequest,
    RunInput,
    RunPlan,
    TurnEnd,
    TurnResult,
    VerifyResult,
    Workspace,
)
from paid.embedded import TemporalServer
from paid.errors import (
    DatabaseError,
    DetachedError,
    DockerUnavailableError,
    GitUnavailableError,
    PolicyError,
)
from paid.process_end import end_process
from paid.temporal import CONVERTER, ErrorTranslation
from paid.workflows.agent_execution import AgentExecutionWorkflow
from tests.replay.record_polls import HISTORIES, portable
from tests.workflows.fakes import BASE, HEAD, FakeRun

Answers = dict[str, Callable[[Any], Any]]


def completes() -> Answers:
    """The straight way."""
    return {}


def mends_failing_checks() -> Answers:
    """The checks fail once."""
    verdicts = iter([VerifyResult(False, 5, "x"), VerifyResult(True)])
    return {"verify": lambda _: next(verdicts)}


def changes_nothing() -> Answers:
    """The agent finds nothing to do."""
    return {"run_agent": lambda _: TurnResult(TurnEnd.FINISHED, None)}


def finds_no_workspace() -> Answers:
    """The turn that was sent ahead is on a host that has just begun anew."""
    turns = iter([TurnResult(TurnEnd.NO_WORKSPACE, None), TurnResult(TurnEnd.FINISHED, HEAD)])
    return {"run_agent": lambda _: next(turns)}


def fails() -> Answers:
    """Policy holds the change back."""

    def refuse(_: Any) -> None:
        raise PolicyError("It touches workflows.")

    return {"create_pull_request": refuse}


def pauses_for_money() -> Answers:
    """No money at first, and none again after a turn."""
    plans = iter([False, False, True, False, True])
    turns = iter([TurnResult(TurnEnd.BUDGET, None), TurnResult(TurnEnd.FINISHED, HEAD)])
    return {
        "check_budget": lambda _: RunPlan(allowed=next(plans), wait_seconds=0.2),
        "run_agent": lambda _: next(turns),
    }


def waits_for_docker() -> Answers:
    """Docker is away for longer than a moment, and people are told."""
    away = iter([True] * 4)

    def provision(_: Any) -> HostSlot:
        if next(away, False):
            error = DockerUnavailableError("Docker does not answer.")
            error.retry_after_seconds = 0.1
            raise error
        return HostSlot("here", activity.info().task_queue.removesuffix("-hosts"))

    return {"provision_container": provision}


def is_cancelled() -> Answers:
    """A person cancels while the agent runs."""

    async def wait(_: Any) -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.05)

    return {"run_agent": wait}


def begins_in_a_crowd() -> Answers:
    """Others begin as well: people are told a little later."""

    def provision(_: Any) -> HostSlot:
        return HostSlot("here", activity.info().task_queue.removesuffix("-hosts"), 0.2)

    async def wait(_: Any) -> TurnResult:
        await asyncio.sleep(1)  # longer than people wait to be told
        return TurnResult(TurnEnd.FINISHED, HEAD)

    return {"provision_container": provision, "run_agent": wait}


def ends_in_a_crowd() -> Answers:
    """It is over before people were told of its beginning."""

    def provision(_: Any) -> HostSlot:
        return HostSlot("here", activity.info().task_queue.removesuffix("-hosts"), 60.0)

    return {"provision_container": provision}


def loses_its_workers() -> Answers:
    """More workers go during one turn than it has attempts."""
    gone = iter([True] * 4)

    def turn(_: Any) -> TurnResult:
        if next(gone, False):
            raise DetachedError("The worker was stopped.")
        return TurnResult(TurnEnd.FINISHED, HEAD)

    return {"run_agent": turn}


def loses_its_workers_and_docker() -> Answers:
    """More workers go during the checks than these have attempts, and then Docker does."""
    gone, away = iter([True] * 6), iter([True] * 2)

    def verify(_: Any) -> VerifyResult:
        if next(gone, False):
            raise DetachedError("The worker was stopped.")
        if next(away, False):
            error = DockerUnavailableError("Docker does not answer.")
            error.retry_after_seconds = 0.1
            raise error
        return VerifyResult(True)

    return {**loses_its_workers(), "verify": verify}


def loses_its_database() -> Answers:
    """PostgreSQL is away for longer than a turn has attempts."""
    away = iter([True] * 4)

    def turn(_: Any) -> TurnResult:
        if next(away, False):
            error = DatabaseError("PostgreSQL did not answer.")
            error.retry_after_seconds = 0.1
            raise error
        return TurnResult(TurnEnd.FINISHED, HEAD)

    return {"run_agent": turn}


def publishes_when_github_is_back() -> Answers:
    """GitHub is away for longer than publishing has attempts."""
    away = iter([True] * 9)

    def publish(_: Any) -> PullRequest:
        if next(away, False):
            error = GitUnavailableError("The remote did not answer.")
            error.retry_after_seconds = 0.1
            raise error
        return PullRequest(7, "http://forge/pull/7")

    return {"create_pull_request": publish}


def is_refused_for_the_same_commit() -> Answers:
    """GitHub refuses its push, and the agent leaves the commit as it was."""
    refused = PullRequest(0, "", feedback_id=5, code="push_rejected", message="a.bin is too large")
    return {"create_pull_request": lambda _: refused}


def mends_what_was_refused() -> Answers:
    """GitHub refuses its push once."""
    refused = PullRequest(0, "", feedback_id=5, code="push_rejected", message="a.bin is too large")
    answers = iter([refused, PullRequest(7, "http://forge/pull/7")])
    return {"create_pull_request": lambda _: next(answers)}


def publishes_kept_work() -> Answers:
    """A person has a failed run published from what was kept, at the host that has it."""
    workspace = Workspace(1, "volume", BASE, "paid/issue-1-1")
    return {
        "check_budget": lambda _: RunPlan(allowed=True, publish_at="keeper"),
        "restore_work": lambda _: KeptWork(workspace, HEAD),
    }


SCENARIOS = (completes, mends_failing_checks, changes_nothing, finds_no_workspace, fails,
             pauses_for_money, waits_for_docker, begins_in_a_crowd, ends_in_a_crowd,
             loses_its_workers, loses_its_workers_and_docker, loses_its_database,
             publishes_when_github_is_back, is_refused_for_the_same_commit,
             mends_what_was_refused, publishes_kept_work, is_cancelled)  # fmt: skip


async def _history(client: Client, scenario: Callable[[], Answers]) -> str:
    queue = f"record-{uuid4()}"
    fake = FakeRun(queue, **scenario())
    common: dict[str, Any] = {"activities": fake.all(), "interceptors": [ErrorTranslation()]}
    async with (
        Worker(client, task_queue=queue, workflows=[AgentExecutionWorkflow], **common),
        Worker(client, task_queue=queues.claim_queue(queue), **common),
        Worker(client, task_queue=queues.host_queue(queue, "keeper"), **common),
    ):
        handle = await client.start_workflow(
            AgentExecutionWorkflow.run, RunInput(1, STEPS), id=f"run:{uuid4()}", task_queue=queue
        )
        if scenario is is_cancelled:
            while "run_agent" not in fake.calls:  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # the fakes tell of no progress
            await handle.cancel()
        await handle.result()
        return (await handle.fetch_history()).to_json()


async def record(suffix: str, names: list[str]) -> None:
    """Write one file for each scenario; for all where none is named."""
    with tempfile.TemporaryDirectory(prefix="paid-") as folder:
        server = TemporalServer(Path(folder), in_memory=True)
        client = await Client.connect(server.start(), data_converter=CONVERTER)
        for scenario in (it for it in SCENARIOS if it.__name__ in names or not names):
            history = portable(await _history(client, scenario))
            name = f"run-{scenario.__name__.replace('_', '-')}-{suffix}.json"
            (HISTORIES / name).write_text(history + "\n")
        server.destroy()


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1] if len(sys.argv) > 1 else "1", sys.argv[2:]))
    end_process(0)
