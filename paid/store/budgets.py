"""Caps of money: what is set for a project, raised for some hours, or excepted for one run.

People speak in cents, the ledger in micro-dollars. Lowering a cap stops nothing that is under way;
raising one lets go on what waited for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Literal

from sqlalchemy import ColumnElement, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, delete, select
from sqlmodel.sql.expression import SelectOfScalar

from paid.errors import BadInputError
from paid.models import BudgetLimit
from paid.models.ledger import ORGANISATION, Organisation
from paid.store import clock, events, holds
from paid.store.events import NewEvent
from paid.store.setting_rules import RULES

MICRODOLLARS_PER_CENT = 10_000
MOST_CENTS = 100_000_000_00
"""A hundred million dollars: above it a number is a mistake, and sums stay far from 64 bits."""
_HOUR = timedelta(hours=1)
PERIODS = ("run", "issue", "day", "week", "month")
WINDOWS = ("day", "week", "month")

Period = Literal["run", "issue", "day", "week", "month"]


class Unchanged(Enum):
    """The default of a setting that was not given; None already means no cap."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED
Cents = int | None | Unchanged


@dataclass(frozen=True)
class Limit:
    """One cap as people set it. `cents` of None means that there is none."""

    cents: int | None
    raised_to_cents: int | None = None
    raised_until: datetime | None = None


@dataclass(frozen=True)
class Room:
    """What a run could still spend: `microdollars` of None means that nothing caps it.

    `cap` names the tightest cap, such as `project day`.
    """

    allowed: bool
    microdollars: int | None
    cap: str | None


def set_limits(
    session: Session,
    project_id: int,
    *,
    run_cents: Cents = UNCHANGED,
    issue_cents: Cents = UNCHANGED,
    day_cents: Cents = UNCHANGED,
    week_cents: Cents = UNCHANGED,
    month_cents: Cents = UNCHANGED,
) -> None:
    """Set a project's caps: each run, each issue over all its runs, and the calendar periods."""
    given = (run_cents, issue_cents, day_cents, week_cents, month_cents)
    _set_all(session, "project", project_id, dict(zip(PERIODS, given, strict=True)))
    holds.release_what_fits(session, project_id)


def set_organisation_limits(
    session: Session,
    *,
    day_cents: Cents = UNCHANGED,
    week_cents: Cents = UNCHANGED,
    month_cents: Cents = UNCHANGED,
) -> None:
    """Set what all projects together may spend."""
    given = dict(zip(WINDOWS, (day_cents, week_cents, month_cents), strict=True))
    _set_all(session, "organisation", ORGANISATION, given)
    holds.release_what_fits(session)


def change_organisation(
    session: Session,
    limits: Mapping[str, int | None],
    *,
    time_zone: str | None = None,
    warn_percents: list[int] | None = None,
    by: str,
) -> None:
    """Set limits in cents by period (None lifts one), when its days begin, and when people are
    warned. What is not given stays. Raises BadInputError.
    """
    row = session.get_one(Organisation, ORGANISATION, with_for_update={"key_share": True})
    if time_zone is not None:
        row.time_zone = RULES["time_zone"]("time_zone", time_zone)
    if warn_percents is not None:
        row.warn_percents = RULES["warn_percents"]("warn_percents", warn_percents)
    session.add(row)
    _set_all(session, "organisation", ORGANISATION, dict(limits))
    told: dict[str, Any] = {f"{period}_cents": limit for period, limit in limits.items()}
    told |= {"by": by, "time_zone": row.time_zone, "warn_percents": row.warn_percents}
    events.append_to_system(session, NewEvent("organisation.changed", told))
    holds.release_what_fits(session)


def organisation(session: Session) -> Organisation:
    """The one organisation of this installation."""
    return session.get_one(Organisation, ORGANISATION)


def limits(session: Session, project_id: int) -> dict[str, Limit]:
    """A project's caps by period: run, issue, day, week, month."""
    return _limits(session, "project", project_id, PERIODS)


def organisation_limits(session: Session) -> dict[str, Limit]:
    """The organisation's caps by period: day, week, month."""
    return _limits(session, "organisation", ORGANISATION, WINDOWS)


def raise_for_a_while(
    session: Session, project_id: int, period: Period, to_cents: int, duration: timedelta
) -> None:
    """Lift one of a project's caps for some hours; afterwards the old one holds again."""
    _lift(session, "project", project_id, period, to_cents, duration)
    holds.release_what_fits(session, project_id)


def raise_organisation_for_a_while(
    session: Session, period: Period, to_cents: int, duration: timedelta
) -> None:
    """Lift what all projects together may spend for some hours."""
    _lift(session, "organisation", ORGANISATION, period, to_cents, duration)
    holds.release_what_fits(session)


def raise_window(
    session: Session,
    project_id: int | None,
    period: Period,
    to_cents: int,
    duration: timedelta,
    *,
    by: str,
) -> None:
    """The same for either (None is the organisation), told in the record."""
    told = {"by": by, "period": period, "to_cents": to_cents, "hours": duration / _HOUR}
    if project_id is None:
        raise_organisation_for_a_while(session, period, to_cents, duration)
        events.append_to_system(session, NewEvent("organisation.budget_raised", told))
    else:
        raise_for_a_while(session, project_id, period, to_cents, duration)
        events.append_to_project(session, project_id, NewEvent("project.budget_raised", told))


