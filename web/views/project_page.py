"""Projects as their templates want them, and their forms as changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paid import check_lines
from paid.agents import registry
from paid.errors import BadInputError
from paid.gateway.first_request import FirstRequest
from paid.models import Policy, Project
from paid.store.budgets import Limit
from paid.store.estimates import Estimate
from paid.store.ledger import Spent
from paid.store.pages import DaySpent, ProjectSeen
from paid.store.project_settings import REGISTRIES, ProjectChanges
from paid.store.run_list import RunSeen
from web.views import limits
from web.views.budget_raise import cents_of
from web.views.forms import Form, Refusal, form_of
from web.views.meters import Meter, money_meter

CHART_HEIGHT = 64
CHART_BAR = 14
CHART_GAP = 6


@dataclass(frozen=True)
class Bar:
    """One day of the spend chart, in the units of its drawing."""

    spent: DaySpent
    x: int
    y: int
    height: int


@dataclass(frozen=True)
class ProjectCard:
    """A project in the list, with today's money."""

    seen: ProjectSeen
    meter: Meter | None


@dataclass(frozen=True)
class ProjectPage:
    """Everything on a project's page."""

    project: Project
    policy: Policy
    labels: Mapping[str, str]
    limits: Mapping[str, Limit]
    meters: list[Meter]
    estimate: Estimate
    request: FirstRequest | None
    bars: list[Bar]
    recent: Sequence[RunSeen]
    saved: str = ""
    refusal: Refusal | None = None

    def form(self, name: str) -> Form:
        """The form of a section, or the one that raises a limit."""
        return form_of(self.refusal, name)

    @property
    def agents(self) -> tuple[str, ...]:
        """The agents to choose from."""
        return registry.names()

    @property
    def checks_text(self) -> str:
        """The checks, one a line, as `check_lines.parse` reads them again."""
        return "\n".join(check_lines.shown(argv) for argv in self.policy.checks)

    @property
    def egress_text(self) -> str:
        """The hosts that runs may reach, one a line."""
        hosts = self.policy.egress_hosts
        return REGISTRIES if hosts is None else "\n".join(hosts)

    @property
    def chart_width(self) -> int:
        """The width of the spend chart's drawing."""
        return len(self.bars) * (CHART_BAR + CHART_GAP) - CHART_GAP

    @property
    def too_small(self) -> str:
        """Which limits let no request pass, if any do."""
        caps = {name: cap.cents for name, cap in self.limits.items()}
        return self.request.warning(caps) if self.request else ""

    def dollars(self, period: str) -> str:
        """A cap for its field."""
        return limits.in_dollars(self.limits[period])

    def raised(self, period: str) -> str:
        """Says that a cap is lifted for a while."""
        return limits.raised(self.limits[period])

    @property
    def raisable(self) -> list[tuple[str, str]]:
        """The caps that can be raised for a while."""
        return limits.choices(self.limits)


def cards(seen: Sequence[ProjectSeen]) -> list[ProjectCard]:
    """The list of projects."""
    return [
        ProjectCard(one, money_meter("Spent today", one.today) if one.today else None)
        for one in seen
    ]


def bars(spend: Sequence[DaySpent]) -> list[Bar]:
    """The chart's bars: a day without spending keeps a line, so that the axis shows."""
    most = max((day.microdollars for day in spend), default=0) or 1
    drawn = []
    for place, day in enumerate(spend):
        height = max(1, round(CHART_HEIGHT * day.microdollars / most))
        x = place * (CHART_BAR + CHART_GAP)
        drawn.append(Bar(day, x, CHART_HEIGHT - height, height))
    return drawn


def project_meters(spent: Mapping[str, Spent]) -> list[Meter]:
    """What the project spent this day, week and month."""
    names = {"day": "Today", "week": "This week", "month": "This month"}
    return [money_meter(name, spent[period]) for period, name in names.items() if period in spent]


def changes_from(form: Mapping[str, Any], section: str) -> ProjectChanges:
    """One section's form as changes; the store checks the values. Raises BadInputError.

    A limit that was not sent at all stays; only one that was sent empty is lifted.
    """
    if section not in SECTIONS:
        raise BadInputError("There is no such group of settings.", hint="Load the page again.")
    readers = {
        name: read
        for name, read in SECTIONS[section].items()
        if name in form or section not in KEEPS_MISSING
    }
    return ProjectChanges(**{name: read(_field(form, name)) for name, read in readers.items()})


def _field(form: Mapping[str, Any], name: str) -> str:
    value = form.get(name, "")
    if not isinstance(value, str):
        raise BadInputError(f"The field “{name}” came twice.", hint="Load the page again.")
    return value.replace("\r\n", "\n").strip()


def _text(value: str) -> str:
    return value


def _agent(value: str) -> str:
    if value not in registry.names():
        raise BadInputError(
            f"There is no agent named “{value[:40]}”.",
            hint=f"Choose one of {', '.join(registry.names())}.",
        )
    return value


def _whole(value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 15:
        raise BadInputError(f"“{value[:20]}” is not a whole number.", hint="Use digits only.")
    return int(value)


def _decimal(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise BadInputError(f"“{value[:20]}” is not a number.", hint="Write 2 or 1.5.") from None


def _cents(value: str) -> int | None:
    return cents_of(value) if value else None


def percents(value: str) -> list[int]:
    """`50, 80` as numbers. Raises BadInputError."""
    return [_whole(part.strip().removesuffix("%").strip()) for part in _lines(value)]


def _lines(value: str) -> list[str]:
    return [line.strip() for line in value.replace(",", "\n").split("\n") if line.strip()]


def _commands(value: str) -> list[list[str]]:
    return [check_lines.parse(line) for line in check_lines.lines(value)]


def _hosts(value: str) -> list[str] | str:
    return REGISTRIES if value == REGISTRIES else _lines(value)


def _switch(value: str) -> bool:
    return value == "on"


Reader = Callable[[str], Any]
SECTIONS: dict[str, dict[str, Reader]] = {
    "budget": {
        "run_cents": _cents,
        "issue_cents": _cents,
        "daily_cents": _cents,
        "weekly_cents": _cents,
        "monthly_cents": _cents,
        "warn_percents": percents,
    },
    "agent": {
        "agent": _agent,
        "model": _text,
        "allowed_models": _lines,
        "fallback_models": _lines,
        "max_iterations": _whole,
        "max_tokens": _whole,
        "max_seconds": _whole,
    },
    "checks": {
        "checks": _commands,
        "check_timeout_seconds": _whole,
        "draft_pull_request": _switch,
        "allow_workflow_changes": _switch,
    },
    "commits": {
        "commit_name": _text,
        "commit_email": _text,
        "raw_filters": _lines,
    },
    "labels": {
        "build_label": _text,
        "plan_label": _text,
        "cancel_label": _text,
        "trusted_logins": _lines,
        "interval_seconds": _whole,
        "time_zone": _text,
    },
    "container": {
        "cpus": _decimal,
        "memory_mib": _whole,
        "pids": _whole,
        "egress_hosts": _hosts,
    },
}
KEEPS_MISSING = frozenset({"budget"})
"""Where a field that was not sent stays as it is; elsewhere a missing field is an empty one."""
