"""Starts again whatever ends by itself, with longer and longer pauses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from paid.errors import PaidError

LOOK_SECONDS = 0.5
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""Who has lived so long starts with the shortest pause again."""


class Restartable(Protocol):
    """A program or server that may end by itself."""

    name: str

    def ended(self) -> bool:
        """True when it runs no more, though nobody stopped it."""

    def start(self) -> object:
        """Start it; it is stopped."""

    def stop(self) -> None:
        """Let go of what is left of it."""


class Watched:
    """One program, and when it may be started again."""

    def __init__(self, part: Restartable) -> None:
        self.part = part
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._started_at = time.monotonic()
        self._due_at: float | None = None

    def look(self, say: Callable[[str], None]) -> None:
        """Notice an end, or start it again when its pause is over."""
        moment = time.monotonic()
        if self._due_at is None:
            if self.part.ended():
                self._plan(moment, say)
        elif moment >= self._due_at:
            self._restart(say)

    def _plan(self, moment: float, say: Callable[[str], None]) -> None:
        if moment - self._started_at > STEADY_SECONDS:
            self._pause_seconds = FIRST_PAUSE_SECONDS
        say(f"{self.part.name} ended; starting it again in {self._pause_seconds:g} s")
        self._due_at = moment + self._pause_seconds
        self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)

    def _restart(self, say: Callable[[str], None]) -> None:
        self._due_at = None
        self._started_at = time.monotonic()
        try:
            self.part.stop()
            self.part.start()
        except PaidError as error:
            say(f"{self.part.name} does not start: {error}")
            self._plan(self._started_at, say)


class Supervisor:
    """A thread that looks at every part twice a second, until it is stopped."""

    def __init__(self, parts: Sequence[Restartable], say: Callable[[str], None]) -> None:
        self._watched = [Watched(part) for part in parts]
        self._say = say
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more; when this returns nothing is being started again."""
        self._stopping.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            for watched in self._watched:
                watched.look(self._say)