def raise_run(
    session: Session, run_id: int, to_cents: int, duration: timedelta | None = None
) -> None:
    """Let one run spend up to so much in all; `duration` of None means for good."""
    _except(session, "run", run_id, to_cents, duration)
    holds.release_what_fits(session)


def raise_issue(
    session: Session, issue_id: int, to_cents: int, duration: timedelta | None = None
) -> None:
    """Let one issue spend up to so much over all its runs."""
    _except(session, "issue", issue_id, to_cents, duration)
    holds.release_what_fits(session)


_ROOM = text(
    """
    SELECT w.scope, w.period,
           c.cap - coalesce(
               ledger_held(a.spent_microdollars, a.unconfirmed_microdollars, c.cap)
               + a.reserved_microdollars, 0) AS left_over
    FROM ledger_places(:run, now()) w
    JOIN run r ON r.id = :run
    CROSS JOIN LATERAL (
        SELECT ledger_cap(w.scope, w.scope_id, w.period, r.project_id, now()) AS cap
    ) c
    LEFT JOIN ledger_account a USING (scope, scope_id, period, starts_on)
    ORDER BY left_over NULLS LAST LIMIT 1
    """
)


def room(session: Session, run_id: int) -> Room:
    """What is left for a run under its tightest cap, reservations of others included."""
    row = session.connection().execute(_ROOM, {"run": run_id}).one()
    if row.left_over is None:
        return Room(True, None, None)
    name = row.scope if row.period == "total" else f"{row.scope} {row.period}"
    return Room(row.left_over > 0, max(0, row.left_over), name)


def _set_all(session: Session, scope: str, scope_id: int, given: dict[str, Cents]) -> None:
    for period, cents in given.items():
        if isinstance(cents, Unchanged):
            continue
        if cents is None:
            session.exec(delete(BudgetLimit).where(*_is(scope, scope_id, period)))
        else:
            _put(session, scope, scope_id, period, limit_microdollars=_microdollars(cents))
    session.flush()


def _lift(
    session: Session, scope: str, scope_id: int, period: str, to_cents: int, duration: timedelta
) -> None:
    row = session.exec(_row(scope, scope_id, period).with_for_update()).first()
    if row is None:
        raise BadInputError(
            f"The {scope} has no {period} limit to raise.",
            hint="What has no limit may spend already; set one without hours.",
        )
    amount = _microdollars(to_cents)
    if amount <= row.limit_microdollars:
        raise BadInputError("That is not above the limit.", hint="Lower limits are set for good.")
    row.raised_to_microdollars = amount
    row.raised_until = clock.now(session) + _positive(duration)
    session.add(row)
    session.flush()


def _except(
    session: Session, scope: str, scope_id: int, to_cents: int, duration: timedelta | None
) -> None:
    amount = _microdollars(to_cents)
    if duration is None:
        _put(session, scope, scope_id, scope, limit_microdollars=amount)
        return
    until = clock.now(session) + _positive(duration)
    _put(session, scope, scope_id, scope, raised_to_microdollars=amount, raised_until=until)


def _put(session: Session, scope: str, scope_id: int, period: str, **values: object) -> None:
    values["updated_at"] = clock.NOW
    first = {"limit_microdollars": 0, **values}
    statement = insert(BudgetLimit).values(scope=scope, scope_id=scope_id, period=period, **first)
    session.flush()
    session.connection().execute(
        statement.on_conflict_do_update(constraint="budget_limit_once", set_=values)
    )
    for row in session.identity_map.values():
        if isinstance(row, BudgetLimit):
            session.expire(row)


def _limits(
    session: Session, scope: str, scope_id: int, periods: tuple[str, ...]
) -> dict[str, Limit]:
    question = select(BudgetLimit).where(
        BudgetLimit.scope == scope, BudgetLimit.scope_id == scope_id
    )
    now = clock.now(session)
    found = {row.period: _as_set(row, now) for row in session.exec(question)}
    return {period: found.get(period, Limit(None)) for period in periods}


def _as_set(row: BudgetLimit, now: datetime) -> Limit:
    cents = row.limit_microdollars // MICRODOLLARS_PER_CENT
    if row.raised_until is None or row.raised_until <= now:
        return Limit(cents)
    raised = (row.raised_to_microdollars or 0) // MICRODOLLARS_PER_CENT
    return Limit(cents, raised, row.raised_until)


def _row(scope: str, scope_id: int, period: str) -> SelectOfScalar[BudgetLimit]:
    return select(BudgetLimit).where(*_is(scope, scope_id, period))


def _is(scope: str, scope_id: int, period: str) -> tuple[ColumnElement[bool], ...]:
    return (
        col(BudgetLimit.scope) == scope,
        col(BudgetLimit.scope_id) == scope_id,
        col(BudgetLimit.period) == period,
    )


def _microdollars(cents: int) -> int:
    if not 0 <= cents <= MOST_CENTS:
        raise BadInputError(
            f"{cents} cents is not an amount that a budget can have.",
            hint=f"Give a number from 0 to {MOST_CENTS}.",
        )
    return cents * MICRODOLLARS_PER_CENT


def _positive(duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        raise BadInputError("A raise has to last longer than no time.")
    return duration
