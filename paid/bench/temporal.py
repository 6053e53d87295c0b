"""`bin/bench temporal`: workflow starts and activity dispatch, beside a bare SDK script.

Both use the server that `paid up` starts, and both are read from histories. The product's are those
of real runs: one after another on an idle machine, one after another while fifty others are at
work, and those of the fifty themselves, which start at once. The bare script does the same with
workflows that are empty: a parent starts a child that outlives it, as the poll starts a run, and
the child has activities in a run's order and on a run's queues that take as long as a run's and do
nothing. A row of its own is the script whose activities take no time: server and machine are then
never at rest, and answer a third sooner than anything that works can have it. Dispatched are
activities that went through a queue: those of the workflow's own queue come to the worker with the
answer to its decision.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from temporalio.workflow import ParentClosePolicy

from paid.bench.figures import median, p95, show
from paid.bench.journal import journalled_folder
from paid.bench.stage import BenchStage
from paid.models import Run
from paid.temporal import connect

QUEUE, OTHER_QUEUE = "bench-bare", "bench-bare-host"
ENOUGH = timedelta(seconds=30)
WAITS_FOR_A_SLOT = "provision_container"
TURNS = 5
PAUSE_SECONDS = 0.05
"""What an activity of a run takes on this machine, between 10 ms of the workspace and 200 of the
agent's turn."""
WORKER = [
    "python3",
    "-c",
    "import itertools, time\n"
    "for number in itertools.count():\n"
    "    print('at work', number, flush=True)\n"
    "    time.sleep(5)\n",
]
"""An agent that works until its run is cancelled, and says something now and then."""


@dataclass
class Waits:
    """Milliseconds of one workflow: its first task after its start, and its activities' starts.

    `dispatched` went through another queue, `handed_over` are of the workflow's own queue. First
    attempts only, and none that waits for a host's slot.
    """

    start: float = 0.0
    dispatched: list[float] = field(default_factory=list)
    handed_over: list[float] = field(default_factory=list)


@activity.defn
async def bare_activity(seconds: float) -> None:
    """Take so long, and do nothing."""
    await asyncio.sleep(seconds)


@workflow.defn
class BareWorkflow:
    """A run's activities: a host, its workspace and first turn, what it publishes, its end."""

    @workflow.run
    async def run(self, seconds: float) -> None:
        """Dispatch the activities, each of which takes so long."""

        async def on(queue: str) -> None:
            await workflow.execute_activity(
                bare_activity, seconds, task_queue=queue, start_to_close_timeout=ENOUGH
            )

        async def clean_up() -> None:
            await on(OTHER_QUEUE)
            await on(OTHER_QUEUE)

        await on(OTHER_QUEUE)
        await asyncio.gather(on(OTHER_QUEUE), on(OTHER_QUEUE))
        await on(OTHER_QUEUE)
        await on(QUEUE)
        await asyncio.gather(on(QUEUE), clean_up())


@workflow.defn
class BareParent:
    """Starts the workflow that is measured, as a poll starts a run."""

    @workflow.run
    async def run(self, child_id: str, seconds: float) -> None:
        """Start the child, and end without waiting for it."""
        await workflow.start_child_workflow(
            BareWorkflow.run, seconds, id=child_id, parent_close_policy=ParentClosePolicy.ABANDON
        )


def main(arguments: Sequence[str]) -> int:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(prog="bin/bench temporal", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=50, help="workflows one by one (default 50)")
    parser.add_argument("--active", type=int, default=50, help="runs at once (default 50)")
    options = parser.parse_args(arguments)
    with journalled_folder() as (folder, _), BenchStage(folder) as stage:
        rows = _measure(stage, options.rounds, options.active)
        show("Milliseconds on the embedded server", rows, as_json=options.json, extra={})
    return 0


