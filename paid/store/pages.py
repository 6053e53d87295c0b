"""The questions that the dashboard's pages ask: each page, or live part of one, in a few reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_
from sqlmodel import Session, col, select

from paid.contracts import ENDED, RunStatus
from paid.errors import NotFoundError
from paid.models import Event, Issue, LedgerEntry, Output, Policy, Project, Run, RunHold, Step
from paid.store import budgets, ledger
from paid.store.budgets import Limit
from paid.store.events import run_chain
from paid.store.ledger import RunCost, Spent

RUNS_PER_PAGE = 25
ORGANISATION = 1


class RunGroup(StrEnum):
    """How people sort runs: what goes on, what waits for them, what is over."""

    ALL = "all"
    LIVE = "live"
    ATTENTION = "attention"
    COMPLETED = "completed"
    ENDED = "ended"


_NEEDS_A_PERSON = (RunStatus.AWAITING_APPROVAL, RunStatus.NEEDS_INPUT, RunStatus.BUDGET_EXCEEDED)


@dataclass(frozen=True)
class RunFilter:
    """Which runs to list. `search` looks in titles, or is an issue's number."""

    group: RunGroup = RunGroup.ALL
    project_id: int | None = None
    search: str = ""
    page: int = 1


@dataclass(frozen=True)
class RunSeen:
    """A run with what a row of the list says about it."""

    run: Run
    issue: Issue
    project: Project
    cost: RunCost
    hold: RunHold | None


