"""Starts go before ends: fifty agents begin before what the first of them did is tidied up.

Beginning a run and ending its turn want the same few processors. Runs end as soon as they can when
nothing starts; while something does, what follows an agent's end (taking its commits, checks, the
push) waits. It never waits for long: a run gives way for some seconds in all, and a start that does
not come counts for some seconds only. Nothing is kept outside this process but a mark that a
container sees, and no container heeds it for long: a worker that dies frees everybody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATIENCE_SECONDS = 20.0
"""How long a run gives way after one agent's end, all its waits together."""
START_SECONDS = 30.0
"""How long a start may be awaited: the workflow between two steps may have stopped for a cancel, a
budget or a lost server, and nobody says so."""
LOOK_SECONDS = 0.5


class Precedence:
    """Which of a host's runs are about to start, and who waits for them. Safe between threads."""

    def __init__(
        self,
        patience_seconds: float = PATIENCE_SECONDS,
        start_seconds: float = START_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience_seconds, self._start_seconds = patience_seconds, start_seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._awaited: dict[int, float] = {}
        self._asked: dict[int, float] = {}
        self._marks: list[Path] = []

    def expect(self, run_id: int) -> None:
        """A start of this run is under way, from now until `settle`."""
        with self._changed:
            self._awaited[run_id] = self._clock() + self._start_seconds
            self._asked.pop(run_id, None)

    def is_crowded(self, run_id: int) -> bool:
        """Whether other runs start."""
        with self._changed:
            return self._others_start(run_id)

    def settle(self, run_id: int) -> None:
        """The run's agent works, or will not start; also for a run that was never expected."""
        with self._changed:
            was_awaited = self._awaited.pop(run_id, None) is not None
            # One that is left may be the waiting run's own; with more, everybody goes on waiting.
            if was_awaited and len(self._awaited) <= 1:
                self._changed.notify_all()
            if not self._awaited:
                self._clear_marks()

    def hold_back(self, run_id: int, mark: Path) -> None:
        """Put a file at `mark` until nothing starts any more, if other runs start now.

        The run's container sees it, and gives way as long as it is there (paid-step's `agent`).
        """
        with self._changed:
            if self._others_start(run_id):
                mark.touch()
                self._marks.append(mark)

    def ask(self, run_id: int) -> None:
        """The run's agent has ended; its patience begins."""
        with self._changed:
            self._asked.setdefault(run_id, self._clock())

    def forget(self, run_id: int) -> None:
        """The run is over."""
        self.settle(run_id)
        with self._changed:
            self._asked.pop(run_id, None)

    def give_way(self, run_id: int, leave: Callable[[], bool] = lambda: False) -> None:
        """Wait while other runs start, unless this one has waited long enough.

        Args:
            leave: asked twice a second; true ends the wait, for a cancel or a shutdown.
        """
        with self._changed:
            asked = self._asked.setdefault(run_id, self._clock())
            while (
                self._others_start(run_id)
                and self._clock() - asked < self._patience_seconds
                and not leave()
            ):
                self._changed.wait(LOOK_SECONDS)

    def _clear_marks(self) -> None:
        for mark in self._marks:
            with suppress(OSError):  # the run is over, and its folder is gone
                mark.unlink()
        self._marks.clear()

    def _others_start(self, run_id: int) -> bool:
        now = self._clock()
        late = [awaited for awaited, until in self._awaited.items() if until <= now]
        for awaited in late:
            del self._awaited[awaited]
        return bool(self._awaited.keys() - {run_id})