def _measure(stage: BenchStage, rounds: int, active: int) -> dict[str, dict[str, Any]]:
    name, at_work = "bench/temporal", "bench/at-work"
    project_id, working_id = stage.watch(name, 100), stage.watch(at_work, 100, agent=WORKER)
    stage.until_ended(project_id, stage.label(name))
    idle, bare_idle = _in_turns(stage, name, project_id, rounds)
    hot = asyncio.run(_bare(stage, rounds, at_once=1, seconds=0))
    labelled = stage.label(at_work, active)
    bare_storm = asyncio.run(_bare(stage, rounds, at_once=5))
    working = stage.until_at_work(working_id, active)
    storm = asyncio.run(_product(stage, working))
    busy, bare_busy = _in_turns(stage, name, project_id, rounds)
    for run in working:
        stage.cancel(run)
    stage.until_ended(working_id, labelled)
    return {
        "product, idle": _row(idle),
        "bare, idle": _row(bare_idle),
        "bare without pauses, idle": _row(hot),
        f"product, beside {active} at work": _row(busy),
        f"bare, beside {active} at work": _row(bare_busy),
        f"product, {active} starts at once": _row(storm),
        f"bare, beside {active} starts": _row(bare_storm),
    }


def _in_turns(
    stage: BenchStage, name: str, project_id: int, rounds: int
) -> tuple[list[Waits], list[Waits]]:
    """One by one, and in turns, so that the machine's mood is the same for product and script."""
    runs: list[Run] = []
    bare: list[Waits] = []
    for _ in range(TURNS):
        for _ in range(max(1, rounds // TURNS)):
            runs += stage.until_ended(project_id, stage.label(name))
        bare += asyncio.run(_bare(stage, max(1, rounds // TURNS), at_once=1))
    return asyncio.run(_product(stage, runs)), bare


async def _product(stage: BenchStage, runs: Sequence[Run]) -> list[Waits]:
    client = await connect(stage.settings)
    return [await _waits(client, run.workflow_id) for run in runs]


async def _bare(
    stage: BenchStage, rounds: int, *, at_once: int, seconds: float = PAUSE_SECONDS
) -> list[Waits]:
    client = await connect(stage.settings)
    workflows = Worker(
        client,
        task_queue=QUEUE,
        workflows=[BareParent, BareWorkflow],
        activities=[bare_activity],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    ids = [f"bare-{uuid4()}" for _ in range(rounds)]
    async with workflows, Worker(client, task_queue=OTHER_QUEUE, activities=[bare_activity]):
        for first in range(0, rounds, at_once):
            await asyncio.gather(
                *(_one(client, child_id, seconds) for child_id in ids[first : first + at_once])
            )
        return [await _waits(client, child_id) for child_id in ids]


async def _one(client: Client, child_id: str, seconds: float) -> None:
    await client.execute_workflow(
        BareParent.run, args=[child_id, seconds], id=f"parent-of-{child_id}", task_queue=QUEUE
    )
    await client.get_workflow_handle(child_id).result()


async def _waits(client: Client, workflow_id: str) -> Waits:
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    first = history.events[0]
    began = _milliseconds(first)
    own_queue = first.workflow_execution_started_event_attributes.task_queue.name
    waits, scheduled = Waits(), {}
    for event in history.events:
        if event.HasField("workflow_task_started_event_attributes") and not waits.start:
            waits.start = _milliseconds(event) - began
        if event.HasField("activity_task_scheduled_event_attributes"):
            scheduled[event.event_id] = event
        if event.HasField("activity_task_started_event_attributes"):
            started = event.activity_task_started_event_attributes
            asked = scheduled[started.scheduled_event_id]
            activity_asked = asked.activity_task_scheduled_event_attributes
            if started.attempt > 1 or activity_asked.activity_type.name == WAITS_FOR_A_SLOT:
                continue
            is_own = activity_asked.task_queue.name == own_queue
            kept = waits.handed_over if is_own else waits.dispatched
            kept.append(_milliseconds(event) - _milliseconds(asked))
    return waits


def _milliseconds(event: HistoryEvent) -> float:
    return event.event_time.ToNanoseconds() / 1e6


def _row(found: Sequence[Waits]) -> dict[str, Any]:
    starts = [waits.start for waits in found]
    dispatched = [wait for waits in found for wait in waits.dispatched]
    return {
        "start p50": median(starts),
        "start p95": p95(starts),
        "dispatch p50": median(dispatched),
        "dispatch p95": p95(dispatched),
        "activities": len(dispatched),
        "handed over p50": median(wait for waits in found for wait in waits.handed_over),
    }