@dataclass(frozen=True)
class RunListing:
    """One page of runs, and how many there are in all."""

    rows: list[RunSeen]
    total: int
    page: int

    @property
    def pages(self) -> int:
        """How many pages there are; an empty list has one."""
        return max(1, -(-self.total // RUNS_PER_PAGE))


@dataclass(frozen=True)
class Figures:
    """What the top of the list says; `today` is the organisation's money of the day."""

    counts: dict[RunGroup, int]
    today: Spent | None


@dataclass(frozen=True)
class RunDetail:
    """One run with everything about it but its events and its output."""

    run: Run
    issue: Issue
    project: Project
    policy: Policy
    cost: RunCost
    hold: RunHold | None
    steps: list[Step]
    milestones: list[Event]
    """Its changes of status and its end, oldest first."""
    spent: dict[str, dict[str, Spent]] = field(default_factory=dict)
    """Scope (run, issue, project) → period → money."""


@dataclass(frozen=True)
class ProjectSeen:
    """A project with what its card says."""

    project: Project
    live_runs: int
    runs: int
    completed_runs: int
    last_run_at: datetime | None
    today: Spent | None
    limits: dict[str, Limit]


def runs(session: Session, wanted: RunFilter) -> RunListing:
    """A page of runs, the newest first; a page after the last is the last."""
    conditions = _conditions(wanted)
    total = session.exec(select(func.count()).select_from(Run).join(Issue).where(*conditions)).one()
    pages = max(1, -(-total // RUNS_PER_PAGE))
    page = min(wanted.page, pages)
    question = (
        select(Run, Issue, Project)
        .join(Issue, col(Run.issue_id) == col(Issue.id))
        .join(Project, col(Run.project_id) == col(Project.id))
        .where(*conditions)
        .order_by(col(Run.id).desc())
        .limit(RUNS_PER_PAGE)
        .offset((page - 1) * RUNS_PER_PAGE)
    )
    return RunListing(_seen(session, question), total, page)


def run_row(session: Session, run_id: int) -> RunSeen:
    """One run as the list shows it. Raises NotFoundError."""
    question = (
        select(Run, Issue, Project)
        .join(Issue, col(Run.issue_id) == col(Issue.id))
        .join(Project, col(Run.project_id) == col(Project.id))
        .where(Run.id == run_id)
    )
    found = _seen(session, question)
    if not found:
        raise NotFoundError(f"There is no run {run_id}.", hint="The list of runs has them all.")
    return found[0]


def figures(session: Session, project_id: int | None = None) -> Figures:
    """How many runs there are of each group, and what today cost."""
    counts = {group: _count(session, RunFilter(group, project_id)) for group in RunGroup}
    return Figures(counts, ledger.spent(session, "organisation", ORGANISATION).get("day"))


def run(session: Session, run_id: int) -> RunDetail:
    """One run. Raises NotFoundError."""
    seen = run_row(session, run_id)
    scopes = {"run": run_id, "issue": seen.run.issue_id, "project": seen.run.project_id}
    return RunDetail(
        run=seen.run,
        issue=seen.issue,
        project=seen.project,
        policy=session.exec(select(Policy).where(Policy.project_id == seen.run.project_id)).one(),
        cost=seen.cost,
        hold=seen.hold,
        steps=list(session.exec(select(Step).where(Step.run_id == run_id).order_by(col(Step.id)))),
        milestones=_milestones(session, run_id),
        spent={scope: ledger.spent(session, scope, of) for scope, of in scopes.items()},
    )


def events_after(session: Session, run_id: int, seq: int, limit: int = 200) -> list[Event]:
    """A run's events after a place in its chain.

    By `seq`, not by `id`: the chain numbers its events in the order of their commits, so a reader
    who stands at one can miss none.
    """
    question = (
        select(Event)
        .where(Event.chain == run_chain(run_id), col(Event.seq) > seq)
        .order_by(col(Event.seq))
        .limit(limit)
    )
    return list(session.exec(question))


def last_events(session: Session, run_id: int, limit: int = 300) -> list[Event]:
    """The end of a run's chain, oldest first."""
    question = (
        select(Event)
        .where(Event.chain == run_chain(run_id))
        .order_by(col(Event.seq).desc())
        .limit(limit)
    )
    return list(reversed(session.exec(question).all()))


def last_output(session: Session, run_id: int, limit: int = 60) -> list[Output]:
    """The last batches of a run's output, oldest first."""
    question = (
        select(Output).where(Output.run_id == run_id).order_by(col(Output.id).desc()).limit(limit)
    )
    return list(reversed(session.exec(question).all()))


def project_cards(session: Session) -> list[ProjectSeen]:
    """Every project that was not removed, by name."""
    question = (
        select(
            Project,
            func.count(col(Run.id)).filter(col(Run.ended_at).is_(None)),
            func.count(col(Run.id)),
            func.count(col(Run.id)).filter(col(Run.status) == RunStatus.COMPLETED),
            func.max(Run.created_at),
        )
        .outerjoin(Run, col(Run.project_id) == col(Project.id))
        .where(Project.state != "removed")
        .group_by(col(Project.id))
        .order_by(func.lower(Project.owner), func.lower(Project.name))
    )
    return [_card(session, *row) for row in session.exec(question).all()]


def spend_by_day(session: Session, project_id: int, days: int = 14) -> list[tuple[date, int]]:
    """Micro-dollars of each of the last days on the project's calendar, the oldest first."""
    today = datetime.now(UTC).date()
    first = today - timedelta(days=days - 1)
    rows = session.exec(
        select(LedgerEntry.day, func.sum(LedgerEntry.amount_microdollars))
        .where(LedgerEntry.project_id == project_id, LedgerEntry.day >= first)
        .group_by(col(LedgerEntry.day))
    ).all()
    spent = {day: int(amount) for day, amount in rows}
    last = max([today, *spent])
    return [
        (day, spent.get(day, 0))
        for day in (last - timedelta(days=back) for back in range(days - 1, -1, -1))
    ]


def _card(
    session: Session,
    project: Project,
    live: int,
    total: int,
    completed: int,
    last_run_at: datetime | None,
) -> ProjectSeen:
    assert project.id is not None  # noqa: S101 - a project that is read has an id
    return ProjectSeen(
        project=project,
        live_runs=live,
        runs=total,
        completed_runs=completed,
        last_run_at=last_run_at,
        today=ledger.spent(session, "project", project.id).get("day"),
        limits=budgets.limits(session, project.id),
    )


def _seen(session: Session, question: Select[Any]) -> list[RunSeen]:
    rows: Sequence[tuple[Run, Issue, Project]] = session.exec(question).all()  # type: ignore[call-overload]
    ids = [row.id for row, _, _ in rows if row.id is not None]
    costs = ledger.run_costs(session, ids)
    holds = {hold.run_id: hold for hold in _open_holds(session, ids)}
    nothing = RunCost(0, 0, 0, 0, 0)
    return [
        RunSeen(run, issue, project, costs.get(run.id or 0, nothing), holds.get(run.id or 0))
        for run, issue, project in rows
    ]


def _open_holds(session: Session, run_ids: list[int]) -> Sequence[RunHold]:
    return session.exec(
        select(RunHold).where(col(RunHold.run_id).in_(run_ids), col(RunHold.released_at).is_(None))
    ).all()


def _milestones(session: Session, run_id: int) -> list[Event]:
    kinds = [f"run.{status}" for status in RunStatus] + ["run.ended", "run.cancel_requested"]
    question = (
        select(Event)
        .where(Event.chain == run_chain(run_id), col(Event.kind).in_(kinds))
        .order_by(col(Event.seq))
    )
    return list(session.exec(question))


def _count(session: Session, wanted: RunFilter) -> int:
    return session.exec(
        select(func.count()).select_from(Run).join(Issue).where(*_conditions(wanted))
    ).one()


def _conditions(wanted: RunFilter) -> list[ColumnElement[bool]]:
    conditions = [*_group(wanted.group)]
    if wanted.project_id is not None:
        conditions.append(col(Run.project_id) == wanted.project_id)
    if wanted.search:
        conditions.append(_matches(wanted.search))
    return conditions


def _group(group: RunGroup) -> list[ColumnElement[bool]]:
    waiting = and_(
        col(Run.ended_at).is_(None),
        select(RunHold.id)
        .where(RunHold.run_id == Run.id, col(RunHold.released_at).is_(None))
        .exists(),
    )
    return {
        RunGroup.ALL: [],
        RunGroup.LIVE: [col(Run.ended_at).is_(None)],
        RunGroup.ATTENTION: [or_(col(Run.status).in_(_NEEDS_A_PERSON), waiting)],
        RunGroup.COMPLETED: [col(Run.status) == RunStatus.COMPLETED],
        RunGroup.ENDED: [
            col(Run.status).in_([status for status in ENDED if status != RunStatus.COMPLETED])
        ],
    }[group]


def _matches(search: str) -> ColumnElement[bool]:
    by_title = col(Issue.title).icontains(search, autoescape=True)
    number = search.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 10:
        return or_(by_title, col(Issue.number) == int(number))
    return by_title
