"""How long nothing went on after a blow: from its end to the next thing that a run got done."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Struck:
    """A blow that fell, in seconds since the epoch; `until` is later for what lasted."""

    kind: str
    at: float
    until: float


@dataclass(frozen=True)
class Life:
    """When a run was requested and ended, and the moments at which it got something done: an
    event, a batch of output, a model request. The end is one of them; None: it still goes on."""

    begun: float
    ended: float | None
    moments: Sequence[float]


@dataclass(frozen=True)
class Pauses:
    """Seconds after each blow until the first run went on, and until each single one did."""

    first: tuple[float, ...]
    each: tuple[float, ...]


def pauses(blows: Sequence[Struck], lives: Sequence[Life]) -> Pauses:
    """Of the runs that were alive at a blow. A blow on nobody is left out."""
    first: list[float] = []
    each: list[float] = []
    for blow in blows:
        waits = [wait for life in lives if (wait := _wait(blow, life)) is not None]
        each += waits
        if waits:
            first.append(min(waits))
    return Pauses(tuple(first), tuple(each))


def _wait(blow: Struck, life: Life) -> float | None:
    """Nothing that happened while the blow lasted counts as going on after it."""
    if life.begun > blow.at or (life.ended is not None and life.ended <= blow.until):
        return None
    moments = sorted(life.moments)
    place = bisect_left(moments, blow.until)
    return moments[place] - blow.until if place < len(moments) else None


def figures(seconds: Sequence[float]) -> Mapping[str, float]:
    """Median, 95th percentile and worst; nothing of nothing."""
    if not seconds:
        return {}
    p95 = quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
    return {"median": median(seconds), "p95": p95, "worst": max(seconds)}
