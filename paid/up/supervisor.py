"""Starts again whatever ends by itself: soon, or with longer and longer pauses while it crashes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from paid.errors import PaidError

LOOK_SECONDS = 0.2
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 10.0
"""Who has lived so long has done its work, and starts with the shortest pause again: a program
that cannot begin ends within a few seconds."""
FORGIVEN_KILLS = 5
"""So often in a row a program that was killed before it was steady is started again at once. It has
not crashed; but where it is the kernel that kills it, for want of memory, pauses must grow."""

Say = Callable[[str], None]
Away = Callable[[], str]
"""The name of what every program needs and does not answer; empty when all of it does."""


class Restartable(Protocol):
    """A program or server that may end by itself."""

    name: str

    def ended(self) -> bool:
        """True when it runs no more, though nobody stopped it."""

    def start(self) -> object:
        """Start it; it is stopped."""

    def stop(self) -> None:
        """Let go of what is left of it."""


@runtime_checkable
class Killable(Protocol):
    """One that knows how it ended."""

    def was_killed(self) -> bool:
        """True when it ended by SIGKILL, which somebody else has sent."""


def nothing_is_away() -> str:
    """What a server needs of others."""
    return ""


class Watched:
    """One program, and when it may be started again.

    A program that ends while a server is away has not crashed: it is started when that is back,
    and its pauses grow no longer for it. Nor has one that was killed: it is started at once.
    """

    def __init__(self, part: Restartable, away: Away = nothing_is_away) -> None:
        self.part = part
        self._away = away
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._kills = 0
        self._started_at = time.monotonic()
        self._due_at: float | None = None
        self._waits_for = ""

    def look(self, say: Say) -> None:
        """Notice an end, or start it again when its pause is over."""
        moment = time.monotonic()
        if self._due_at is None:
            if self.part.ended():
                self._plan(moment, say)
        elif moment >= self._due_at and not self._must_wait(say):
            self._restart(say)

    def _plan(self, moment: float, say: Say) -> None:
        if moment - self._started_at > STEADY_SECONDS:
            self._pause_seconds, self._kills = FIRST_PAUSE_SECONDS, 0
        self._due_at, self._waits_for = moment, ""
        if self._must_wait(say):
            return
        if self._is_forgiven():
            say(f"{self.part.name} ended; starting it again at once, since it was killed")
            return
        say(f"{self.part.name} ended; starting it again in {self._pause_seconds:g} s")
        self._due_at = moment + self._pause_seconds
        self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)

    def _is_forgiven(self) -> bool:
        if not (isinstance(self.part, Killable) and self.part.was_killed()):
            return False
        self._kills += 1
        return self._kills <= FORGIVEN_KILLS

    def _must_wait(self, say: Say) -> bool:
        """Whether a server is away without which the program would end at once; said once."""
        away = self._away()
        if away and away != self._waits_for:
            say(f"{self.part.name} ended; starting it again as soon as {away} answers")
            self._waits_for = away
        return bool(away)

    def _restart(self, say: Say) -> None:
        self._due_at = None
        self._started_at = time.monotonic()
        try:
            self.part.stop()
            self.part.start()
        except PaidError as error:
            say(f"{self.part.name} does not start: {error}")
            self._plan(self._started_at, say)


class Supervisor:
    """A thread for each part that looks at it five times a second, until it is stopped.

    One that takes long to start, as a database that recovers does, keeps no other waiting.

    Args:
        parts: programs, which need what `away` tells of.
        servers: what they need, so far as it is ours to start.
    """

    def __init__(
        self,
        parts: Sequence[Restartable],
        say: Say,
        servers: Sequence[Restartable] = (),
        away: Away = nothing_is_away,
    ) -> None:
        watched = [*map(Watched, servers), *(Watched(part, away) for part in parts)]
        self._say = say
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(each,), name="supervisor", daemon=True)
            for each in watched
        ]

    def start(self) -> None:
        """Begin to watch."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Watch no more; when this returns nothing is being started again."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _watch(self, watched: Watched) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            watched.look(self._say)
