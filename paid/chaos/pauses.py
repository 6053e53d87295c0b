"""How long nothing went on after a blow: from its end to the next thing that a run got done."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

SHOWN = 8
"""So many of the longest pauses of each sort are told one by one."""


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
class Pause:
    """Seconds after one blow until each run that was alive went on, the soonest first."""

    blow: Struck
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Pauses:
    """Those after all blows that hit a run."""

    all: tuple[Pause, ...] = ()

    @property
    def first(self) -> tuple[float, ...]:
        """Until the first run went on."""
        return tuple(pause.seconds[0] for pause in self.all)

    @property
    def each(self) -> tuple[float, ...]:
        """Until each single one did."""
        return tuple(seconds for pause in self.all for seconds in pause.seconds)

    @property
    def longest(self) -> tuple[Pause, ...]:
        """The blows after which the first run took longest, then those where any run did."""
        of_first = sorted(self.all, key=lambda it: -it.seconds[0])[:SHOWN]
        of_any = sorted(self.all, key=lambda it: -it.seconds[-1])[:SHOWN]
        return tuple(dict.fromkeys([*of_first, *of_any]))


def pauses(blows: Sequence[Struck], lives: Sequence[Life]) -> Pauses:
    """Of the runs that were alive at a blow. A blow on nobody is left out."""
    found: list[Pause] = []
    for blow in blows:
        waits = [wait for life in lives if (wait := _wait(blow, life)) is not None]
        if waits:
            found.append(Pause(blow, tuple(sorted(waits))))
    return Pauses(tuple(found))


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
