"""Which blows fall, in which order: a pure function of the seed.

A blow is drawn from decks that are shuffled and used up before they are shuffled anew, so that a
long round has every kind of blow, and an aimed one every call to Docker, about equally often.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from paid.demo.forge.faults import Fault as ForgeFault
from paid.demo.scripted_model.faults import Fault as VendorFault

Deed = Literal["kill", "freeze", "remove", "pause", "away"]
Moment = Literal["before", "after"]
T = TypeVar("T")

PROCESSES = ("worker", "gateway", "jobs", "web", "postgres", "temporal")
EVERYTHING = "everything"
ENGINE = "engine"
AGENT, CHECKS = "agent's container", "checks' container"


@dataclass(frozen=True)
class Aim:
    """A call of the worker to Docker, and on which side of it the blow falls.

    `before`: Docker never gets the call. `after`: Docker has done it, and nobody hears so.
    """

    call: str
    moment: Moment

    def __str__(self) -> str:
        return f"{self.moment} '{self.call}'"


@dataclass(frozen=True)
class Blow:
    """One blow. `seconds` is how long a freeze or an absence lasts; `pick` chooses among several
    containers, whatever there are; the faults fall beside it."""

    number: int
    deed: Deed
    target: str
    seconds: float = 0
    aim: Aim | None = None
    pick: float = 0
    forge: ForgeFault | None = None
    vendor: VendorFault | None = None

    @property
    def kind(self) -> str:
        """Its row in the table."""
        return f"{self.deed} {self.target}{' at a call to Docker' if self.aim else ''}"

    def __str__(self) -> str:
        lasts = f" for {self.seconds:g} s" if self.seconds else ""
        beside = [f"forge {self.forge.kind}"] if self.forge else []
        beside += [f"vendor {self.vendor.kind}"] if self.vendor else []
        where = f" {self.aim}" if self.aim else ""
        return f"{self.number}. {self.deed} {self.target}{lasts}{where}{', '.join(['', *beside])}"


STEPS = ("agent", "verify", "base", "probe")
CALLS = (
    *(f"{call} {step}" for step in STEPS for call in ("create", "inspect", "start", "logs")),
    *(f"remove {step}" for step in STEPS),
    *(f"{call} {volume}" for call in ("create", "remove") for volume in ("volume", "try-volume")),
    "list containers",
    "list volumes",
    "ping",
)
"""What the worker asks of Docker in a run that nothing disturbs, as docker_calls names it."""

_GATEWAY_CALLS = ("create agent", "start agent", "create verify", "start verify")
_CATEGORIES: tuple[tuple[str, int], ...] = (
    ("kill", 10),
    ("freeze", 7),
    ("aimed", 10),
    ("gateway while a container starts", 3),
    ("container", 2),
    ("engine", 1),
    ("everything", 2),
)
_KILLED = ("worker",) * 4 + ("gateway",) * 3 + ("postgres", "temporal") * 2 + ("jobs", "web")
_FROZEN = ("worker", "gateway") * 2 + ("postgres", "temporal", "jobs", "web")
_HURT: tuple[tuple[Deed, str], ...] = (
    ("remove", AGENT), ("kill", AGENT), ("pause", AGENT),
    ("remove", CHECKS), ("kill", CHECKS), ("pause", CHECKS),
)  # fmt: skip
_ABSENCES = (1.0, 4.0, 1.0, 10.0, 1.0, 52.0)
"""For how long everything is down, in seconds: the last is longer than any client's patience."""

_FORGE_FAULTS = (
    ForgeFault("status", status=502, times=2),
    ForgeFault("status", status=503, method="POST", times=2),
    ForgeFault("drop_after", method="POST", path="/(pulls|comments|labels)$"),
    ForgeFault("drop_before", times=2),
    ForgeFault("truncate", method="GET", times=2),
    ForgeFault("garbage", method="GET"),
    ForgeFault("timeout", seconds=5),
    ForgeFault("secondary", status=429, seconds=2),
)
_VENDOR_FAULTS = (
    VendorFault("status", status=500, times=2),
    VendorFault("status", status=529, times=2),
    VendorFault("status", status=429, headers={"retry-after": "2"}),
    VendorFault("cut", at_byte=900),
    VendorFault("drop"),
    VendorFault("delay", seconds=4),
)


def plan(seed: int, kills: int) -> list[Blow]:
    """The blows of a round; the same seed always gives the same ones, and more of them only go on.

    Seeded with a text, because Python's own generator promises the same numbers for it everywhere.
    """
    chance = random.Random(f"paid chaos {seed}")  # noqa: S311 - a plan, not a secret
    draw = _Decks(chance)
    return [draw.blow(number) for number in range(1, kills + 1)]


class _Decks:
    """All the decks that blows are drawn from."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._category = self._deck([name for name, times in _CATEGORIES for _ in range(times)])
        self._killed, self._frozen = self._deck(_KILLED), self._deck(_FROZEN)
        self._hurt = self._deck(_HURT)
        self._aims = self._deck(
            [Aim(call, moment) for call in CALLS for moment in ("before", "after")]
        )
        self._absences = self._deck(_ABSENCES)
        self._at_start = self._deck(
            [(deed, call) for deed in ("kill", "freeze") for call in _GATEWAY_CALLS]
        )
        self._forge: Iterator[ForgeFault] = self._deck(_FORGE_FAULTS)
        self._vendor: Iterator[VendorFault] = self._deck(_VENDOR_FAULTS)

    def blow(self, number: int) -> Blow:
        """The next blow."""
        deed, target, seconds, aim = self._strike(next(self._category))
        return Blow(
            number,
            deed,
            target,
            seconds,
            aim,
            pick=self._chance.random(),
            forge=next(self._forge) if self._chance.random() < 0.2 else None,
            vendor=next(self._vendor) if self._chance.random() < 0.2 else None,
        )

    def _strike(self, category: str) -> tuple[Deed, str, float, Aim | None]:
        some_seconds = round(self._chance.uniform(2, 8), 1)
        strikes: dict[str, Callable[[], tuple[Deed, str, float, Aim | None]]] = {
            "kill": lambda: ("kill", next(self._killed), 0, None),
            "freeze": lambda: ("freeze", next(self._frozen), some_seconds, None),
            "aimed": lambda: ("kill", "worker", 0, next(self._aims)),
            "gateway while a container starts": lambda: self._gateway(some_seconds),
            "container": lambda: self._container(some_seconds),
            "engine": lambda: ("away", ENGINE, some_seconds, None),
            "everything": lambda: ("kill", EVERYTHING, next(self._absences), None),
        }
        return strikes[category]()

    def _gateway(self, seconds: float) -> tuple[Deed, str, float, Aim | None]:
        deed, call = next(self._at_start)
        aim = Aim(call, "before")
        if deed == "kill":
            return "kill", "gateway", 0, aim
        return "freeze", "gateway", seconds, aim

    def _container(self, seconds: float) -> tuple[Deed, str, float, Aim | None]:
        deed, target = next(self._hurt)
        return deed, target, seconds if deed == "pause" else 0, None

    def _deck(self, cards: Sequence[T]) -> Iterator[T]:
        """The cards in random order, again and again."""
        while True:
            yield from self._chance.sample(cards, len(cards))
