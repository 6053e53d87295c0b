"""What a run will likely cost, from what its project's last runs did cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, col, select

from paid.models import Event, Run
from paid.store import events
from paid.store.events import NewEvent

KIND = "budget.estimate"
LEAST_RUNS = 5
"""A range from fewer runs than these would be a guess that looks like knowledge."""


@dataclass(frozen=True)
class Estimate:
    """Quantiles of what `runs` runs cost; None without any.

    One run in ten cost less than `p10_microdollars`, one in ten more than `p90_microdollars`.
    """

    runs: int
    p10_microdollars: int | None = None
    p50_microdollars: int | None = None
    p90_microdollars: int | None = None

    def said(self, money: Callable[[int], str]) -> str:
        """`likely $0.12 to $0.40, from 14 runs`, or why there is no estimate."""
        if not self.runs:
            return "no estimate: the project has no history yet"
        counted = f"{self.runs} run{'' if self.runs == 1 else 's'}"
        low, high = self.p10_microdollars, self.p90_microdollars
        if self.runs < LEAST_RUNS or low is None or high is None:
            return f"no estimate: {counted} of the project {_have(self.runs)} ended so far"
        return f"likely {money(low)} to {money(high)}, from {counted}"


_QUANTILES = text(
    """
    SELECT count(*) AS runs,
           percentile_disc(0.1) WITHIN GROUP (ORDER BY cost) AS p10,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY cost) AS p50,
           percentile_disc(0.9) WITHIN GROUP (ORDER BY cost) AS p90
    FROM (
        SELECT sum(e.amount_microdollars)::bigint AS cost
        FROM run r JOIN ledger_entry e ON e.run_id = r.id
        WHERE r.project_id = :project AND r.ended_at IS NOT NULL AND e.basis = 'vendor'
          AND r.status IN ('completed', 'no_changes', 'failed', 'budget_exceeded')
        GROUP BY r.id ORDER BY r.id DESC LIMIT 200
    ) latest
    """
)


def estimate(session: Session, project_id: int) -> Estimate:
    """What the next run will likely cost, from the last 200 that ended and were not cancelled.

    Runs that asked no model are left out, and so is what no vendor counted: an upper bound of one
    request would make the next run look ten times as dear.
    """
    row = session.connection().execute(_QUANTILES, {"project": project_id}).one()
    return Estimate(row.runs, row.p10, row.p50, row.p90)


def record(session: Session, run: Run) -> None:
    """Put the estimate into the run's record, once, before it has spent anything."""
    assert run.id is not None  # noqa: S101 - a run that is read has an id
    if of_run(session, run.id) is None:
        told = NewEvent(KIND, asdict(estimate(session, run.project_id)))
        events.append_to_run(session, run.id, run.project_id, told)


def of_run(session: Session, run_id: int) -> Estimate | None:
    """What was said at the run's start; None when it has not begun."""
    return of_runs(session, [run_id]).get(run_id)


def of_runs(session: Session, run_ids: Iterable[int]) -> dict[int, Estimate]:
    """The same for several runs; those that have not begun are missing."""
    question = select(Event.run_id, Event.data).where(
        col(Event.run_id).in_(list(run_ids)), Event.kind == KIND
    )
    return {run_id: read(data) for run_id, data in session.exec(question) if run_id is not None}


def read(data: Mapping[str, Any]) -> Estimate:
    """The estimate in an event's data."""
    return Estimate(
        runs=data.get("runs") or 0,
        p10_microdollars=data.get("p10_microdollars"),
        p50_microdollars=data.get("p50_microdollars"),
        p90_microdollars=data.get("p90_microdollars"),
    )


def _have(runs: int) -> str:
    return "has" if runs == 1 else "have"
