"""The cap that a run waits for, whichever of them it is: what it is called, and raising it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from paid.contracts import RunStatus
from paid.errors import BadInputError
from paid.models import Project, Run, RunHold
from paid.models.ledger import ORGANISATION
from paid.store import budgets, events, holds, ledger
from paid.store.budgets import MICRODOLLARS_PER_CENT, UNCHANGED, Period
from paid.store.events import NewEvent

_SCOPES: dict[str, ledger.Scope] = {
    "run": "run",
    "issue": "issue",
    "project": "project",
    "organisation": "organisation",
}
_WINDOWS: dict[str, Period] = {"day": "day", "week": "week", "month": "month"}
_ADJECTIVES = {"day": "daily", "week": "weekly", "month": "monthly"}


@dataclass(frozen=True)
class Cap:
    """A cap in the words of the ledger: the period of a run's or an issue's is `total`.

    `needed_microdollars` is what the request that met it may cost; 0 when no request waits.
    """

    scope: str
    period: str
    limit_microdollars: int
    spent_microdollars: int
    needed_microdollars: int = 0
    ends_at: datetime | None = None
    """When its period is over and a new one begins; None for a run's and an issue's."""

    @property
    def enough_microdollars(self) -> int:
        """The limit under which the request that met the cap fits, by what was spent then."""
        return self.spent_microdollars + self.needed_microdollars

    @property
    def name(self) -> str:
        """The cap as people say it."""
        if self.period == "total":
            return f"this {self.scope}'s budget"
        return f"the {self.scope}'s {_ADJECTIVES.get(self.period, self.period)} budget"


def waiting(session: Session, run: Run, hold: RunHold | holds.Hold | None) -> Cap | None:
    """The cap that a run waits for; None when it does not wait, or not for money.

    A request that did not fit leaves a hold; a run that could not even begin has none.
    """
    if run.ended_at is not None or (hold is None and run.status != RunStatus.BUDGET_EXCEEDED):
        return None
    return met(session, run, hold)


def met(session: Session, run: Run, hold: RunHold | holds.Hold | None) -> Cap | None:
    """The cap of a hold; without one, the run's tightest. None when it is not about money."""
    if hold is not None:
        return _of_hold(hold) if hold.reason == "budget" else None
    scope, _, period = (budgets.room(session, _id(run)).cap or "").partition(" ")
    return _in_force(session, run, scope, period or "total") if scope in _SCOPES else None


def raise_for(
    session: Session, run: Run, to_cents: int, duration: timedelta | None, *, by: str
) -> Cap:
    """Raise the cap that a run waits for, or its own when it waits for none; returns the old one.

    `duration` of None means for good. What waited and fits now is let go on, of whichever run.
    Raises BadInputError when nothing caps the run, or when the new limit is not above the old.
    """
    cap = waiting(session, run, holds.current(session, _id(run)))
    cap = cap or _in_force(session, run, "run", "total")
    if cap is None or run.ended_at is not None:
        why = "has ended" if run.ended_at is not None else "has no limit that could be raised"
        raise BadInputError(f"Run {run.id} {why}.", hint="`paid runs` shows what waits.")
    if to_cents * MICRODOLLARS_PER_CENT <= cap.limit_microdollars:
        dollars = f"${cap.limit_microdollars / 1_000_000:,.2f}"
        raise BadInputError(
            f"The new limit is not above {cap.name} of {dollars}.",
            hint=f"Give more than {dollars}.",
        )
    _raise(session, run, cap, to_cents, duration)
    told = {
        "by": by,
        "scope": cap.scope,
        "period": cap.period,
        "to_cents": to_cents,
        "hours": duration.total_seconds() / 3600 if duration else None,
    }
    raised = NewEvent("run.budget_raised", told)
    events.append_to_run(session, _id(run), run.project_id, raised)
    return cap


def _of_hold(hold: RunHold | holds.Hold) -> Cap:
    detail = hold.detail
    return Cap(
        scope=str(detail.get("scope", "run")),
        period=str(detail.get("period", "total")),
        limit_microdollars=_whole(detail.get("limit_microdollars")),
        spent_microdollars=_whole(detail.get("spent_microdollars")),
        needed_microdollars=_whole(detail.get("needed_microdollars")),
        ends_at=hold.until,
    )


def _in_force(session: Session, run: Run, scope: str, period: str) -> Cap | None:
    ids = {"run": run.id, "issue": run.issue_id, "project": run.project_id}
    spent = ledger.spent(session, _SCOPES[scope], ids.get(scope) or ORGANISATION)[period]
    if spent.limit_microdollars is None:
        return None
    return Cap(
        scope,
        period,
        spent.limit_microdollars,
        spent.spent_microdollars,
        ends_at=spent.ends_at,
    )


def _raise(session: Session, run: Run, cap: Cap, to_cents: int, duration: timedelta | None) -> None:
    if cap.scope == "run":
        budgets.raise_run(session, _id(run), to_cents, duration)
        return
    if cap.scope == "issue":
        budgets.raise_issue(session, run.issue_id, to_cents, duration)
        return
    period = _WINDOWS.get(cap.period, "day")
    new = {f"{window}_cents": to_cents if window == period else UNCHANGED for window in _WINDOWS}
    if cap.scope == "organisation":
        if duration is None:
            budgets.set_organisation_limits(session, **new)
        else:
            budgets.raise_organisation_for_a_while(session, period, to_cents, duration)
        return
    session.get_one(Project, run.project_id, with_for_update={"key_share": True})
    if duration is None:
        budgets.set_limits(session, run.project_id, **new)
    else:
        budgets.raise_for_a_while(session, run.project_id, period, to_cents, duration)


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _id(run: Run) -> int:
    assert run.id is not None  # noqa: S101 - a run that is read has an id
    return run.id
