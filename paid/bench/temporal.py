"""`bin/bench temporal`: workflow starts and activity dispatch, beside a bare SDK script.

Both use the server that `paid up` starts. The product's figures come from the histories of real
runs; the bare script is one workflow with one activity that does nothing.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from datetime import timedelta
from time import perf_counter
from typing import Any
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from paid.bench.figures import median, p95, show
from paid.bench.journal import journalled_folder
from paid.bench.run import _ended
from paid.bench.stage import BenchStage
from paid.models import Run
from paid.temporal import connect

QUEUE = "bench-bare"


@activity.defn
async def bare_activity() -> None:
    """Do nothing."""


@workflow.defn
class BareWorkflow:
    """One activity, and the end."""

    @workflow.run
    async def run(self) -> None:
        """Dispatch the activity."""
        await workflow.execute_activity(bare_activity, start_to_close_timeout=timedelta(seconds=30))


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
    name = "bench/temporal"
    project_id = stage.watch(name, 100)
    _ended(stage, project_id, [stage.label(name)])
    idle_runs = [_ended(stage, project_id, [stage.label(name)])[0] for _ in range(rounds // 5)]
    bare_idle = asyncio.run(_bare(stage, rounds, at_once=1))
    numbers = [stage.label(name) for _ in range(active)]
    bare_busy = asyncio.run(_bare(stage, rounds, at_once=5))
    busy_runs = _ended(stage, project_id, numbers)
    return {
        "product, idle": asyncio.run(_product(stage, idle_runs)),
        "bare, idle": bare_idle,
        f"product, {active} runs": asyncio.run(_product(stage, busy_runs)),
        f"bare, {active} runs beside": bare_busy,
    }


async def _product(stage: BenchStage, runs: Sequence[Run]) -> dict[str, Any]:
    client = await connect(stage.settings)
    waits: list[float] = []
    starts: list[float] = []
    for run in runs:
        found = await _waits(client, run.workflow_id)
        starts.append(found[0])
        waits += found[1:]
    return _row(starts, waits)


async def _bare(stage: BenchStage, rounds: int, *, at_once: int) -> dict[str, Any]:
    client = await connect(stage.settings)
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=[BareWorkflow],
        activities=[bare_activity],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        calls: list[float] = []
        ids: list[str] = []

        async def one() -> None:
            began = perf_counter()
            handle = await client.start_workflow(
                BareWorkflow.run, id=f"bare-{uuid4()}", task_queue=QUEUE
            )
            calls.append((perf_counter() - began) * 1000)
            ids.append(handle.id)
            await handle.result()

        for _ in range(rounds // at_once):
            await asyncio.gather(*(one() for _ in range(at_once)))
        found = [await _waits(client, workflow_id) for workflow_id in ids]
    row = _row([it[0] for it in found], [wait for it in found for wait in it[1:]])
    return {**row, "start call p50": median(calls), "start call p95": p95(calls)}


async def _waits(client: Client, workflow_id: str) -> list[float]:
    """Milliseconds from the workflow's start to its first task, then schedule-to-start of each
    activity. Activities that were tried again, or waited for a host's slot, are left out."""
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    scheduled: dict[int, float] = {}
    first_task, waits = 0.0, []
    began = history.events[0].event_time.ToDatetime().timestamp()
    for event in history.events:
        at = event.event_time.ToDatetime().timestamp()
        if event.HasField("workflow_task_started_event_attributes") and not first_task:
            first_task = (at - began) * 1000
        if event.HasField("activity_task_scheduled_event_attributes"):
            kind = event.activity_task_scheduled_event_attributes.activity_type.name
            if kind != "provision_container":
                scheduled[event.event_id] = at
        if event.HasField("activity_task_started_event_attributes"):
            started = event.activity_task_started_event_attributes
            if started.attempt == 1 and started.scheduled_event_id in scheduled:
                waits.append((at - scheduled[started.scheduled_event_id]) * 1000)
    return [first_task, *waits]


def _row(starts: Sequence[float], waits: Sequence[float]) -> dict[str, Any]:
    return {
        "start p50": median(starts),
        "start p95": p95(starts),
        "dispatch p50": median(waits),
        "dispatch p95": p95(waits),
        "activities": len(waits),
    }
