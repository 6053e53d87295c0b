"""The list of runs: which of them, how many of each kind, and what a row says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, func, or_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import Select

from paid.contracts import ENDED, RunStatus
from paid.errors import NotFoundError
from paid.models import Issue, Project, Run, RunHold
from paid.models.ledger import ORGANISATION
from paid.store import estimates, events, ledger, pauses
from paid.store.estimates import Estimate
from paid.store.ledger import RunCost, Spent
from paid.store.pauses import Pause

RUNS_PER_PAGE = 25


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
    pause: Pause | None = None
    estimate: Estimate | None = None
    """What its start said that it will cost; None before."""


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


def page(session: Session, wanted: RunFilter, *, or_last: bool = True) -> RunListing:
    """A page of runs, the newest first.

    A page after the last is the last, for a browser's old links; without `or_last` it is empty, for
    programs that go on until nothing comes.
    """
    conditions = _conditions(wanted)
    total = session.exec(select(func.count()).select_from(Run).join(Issue).where(*conditions)).one()
    pages = max(1, -(-total // RUNS_PER_PAGE))
    number = min(wanted.page, pages) if or_last else wanted.page
    question = (
        _rows()
        .where(*conditions)
        .order_by(col(Run.id).desc())
        .limit(RUNS_PER_PAGE)
        .offset((number - 1) * RUNS_PER_PAGE)
    )
    return RunListing(_seen(session, question), total, number)


def row(session: Session, run_id: int) -> RunSeen:
    """One run as the list shows it. Raises NotFoundError."""
    found = _seen(session, _rows().where(Run.id == run_id))
    if not found:
        raise NotFoundError(f"There is no run {run_id}.", hint="The list of runs has them all.")
    return found[0]


def figures(session: Session, project_id: int | None = None) -> Figures:
    """How many runs there are of each group, and what today cost."""
    counts = {group: _count(session, RunFilter(group, project_id)) for group in RunGroup}
    return Figures(counts, ledger.spent(session, "organisation", ORGANISATION).get("day"))


def _rows() -> Select[Run, Issue, Project]:
    return (
        select(Run, Issue, Project)
        .join(Issue, col(Run.issue_id) == col(Issue.id))
        .join(Project, col(Run.project_id) == col(Project.id))
    )


def _seen(session: Session, question: Select[Run, Issue, Project]) -> list[RunSeen]:
    rows = session.exec(question).all()
    ids = [row.id for row, _, _ in rows if row.id is not None]
    costs = ledger.run_costs(session, ids)
    holds = {hold.run_id: hold for hold in _open_holds(session, ids)}
    likely = estimates.of_runs(session, ids)
    return [
        RunSeen(
            run,
            issue,
            project,
            cost=costs.get(run.id or 0, RunCost()),
            hold=holds.get(run.id or 0),
            pause=pauses.of_run(session, run, holds.get(run.id or 0)),
            estimate=likely.get(run.id or 0),
        )
        for run, issue, project in rows
    ]


def _open_holds(session: Session, run_ids: list[int]) -> Sequence[RunHold]:
    return session.exec(
        select(RunHold).where(col(RunHold.run_id).in_(run_ids), col(RunHold.released_at).is_(None))
    ).all()


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
        .where(
            RunHold.run_id == Run.id,
            RunHold.reason == "budget",  # a vendor's limit resets by itself
            col(RunHold.released_at).is_(None),
        )
        .exists(),
    )
    conditions: dict[RunGroup, list[ColumnElement[bool]]] = {
        RunGroup.ALL: [],
        RunGroup.LIVE: [col(Run.ended_at).is_(None)],
        RunGroup.ATTENTION: [or_(col(Run.status).in_(_NEEDS_A_PERSON), waiting)],
        RunGroup.COMPLETED: [col(Run.status) == RunStatus.COMPLETED],
        RunGroup.ENDED: [
            col(Run.ended_at).is_not(None),
            col(Run.status).in_([status for status in ENDED if status != RunStatus.COMPLETED]),
        ],
    }
    return conditions[group]


def _matches(search: str) -> ColumnElement[bool]:
    search = events.storable(search)
    by_title = col(Issue.title).icontains(search, autoescape=True)
    number = search.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 10:
        return or_(by_title, col(Issue.number) == int(number))
    return by_title
