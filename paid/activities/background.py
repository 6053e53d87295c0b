"""Work of a run that its next activity will ask for, begun before Temporal asks for it.

Between two activities of a run lie some ten milliseconds of Temporal's own. What is bound to come
next may use them. It is never more than a head start: an activity that finds nothing begun, on
another host or after a crash, does the work itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

T = TypeVar("T")
THREADS = 4


class Background:
    """Begun work by run and name. Safe between threads."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = ThreadPoolExecutor(threads, "background")
        self._lock = threading.Lock()
        self._begun: dict[tuple[int, str], Future[Any]] = {}

    def begin(self, run_id: int, name: str, work: Callable[[], object]) -> None:
        """Begin `work`, unless it is begun already."""
        with self._lock:
            if (run_id, name) not in self._begun:
                self._begun[run_id, name] = self._threads.submit(work)

    def outcome(self, run_id: int, name: str, work: Callable[[], T]) -> T:
        """What the begun work came to, its error included; else do `work` here and now.

        It is handed out once: who asks again, after an error, tries again.
        """
        with self._lock:
            begun = self._begun.pop((run_id, name), None)
        if begun is None or begun.cancel():
            return work()
        result: T = begun.result()
        return result

    def settle(self, run_id: int) -> None:
        """Wait for all that was begun for a run, and forget it."""
        with self._lock:
            keys = [key for key in self._begun if key[0] == run_id]
            begun = [self._begun.pop(key) for key in keys]
        wait([work for work in begun if not work.cancel()])
