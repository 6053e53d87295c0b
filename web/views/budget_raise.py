"""Raising the very cap that a run waits for, whichever of them it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation

from sqlmodel import Session

from paid.contracts import RunStatus
from paid.errors import BadInputError
from paid.models import Project, Run, RunHold
from paid.store import budgets, events, holds, ledger
from paid.store.events import NewEvent

LONGEST_HOURS = 24 * 365
_SCOPES: dict[str, ledger.Scope] = {
    "run": "run",
    "issue": "issue",
    "project": "project",
    "organisation": "organisation",
}
_PERIODS: dict[str, budgets.Period] = {"day": "day", "week": "week", "month": "month"}


@dataclass(frozen=True)
class BudgetRaise:
    """A new limit. `duration` of None means for good."""

    cents: int
    duration: timedelta | None

    @classmethod
    def read(cls, dollars: str, hours: str) -> BudgetRaise:
        """Read the form's two fields. Raises BadInputError."""
        return cls(cents_of(dollars), _duration(hours))


@dataclass(frozen=True)
class Cap:
    """The cap that a hold names, in the words of the ledger."""

    scope: str
    period: str
    limit_microdollars: int
    spent_microdollars: int
    needed_microdollars: int

    @property
    def name(self) -> str:
        """The cap as people say it."""
        if self.period == "total":
            return f"this {self.scope}'s budget"
        day = {"day": "daily", "week": "weekly", "month": "monthly"}.get(self.period, self.period)
        return f"the {self.scope}'s {day} budget"

    @property
    def suggested_dollars(self) -> str:
        """Enough for what waits and as much again, in whole dollars."""
        wanted = self.spent_microdollars + 2 * self.needed_microdollars
        least = max(wanted, self.limit_microdollars * 2, 1_000_000)
        return f"{-(-least // 1_000_000)}.00"


def waiting_cap(session: Session, run: Run, hold: RunHold | holds.Hold | None) -> Cap | None:
    """The cap that a run waits for; None when it does not wait, or not for money.

    A request that did not fit leaves a hold; a run that could not even begin has none.
    """
    assert run.id is not None  # noqa: S101 - a run that is read has an id
    if hold is not None:
        return _cap_of_hold(hold) if hold.reason == "budget" else None
    if run.ended_at is not None or run.status != RunStatus.BUDGET_EXCEEDED:
        return None
    scope, _, period = (budgets.room(session, run.id).cap or "").partition(" ")
    if scope not in _SCOPES:
        return None
    scope_id = {"run": run.id, "issue": run.issue_id, "project": run.project_id}.get(scope, 1)
    spent = ledger.spent(session, _SCOPES[scope], scope_id)[period or "total"]
    return Cap(scope, period or "total", spent.limit_microdollars or 0, spent.spent_microdollars, 0)


def raise_budget(session: Session, run: Run, wanted: BudgetRaise, *, by: str) -> None:
    """Raise the cap that the run waits for. Raises BadInputError when it waits for none."""
    assert run.id is not None  # noqa: S101 - a run that is read has an id
    cap = waiting_cap(session, run, holds.current(session, run.id))
    if cap is None:
        raise BadInputError(
            f"Run {run.id} does not wait for money.", hint="Load its page again to see its state."
        )
    if wanted.cents * budgets.MICRODOLLARS_PER_CENT <= cap.limit_microdollars:
        raise BadInputError(
            "The new limit is not above the old one.", hint=f"Give more than {_dollars(cap)}."
        )
    _raise(session, run, cap, wanted)
    told = {
        "by": by,
        "scope": cap.scope,
        "period": cap.period,
        "to_cents": wanted.cents,
        "hours": wanted.duration.total_seconds() / 3600 if wanted.duration else None,
    }
    events.append_to_run(session, run.id, run.project_id, NewEvent("run.budget_raised", told))


def cents_of(dollars: str) -> int:
    """`12`, `$12.50` or `1,200` in cents. Raises BadInputError."""
    try:
        amount = Decimal(dollars.strip().removeprefix("$").replace(",", ""))
        cents = amount * 100
    except InvalidOperation:
        raise _no_amount(dollars) from None
    if not amount.is_finite() or not 0 <= cents <= budgets.MOST_CENTS or cents != int(cents):
        raise _no_amount(dollars)
    return int(cents)


def _cap_of_hold(hold: RunHold | holds.Hold) -> Cap:
    detail = hold.detail
    return Cap(
        scope=str(detail.get("scope", "run")),
        period=str(detail.get("period", "total")),
        limit_microdollars=_whole(detail.get("limit_microdollars")),
        spent_microdollars=_whole(detail.get("spent_microdollars")),
        needed_microdollars=_whole(detail.get("needed_microdollars")),
    )


def _raise(session: Session, run: Run, cap: Cap, wanted: BudgetRaise) -> None:
    assert run.id is not None  # noqa: S101 - a run that is read has an id
    if cap.scope == "run":
        budgets.raise_run(session, run.id, wanted.cents, wanted.duration)
    elif cap.scope == "issue":
        budgets.raise_issue(session, run.issue_id, wanted.cents, wanted.duration)
    elif cap.scope == "organisation":
        _raise_organisation(session, cap, wanted)
    else:
        _raise_project(session, run.project_id, cap, wanted)


def _raise_project(session: Session, project_id: int, cap: Cap, wanted: BudgetRaise) -> None:
    session.get_one(Project, project_id, with_for_update=True)
    period = _PERIODS.get(cap.period, "day")
    if wanted.duration is not None:
        budgets.raise_for_a_while(session, project_id, period, wanted.cents, wanted.duration)
        return
    budgets.set_limits(
        session,
        project_id,
        day_cents=wanted.cents if period == "day" else budgets.UNCHANGED,
        week_cents=wanted.cents if period == "week" else budgets.UNCHANGED,
        month_cents=wanted.cents if period == "month" else budgets.UNCHANGED,
    )


def _raise_organisation(session: Session, cap: Cap, wanted: BudgetRaise) -> None:
    if wanted.duration is not None:
        raise BadInputError(
            "The organisation's limits are raised for good only.", hint="Leave the hours empty."
        )
    period = _PERIODS.get(cap.period, "day")
    budgets.set_organisation_limits(
        session,
        day_cents=wanted.cents if period == "day" else budgets.UNCHANGED,
        week_cents=wanted.cents if period == "week" else budgets.UNCHANGED,
        month_cents=wanted.cents if period == "month" else budgets.UNCHANGED,
    )


def _duration(hours: str) -> timedelta | None:
    if not hours.strip():
        return None
    text = hours.strip()
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LONGEST_HOURS):
        raise BadInputError(
            "That is not a number of hours.", hint=f"Give 1 to {LONGEST_HOURS:,}, or nothing."
        )
    return timedelta(hours=int(text))


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _dollars(cap: Cap) -> str:
    return f"${cap.limit_microdollars / 1_000_000:,.2f}"


def _no_amount(given: str) -> BadInputError:
    return BadInputError(
        f"“{given[:20]}” is not an amount of money.", hint="Write dollars, as in 12.50."
    )
