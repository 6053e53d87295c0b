"""Work of a run that its next activity will ask for, begun before Temporal asks for it.

Between two activities of a run lie some ten milliseconds of Temporal's own. What is bound to come
next may use them. It is never more than a head start: an activity that finds nothing begun, on
another host or after a crash, does the work itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from math import inf
from typing import Any, TypeVar

T = TypeVar("T")
THREADS = 4
MOST_KEPT = 1000
"""Above it what was done and never asked for, because another host took the run, is forgotten."""


@dataclass(frozen=True)
class _Begun:
    """Work under way or done, and when it was begun (`time.monotonic`)."""

    end: Future[Any]
    at: float = field(default_factory=time.monotonic)


class Background:
    """Begun work by run and name. Safe between threads."""

    def __init__(self, threads: int = THREADS, most_kept: int = MOST_KEPT) -> None:
        self._threads = ThreadPoolExecutor(threads, "background")
        self._most_kept = most_kept
        self._lock = threading.Lock()
        self._begun: dict[tuple[int, str], _Begun] = {}

    def begin(self, run_id: int, name: str, work: Callable[[], object]) -> None:
        """Begin `work`, unless it is begun already."""
        with self._lock:
            if len(self._begun) > self._most_kept:
                self._begun = {key: it for key, it in self._begun.items() if not it.end.done()}
            if (run_id, name) not in self._begun:
                self._begun[run_id, name] = _Begun(self._threads.submit(work))

    def outcome(self, run_id: int, name: str, work: Callable[[], T], *, within: float = inf) -> T:
        """What the begun work came to, its error included; else do `work` here and now.

        It is handed out once: who asks again, after an error, tries again. What was begun longer
        than `within` seconds ago is done anew.
        """
        key, mine = (run_id, name), _Begun(Future())
        mine.end.set_running_or_notify_cancel()
        with self._lock:
            begun = self._begun.get(key)
            if begun is None or begun.end.cancel() or mine.at - begun.at > within:
                begun = self._begun[key] = mine
        try:
            if begun is mine:
                _keep(mine.end, work)
            result: T = begun.end.result()
            return result
        finally:
            with self._lock:
                if self._begun.get(key) is begun:
                    del self._begun[key]

    def wait(self, run_id: int, name: str, seconds: float) -> None:
        """Wait, so long at most, for work that was begun or is being done, however it ends."""
        with self._lock:
            begun = self._begun.get((run_id, name))
        if begun is not None:
            wait([begun.end], seconds)

    def settle(self, run_id: int) -> None:
        """Wait for all that was begun for a run, and forget it."""
        with self._lock:
            keys = [key for key in self._begun if key[0] == run_id]
            begun = [self._begun.pop(key).end for key in keys]
        wait([work for work in begun if not work.cancel()])


def _keep(promise: Future[Any], work: Callable[[], object]) -> None:
    """Do the work in this thread, for everybody who waits for it."""
    try:
        promise.set_result(work())
    except BaseException as error:  # handed to whoever asks for the result
        promise.set_exception(error)
