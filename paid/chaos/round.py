"""A round: issues are labelled, blows fall while they are worked on, and the rest is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import col, select
from temporalio.service import RPCError

from paid.chaos import gather
from paid.chaos.evidence import Evidence
from paid.chaos.pauses import Pauses, pauses
from paid.chaos.plan import Blow
from paid.chaos.stage import Stage
from paid.chaos.strike import Striker
from paid.errors import PaidError
from paid.models import Run

LOOK_SECONDS = 0.5
PATIENT_INTERVALS = 3
"""So many blows may fall while an aimed one lies in wait for its call to Docker."""
STUCK_SECONDS = 420.0
"""So long after the last blow, and after the last run that ended, the others are stuck: longer than
any wait between attempts, than an agent's patience, and than a turn."""
CLEAN_SECONDS = 120.0
"""So long what nobody owns may stay: the keeper of a host looks every minute."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What a round came to, before it is judged."""

    evidence: Evidence
    pauses: Pauses
    struck: dict[str, int]
    missed_aims: int
    fell_on_nothing: int
    calls: dict[str, int]
    seconds: float


class Round:
    """One round on one stage. `at_once` is how many issues are worked on together."""

    def __init__(self, stage: Stage, at_once: int, interval_seconds: float, say: Say) -> None:
        self._stage, self._at_once, self._say = stage, at_once, say
        self._interval_seconds = interval_seconds
        self._began = time.monotonic()
        self._striker = Striker(stage, PATIENT_INTERVALS * interval_seconds, self._tell)
        self._deaths: list[str] = []

    def play(self, blows: list[Blow]) -> Outcome:
        """Strike them all, let the last runs end, and collect what is left."""
        try:
            if not (blows and blows[0].aim):
                self._wait(self._interval_seconds / 2)
            for blow in blows:
                self._striker.strike(blow)
                self._wait(self._interval_seconds)
            while self._striker.busy():
                self._wait(LOOK_SECONDS)
        finally:
            self._striker.release()
        self._stage.forge.mend()
        self._stage.model.mend()
        self._drain()
        self._clean()
        return self._outcome()

    def _wait(self, seconds: float) -> None:
        """Keep as many issues at work as there shall be, for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            ended = self._ended()
            if ended is not None:
                for _ in range(self._at_once - (len(self._stage.labelled) - ended)):
                    self._stage.label_one()
            self._striker.look()
            self._look_after_up()
            time.sleep(LOOK_SECONDS)  # several servers are watched, each of which may be down

    def _drain(self) -> None:
        """Wait until the last run has ended, or until nothing has ended for very long."""
        self._tell("the last blow has fallen; waiting for the last runs")
        ended, since = -1, time.monotonic()
        while time.monotonic() - since < STUCK_SECONDS:
            self._look_after_up()
            now = self._ended()
            if now is not None and now > ended:
                ended, since = now, time.monotonic()
            if ended >= len(self._stage.labelled):
                return
            time.sleep(LOOK_SECONDS)
        self._tell(f"{len(self._stage.labelled) - ended} runs do not end")

    def _clean(self) -> None:
        """Give what is cleaned up behind the end its time."""
        until = time.monotonic() + CLEAN_SECONDS
        while time.monotonic() < until:
            self._look_after_up()
            with suppress(PaidError, RPCError):
                if not gather.settles(self._stage):
                    return
            time.sleep(1)

    def _gather(self) -> Evidence:
        return gather.gather(self._stage, dict(self._striker.destroyed), tuple(self._deaths))

    def _outcome(self) -> Outcome:
        counts: dict[str, int] = {}
        for struck in self._striker.struck:
            counts[struck.kind] = counts.get(struck.kind, 0) + 1
        return Outcome(
            evidence=self._gather(),
            pauses=pauses(self._striker.struck, gather.lives(self._stage)),
            struck=dict(sorted(counts.items())),
            missed_aims=self._striker.missed_aims,
            fell_on_nothing=self._striker.fell_on_nothing,
            calls=dict(sorted(self._stage.door.calls.items())),
            seconds=time.monotonic() - self._began,
        )

    def _ended(self) -> int | None:
        """How many runs have ended; None while PostgreSQL does not say."""
        try:
            with self._stage.database.session() as session:
                question = select(func.count()).where(col(Run.ended_at).is_not(None))
                return session.exec(question).one()
        except PaidError:
            return None

    def _look_after_up(self) -> None:
        """`paid up` never ends by itself; where it does, that is a finding, and it starts again."""
        if self._stage.paid.ended():
            self._deaths.append("paid up")
            self._tell("`paid up` ended by itself")
            self._stage.paid.start()

    def _tell(self, what: str) -> None:
        seconds = int(time.monotonic() - self._began)
        ended, labelled = self._ended(), len(self._stage.labelled)
        known = "?" if ended is None else ended
        self._say(f"{seconds // 60:02d}:{seconds % 60:02d} [{known}/{labelled} ended] {what}")
