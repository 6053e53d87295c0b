"""`bin/bench run`: from label seen to pull request open, less the agent's own time.

Product and floor take turns on one forge, one engine and one file system; each ratio is one of
medians.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from paid.bench.figures import show
from paid.bench.floor import OWN, BareScript
from paid.bench.journal import journalled_folder
from paid.bench.stage import BenchStage
from paid.models import Run
from paid.temporal import connect

SIZES = (10_000, 100_000)
STEPS = (
    ("claim a host", "run.requested", "run.host"),
    ("workspace", "run.host", "run.workspace"),
    ("container", "run.workspace", "step.started"),
    ("agent", "step.started", "step.agent_exit"),
    ("collect", "step.agent_exit", "turn.ended"),
    ("check and push", "turn.ended", "run.pushed"),
    ("pull request", "run.pushed", "run.pull_request"),
)


def main(arguments: Sequence[str]) -> int:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(prog="bin/bench run", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=20, help="runs of each (default 20)")
    parser.add_argument("--labels", type=int, default=50, help="labels at once (default 50)")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="files")
    options = parser.parse_args(arguments)
    with journalled_folder() as (folder, journal), BenchStage(folder) as stage:
        rows, details = _compare(stage, options.sizes, options.rounds)
        details["at once"] = _at_once(stage, options.labels, details.pop("single ready"))
        details["journalled file system"] = journal
        show("Label seen to pull request open", rows, as_json=options.json, extra=details)
    return 0


def _compare(
    stage: BenchStage, sizes: Sequence[int], rounds: int
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    details: dict[str, Any] = {}
    readies: dict[int, float] = {}
    for size in sizes:
        name = f"bench/files-{size}"
        project_id = stage.watch(name, size)
        floor = BareScript(stage, name)
        _one(stage, name, project_id)  # the first run of a base prepares it; that is measured apart
        ours, bare = [], []
        for _ in range(rounds):
            bare.append(floor.run())
            ours.append(_one(stage, name, project_id))
        product, script = median(it["seconds"] for it in ours), median(it[0] for it in bare)
        readies[size] = median(it["ready"] for it in ours)
        rows[f"{size:,} files"] = {
            "product s": product,
            "bare script s": script,
            "ratio": product / script,
            "ready s": readies[size],
            "events": max(it["history"] for it in ours),
            "GitHub writes": max(it["writes"] for it in ours),
        }
        details[f"steps, {size:,} files"] = _shares([it["steps"] for it in ours])
        details[f"bare steps, {size:,} files"] = _shares([it[1] for it in bare])
    details["single ready"] = readies[sizes[0]]
    if len(sizes) > 1:
        details["ready ratio"] = round(readies[sizes[-1]] / readies[sizes[0]], 3)
    return rows, details


def _one(stage: BenchStage, name: str, project_id: int) -> dict[str, Any]:
    before = len(stage.forge.writes)
    run = stage.until_ended(project_id, stage.label(name))[0]
    seen = stage.events_of(run)
    at = {kind: event.at.timestamp() for kind, event in seen.items()}
    own = _own_seconds(stage, run)
    time.sleep(0.5)  # the label and the comment are written behind the end; count them too
    return {
        "seconds": at["run.pull_request"] - at["run.requested"] - own,
        "ready": at["step.started"] - at["run.requested"],
        "steps": {label: at[end] - at[begin] for label, begin, end in STEPS},
        "history": asyncio.run(_history_length(stage, run)),
        "writes": len(stage.forge.writes) - before,
    }


def _at_once(stage: BenchStage, labels: int, single_ready: float) -> dict[str, Any]:
    """Many labels in one look: how soon the first and the last agent run, and whether all end."""
    name = "bench/at-once"
    project_id = stage.watch(name, 100)
    floor = BareScript(stage, name)
    _one(stage, name, project_id)
    before = floor.start_containers(labels)
    found = stage.until_ended(project_id, stage.label(name, labels))
    bare_seconds = min(before, floor.start_containers(labels))
    times = [stage.events_of(run) for run in found]
    began = min(seen["run.requested"].at.timestamp() for seen in times)
    ready = sorted(
        seen["step.started"].at.timestamp() - began for seen in times if "step.started" in seen
    )
    return {
        "labels": labels,
        "completed": sum(run.status == "completed" for run in found),
        "first ready s": round(ready[0], 2),
        "first ready over a single one": round(ready[0] / single_ready, 2),
        "last ready s": round(ready[-1], 2),
        "bare starts s": round(bare_seconds, 2),
        "last ready over bare starts": round(ready[-1] / bare_seconds, 2),
    }


def _own_seconds(stage: BenchStage, run: Run) -> float:
    said = stage.events_of(run).get("agent.message")
    found = OWN.search(str(said.data.get("text", ""))) if said else None
    return float(found[1]) if found else 0.0


def _shares(steps: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(median(it[name] for it in steps), 3) for name in steps[0]}


async def _history_length(stage: BenchStage, run: Run) -> int:
    client = await connect(stage.settings)
    return len((await client.get_workflow_handle(run.workflow_id).fetch_history()).events)
