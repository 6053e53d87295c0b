"""Collects what is left after a round, from PostgreSQL, Temporal, Docker, the disk, the forge and
the vendor's bill."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, select

from paid.chaos.evidence import (
    BillSeen,
    EntrySeen,
    Evidence,
    IssueSeen,
    Left,
    LinkSeen,
    RunSeen,
    StepSeen,
)
from paid.chaos.pauses import Life
from paid.chaos.stage import ROBOT, Labelled, Stage
from paid.models import Issue, LedgerEntry, LedgerReservation, Output, Project, Run, Step
from paid.store import ledger
from paid.temporal import connect

OPEN_RUNS = 'WorkflowType = "AgentExecutionWorkflow" AND ExecutionStatus = "Running"'
_CHAINS = text(
    "SELECT chain, seq, prev_hash, hash, event_digest(prev_hash, chain, seq, kind, at, data)"
    " AS digest FROM event ORDER BY chain, seq"
)
_EVENTS = text("SELECT run_id, kind, count(*) FROM event WHERE run_id IS NOT NULL GROUP BY 1, 2")
_MOMENTS = text(
    "SELECT run_id, extract(epoch FROM at) FROM event WHERE run_id IS NOT NULL"
    " UNION ALL SELECT run_id, extract(epoch FROM at) FROM output"
    " UNION ALL SELECT run_id, extract(epoch FROM at) FROM ledger_entry"
)


def gather(
    stage: Stage, destroyed: Mapping[int, tuple[str, ...]], deaths: tuple[str, ...]
) -> Evidence:
    """Everything that the judge looks at. PostgreSQL, Temporal and Docker must answer."""
    open_workflows = asyncio.run(_open_workflows(stage))
    with stage.database.session() as session:
        entries = tuple(_entries(session))
        runs = tuple(_runs(session, open_workflows, destroyed))
        linked = chains(session)
        reserved = tuple(_open_reservations(session))
    return Evidence(
        issues=tuple(_issue(stage, it) for it in stage.labelled),
        runs=runs,
        entries=entries,
        bill=tuple(
            BillSeen(
                line.mark, line.cost_microdollars or 0, line.input_tokens, line.output_tokens,
                line.complete,
            )
            for line in stage.model.bill()
        ),
        chains=linked,
        left=(*orphans(stage), *reserved),
        deaths=deaths,
    )  # fmt: skip


def settles(stage: Stage) -> bool:
    """Whether something is still to be cleaned up behind the runs, or a workflow goes on."""
    with stage.database.session() as session:
        reserved = any(_open_reservations(session))
    return reserved or bool(orphans(stage)) or bool(asyncio.run(_open_workflows(stage)))


def orphans(stage: Stage) -> list[Left]:
    """What is on this host although no run goes on; the prepared bases may stay, and finished
    containers of the installation are removed by its keeper within the minute."""
    containers = [Left("container", it.name) for it in stage.engine.owned()]
    volumes = [Left("volume", it.name) for it in stage.engine.owned_volumes()]
    data = stage.data_dir
    patterns = ("runs/[1-9]*", "runs/0/*", "workspaces/runs/*", "workspaces/try-*")
    places = [place for pattern in patterns for place in data.glob(pattern)]
    return [*containers, *volumes, *(_folder(place, data) for place in places)]


def _folder(place: Path, data: Path) -> Left:
    return Left("folder", str(place.relative_to(data)))


def lives(stage: Stage) -> list[Life]:
    """Each run's life, by PostgreSQL's clock, which is this host's."""
    with stage.database.session() as session:
        moments = defaultdict(list)
        for run_id, moment in session.connection().execute(_MOMENTS):
            moments[run_id].append(float(moment))
        return [
            Life(
                run.created_at.timestamp(),
                run.ended_at.timestamp() if run.ended_at else None,
                moments[run.id],
            )
            for run in session.exec(select(Run))
        ]


def _issue(stage: Stage, it: Labelled) -> IssueSeen:
    prefix = f"paid/issue-{it.number}-"
    branches = [name for name in stage.forge.branches(it.repository) if name.startswith(prefix)]
    pulls = [pull for pull in stage.forge.pulls(it.repository) if pull.head_ref.startswith(prefix)]
    comments = stage.forge.issue(it.repository, it.number).comments
    return IssueSeen(
        it.name, it.task.mark, 1, len(pulls), len(branches),
        sum(comment.login == ROBOT for comment in comments),
        counts_lines=it.counts_lines,
    )  # fmt: skip


async def _open_workflows(stage: Stage) -> set[str]:
    client = await connect(stage.paid.settings)
    return {found.id async for found in client.list_workflows(OPEN_RUNS)}


def _runs(
    session: Session, open_workflows: set[str], destroyed: Mapping[int, tuple[str, ...]]
) -> Iterator[RunSeen]:
    issues = _issue_names(session)
    events: dict[int, Counter[str]] = defaultdict(Counter)
    for run_id, kind, count in session.connection().execute(_EVENTS):
        events[run_id][kind] = count
    steps = _steps(session)
    runs = list(session.exec(select(Run)))
    costs = ledger.run_costs(session, [run.id for run in runs if run.id] or [0])
    for run in runs:
        assert run.id is not None  # noqa: S101 - read from PostgreSQL
        cost = costs[run.id]
        yield RunSeen(
            id=run.id,
            issue=issues[run.issue_id],
            status=run.status,
            ended=run.ended,
            code=run.error_code,
            message=run.error_message,
            has_pull=run.pr_number is not None,
            workflow_open=run.workflow_id in open_workflows,
            steps=tuple(steps[run.id]),
            events=dict(events[run.id]),
            destroyed=destroyed.get(run.id, ()),
            spent=cost.spent_microdollars,
            reserved=cost.reserved_microdollars,
        )


def _issue_names(session: Session) -> dict[int, str]:
    projects = {project.id: project.full_name for project in session.exec(select(Project))}
    return {
        issue.id: f"{projects[issue.project_id]}#{issue.number}"
        for issue in session.exec(select(Issue))
        if issue.id is not None
    }


def _steps(session: Session) -> dict[int, list[StepSeen]]:
    lines: dict[int, list[str]] = defaultdict(list)
    for output in session.exec(select(Output).order_by(Output.step_id, Output.number)):  # type: ignore[arg-type]
        lines[output.step_id] += output.text.splitlines()
    found: dict[int, list[StepSeen]] = defaultdict(list)
    for step in session.exec(select(Step).order_by(Step.id)):  # type: ignore[arg-type]
        said = tuple(lines[step.id or 0]) if step.kind == "agent" else ()
        found[step.run_id].append(StepSeen(step.kind, step.number, step.state, said))
    return found


def _entries(session: Session) -> Iterator[EntrySeen]:
    for row in session.exec(select(LedgerEntry)):
        yield EntrySeen(
            row.run_id, row.basis, row.amount_microdollars, row.input_tokens, row.output_tokens
        )


def _open_reservations(session: Session) -> Iterator[Left]:
    question = select(LedgerReservation).where(LedgerReservation.state == "open")
    for row in session.exec(question):
        yield Left("open reservation", f"run {row.run_id}, {row.amount_microdollars}")


def chains(session: Session) -> dict[str, tuple[LinkSeen, ...]]:
    found: dict[str, list[LinkSeen]] = defaultdict(list)
    rows: Any = session.connection().execute(_CHAINS)
    for row in rows:
        found[row.chain].append(
            LinkSeen(row.seq, bytes(row.prev_hash), bytes(row.hash), bytes(row.digest))
        )
    return {chain: tuple(links) for chain, links in found.items()}
