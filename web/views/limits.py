"""Limits of money in forms: what is set, what is raised for a while, and what a person gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, get_args

from paid.errors import BadInputError
from paid.store.budgets import Limit, Period
from web.rendering import moment, money
from web.views.budget_raise import cents_of, duration_of

PERIODS: dict[str, Period] = {period: period for period in get_args(Period)}
NAMES = {
    "run": "each run",
    "issue": "each issue",
    "day": "a day",
    "week": "a week",
    "month": "a month",
}


def in_dollars(limit: Limit) -> str:
    """A limit for its field; empty when there is none."""
    return "" if limit.cents is None else f"{limit.cents // 100}.{limit.cents % 100:02d}"


def raised(limit: Limit) -> str:
    """Says that a limit is lifted for a while; empty when it is not."""
    if limit.raised_to_cents is None or limit.raised_until is None:
        return ""
    return f"{money(limit.raised_to_cents * 10_000)} until {moment(limit.raised_until)}"


def choices(limits: Mapping[str, Limit]) -> list[tuple[str, str]]:
    """The limits that can be raised for a while, with their names: those that are set."""
    return [(period, NAMES[period]) for period, limit in limits.items() if limit.cents is not None]


@dataclass(frozen=True)
class RaiseWindow:
    """A limit that is to be higher for some hours."""

    period: Period
    cents: int
    duration: timedelta

    @classmethod
    def read(cls, form: Mapping[str, Any]) -> RaiseWindow:
        """Read the form. Raises BadInputError."""
        given = {name: str(form.get(name, "")) for name in ("period", "dollars", "hours")}
        period, duration = PERIODS.get(given["period"]), duration_of(given["hours"])
        if period is None or duration is None:
            raise BadInputError("Say which limit, and for how many hours.", hint="Fill all fields.")
        return cls(period, cents_of(given["dollars"]), duration)
