"""The questions that the dashboard's pages ask: each page, or live part of one, in a few reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Row, text
from sqlmodel import Session, col, select

from paid.contracts import RunStatus
from paid.models import Event, Issue, Output, Policy, Project, Run, RunHold, Step
from paid.store import kept, ledger, projects, run_list
from paid.store.estimates import Estimate
from paid.store.events import run_chain
from paid.store.ledger import RunCost, Spent
from paid.store.pauses import Pause


@dataclass(frozen=True)
class RunDetail:
    """One run with everything about it but its events and its output."""

    run: Run
    issue: Issue
    project: Project
    policy: Policy
    cost: RunCost
    hold: RunHold | None
    pause: Pause | None
    estimate: Estimate | None
    steps: list[Step]
    milestones: list[Event]
    """Its changes of status and its end, oldest first."""
    spent: Mapping[str, Mapping[str, Spent]] = field(default_factory=dict)
    """Scope (run, issue, project) → period → money."""
    kept: str = ""
    """What a person can do with the commits of a failed run."""
    secrets: list[dict[str, str]] = field(default_factory=list)
    """What a person may let go so that the run publishes: kind, place and fingerprint of each."""


@dataclass(frozen=True)
class ProjectSeen:
    """A project with what its card says."""

    project: Project
    live_runs: int
    runs: int
    completed_runs: int
    today: Spent | None


def run(session: Session, run_id: int) -> RunDetail:
    """One run. Raises NotFoundError."""
    seen = run_list.row(session, run_id)
    scopes: dict[ledger.Scope, int] = {
        "run": run_id,
        "issue": seen.run.issue_id,
        "project": seen.run.project_id,
    }
    return RunDetail(
        run=seen.run,
        issue=seen.issue,
        project=seen.project,
        policy=session.exec(select(Policy).where(Policy.project_id == seen.run.project_id)).one(),
        cost=seen.cost,
        hold=seen.hold,
        pause=seen.pause,
        estimate=seen.estimate,
        steps=list(session.exec(select(Step).where(Step.run_id == run_id).order_by(col(Step.id)))),
        milestones=_milestones(session, run_id),
        spent={scope: ledger.spent(session, scope, of) for scope, of in scopes.items()},
        kept=kept.advice(session, seen.run),
        secrets=kept.releasable(session, seen.run),
    )


def last_events(
    session: Session, run_id: int, *, before: int | None = None, limit: int = 300
) -> list[Event]:
    """The end of a run's chain, or of its part before a place; oldest first."""
    question = select(Event).where(Event.chain == run_chain(run_id))
    if before is not None:
        question = question.where(col(Event.seq) < before)
    question = question.order_by(col(Event.seq).desc()).limit(limit)
    return list(reversed(session.exec(question).all()))


def last_output(session: Session, run_id: int, limit: int = 60) -> list[Output]:
    """The last batches of a run's output, oldest first."""
    question = (
        select(Output).where(Output.run_id == run_id).order_by(col(Output.id).desc()).limit(limit)
    )
    return list(reversed(session.exec(question).all()))


def project_cards(session: Session) -> list[ProjectSeen]:
    """Every project that was not removed, by name."""
    counts = {row.project_id: row for row in session.connection().execute(_RUN_COUNTS)}
    return [
        _card(session, project, counts.get(project.id)) for project in projects.listing(session)
    ]


_DAYS = text(
    """
    SELECT days.day, coalesce(sum(e.amount_microdollars), 0)::bigint AS spent,
           coalesce(sum(e.amount_microdollars) FILTER (WHERE e.basis <> 'vendor'), 0)::bigint
               AS estimated
    FROM project p
    CROSS JOIN LATERAL (
        SELECT (now() AT TIME ZONE p.time_zone)::date - back AS day
        FROM generate_series(0, :days - 1) AS back
    ) days
    LEFT JOIN ledger_entry e ON e.project_id = p.id AND e.day = days.day
    WHERE p.id = :project
    GROUP BY days.day ORDER BY days.day
    """
)


@dataclass(frozen=True)
class DaySpent:
    """What was spent on one day, and how much of that is an upper bound."""

    day: date
    microdollars: int
    estimated_microdollars: int = 0


def spend_by_day(session: Session, project_id: int, days: int = 14) -> list[DaySpent]:
    """Each of the last days on the project's calendar, the oldest first."""
    rows = session.connection().execute(_DAYS, {"project": project_id, "days": days})
    return [DaySpent(row.day, row.spent, row.estimated) for row in rows]


_RUN_COUNTS = text(
    """
    SELECT project_id, count(*) AS runs, count(*) FILTER (WHERE ended_at IS NULL) AS live,
           count(*) FILTER (WHERE status = 'completed') AS completed
    FROM run GROUP BY project_id
    """
)


def _card(session: Session, project: Project, counts: Row[Any] | None) -> ProjectSeen:
    assert project.id is not None  # noqa: S101 - a project that is read has an id
    return ProjectSeen(
        project=project,
        live_runs=counts.live if counts else 0,
        runs=counts.runs if counts else 0,
        completed_runs=counts.completed if counts else 0,
        today=ledger.spent(session, "project", project.id).get("day"),
    )


def _milestones(session: Session, run_id: int) -> list[Event]:
    kinds = [f"run.{status}" for status in RunStatus] + ["run.ended", "run.cancel_requested"]
    question = (
        select(Event)
        .where(Event.chain == run_chain(run_id), col(Event.kind).in_(kinds))
        .order_by(col(Event.seq))
    )
    return list(session.exec(question))
