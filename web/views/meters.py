"""Money and other limits as meters: how much of what is allowed is used."""

from __future__ import annotations

from dataclasses import dataclass

from paid.store.ledger import Spent
from paid.store.pages import RunDetail
from web.rendering import count, money, seconds_between, span

_NAMES = {
    ("run", "total"): "This run",
    ("issue", "total"): "This issue",
    ("project", "day"): "Project today",
    ("project", "week"): "Project this week",
    ("project", "month"): "Project this month",
}


@dataclass(frozen=True)
class Meter:
    """`percent` of None means that nothing limits it."""

    name: str
    used: str
    limit: str
    percent: int | None
    note: str = ""

    @property
    def tone(self) -> str:
        """good, wait or bad."""
        if self.percent is None or self.percent < 80:
            return "good"
        return "wait" if self.percent < 100 else "bad"


def money_meter(name: str, spent: Spent) -> Meter:
    """Spent and reserved of a cap."""
    limit = spent.limit_microdollars
    reserved = spent.reserved_microdollars
    return Meter(
        name=name,
        used=money(spent.spent_microdollars),
        limit=money(limit),
        percent=_percent(spent.spent_microdollars, limit),
        note=", ".join(filter(None, (_estimated(spent), _reserved(reserved)))),
    )


def _estimated(spent: Spent) -> str:
    estimated = spent.estimated_microdollars
    return f"up to {money(estimated)} of it estimated" if estimated else ""


def _reserved(reserved: int) -> str:
    return f"{money(reserved)} reserved" if reserved else ""


def money_meters(detail: RunDetail) -> list[Meter]:
    """The run's own cap always, the others where there is one."""
    meters = []
    for (scope, period), name in _NAMES.items():
        spent = detail.spent.get(scope, {}).get(period)
        if spent and (scope == "run" or spent.limit_microdollars is not None):
            meters.append(money_meter(name, spent))
    return meters


def limit_meters(detail: RunDetail) -> list[Meter]:
    """Rounds, tokens and time, against the project's policy."""
    run, policy = detail.run, detail.policy
    used_tokens = max(run.tokens_used, detail.cost.input_tokens + detail.cost.output_tokens)
    seconds = seconds_between(run.started_at, run.ended_at) if run.started_at else 0.0
    return [
        _of("Rounds", run.iterations, policy.max_iterations),
        _of("Tokens", used_tokens, policy.max_tokens),
        Meter(
            "Time", span(seconds), span(policy.max_seconds), _percent(seconds, policy.max_seconds)
        ),
    ]


def _of(name: str, used: int, limit: int) -> Meter:
    return Meter(name, count(used), count(limit), _percent(used, limit))


def _percent(used: float, limit: float | None) -> int | None:
    if limit is None:
        return None
    if limit <= 0:
        return 100
    return min(100, max(int(100 * used / limit), 1 if used > 0 else 0))
