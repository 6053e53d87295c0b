"""Keeps what is known of the runs that something is wrong with: for whoever looks for the cause."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from sqlmodel import select
from temporalio.service import RPCError

from paid.chaos.evidence import Evidence
from paid.chaos.judge import Finding
from paid.chaos.stage import Stage
from paid.models import Run
from paid.store import events, ledger
from paid.temporal import connect


def keep(folder: Path, stage: Stage, evidence: Evidence, findings: Sequence[Finding]) -> None:
    """Write findings.txt, and a file for each run that a finding names, with its events, steps,
    ledger entries and workflow history."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "findings.txt").write_text("".join(f"{found}\n" for found in findings))
    named = {run.id for run in evidence.runs for it in findings if _names(it, run.id, run.issue)}
    for run_id in sorted(named):
        told = [*_events(stage, run_id), *_entries(stage, run_id)]
        (folder / f"run-{run_id}.txt").write_text("".join(f"{line}\n" for line in told))
    asyncio.run(_histories(folder, stage, named))


def _names(found: Finding, run_id: int, issue: str) -> bool:
    subject = f"{found.subject} {found.seen},"
    return found.subject == issue or any(
        f"{word} {run_id}{end}" in subject for word in ("run",) for end in (" ", ",")
    )


def _events(stage: Stage, run_id: int) -> Iterable[str]:
    with stage.database.session() as session:
        for event in events.of_run(session, run_id, limit=10_000):
            yield f"{event.at.isoformat()} {event.kind} {json.dumps(event.data)[:2000]}"


def _entries(stage: Stage, run_id: int) -> Iterable[str]:
    with stage.database.session() as session:
        for entry in ledger.entries(session, run_id):
            yield f"{entry.at.isoformat()} ledger {entry.model_dump_json()}"


async def _histories(folder: Path, stage: Stage, run_ids: set[int]) -> None:
    client = await connect(stage.paid.settings)
    with stage.database.session() as session:
        runs = [run for run in session.exec(select(Run)) if run.id in run_ids]
    for run in runs:
        try:
            history = await client.get_workflow_handle(run.workflow_id).fetch_history()
        except RPCError:
            continue
        (folder / f"run-{run.id}-history.json").write_text(history.to_json())
