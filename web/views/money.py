"""The page of the organisation's money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paid.models import Project
from paid.store.budgets import WINDOWS, Limit
from paid.store.exports import GROUPS
from web.views import limits
from web.views.budget_raise import cents_of
from web.views.forms import Form, Refusal, form_of
from web.views.meters import Meter
from web.views.project_page import percents

FIELDS = {"day": "daily_cents", "week": "weekly_cents", "month": "monthly_cents"}


@dataclass(frozen=True)
class MoneyPage:
    """Everything on the page."""

    meters: list[Meter]
    limits: Mapping[str, Limit]
    time_zone: str
    warn_percents: Sequence[int]
    projects: Sequence[Project]
    saved: bool = False
    refusal: Refusal | None = None

    def form(self, name: str) -> Form:
        """The form of the limits, or the one that raises one."""
        return form_of(self.refusal, name)

    @property
    def groups(self) -> list[str]:
        """By what spending can be exported."""
        return list(GROUPS)

    @property
    def raisable(self) -> list[tuple[str, str]]:
        """The limits that can be raised for a while."""
        return limits.choices(self.limits)

    def dollars(self, period: str) -> str:
        """A limit for its field."""
        return limits.in_dollars(self.limits[period])

    def raised(self, period: str) -> str:
        """Says that a limit is lifted for a while."""
        return limits.raised(self.limits[period])


@dataclass(frozen=True)
class OrganisationForm:
    """The organisation's limits as somebody wants them; None takes one away.

    What the form did not send stays: a limit that nobody mentioned must not be lifted.
    """

    cents: dict[str, int | None]
    time_zone: str | None
    warn_percents: list[int] | None

    @classmethod
    def read(cls, form: Mapping[str, Any]) -> OrganisationForm:
        """Read the form; the store checks the values. Raises BadInputError."""
        names = (*FIELDS.values(), *_OTHERS)
        given = {name: str(form[name]).strip() for name in names if name in form}
        amounts = {period: given[FIELDS[period]] for period in WINDOWS if FIELDS[period] in given}
        warn = given.get("warn_percents")
        return cls(
            cents={period: cents_of(text) if text else None for period, text in amounts.items()},
            time_zone=given.get("time_zone"),
            warn_percents=None if warn is None else percents(warn),
        )


_OTHERS = ("time_zone", "warn_percents")
