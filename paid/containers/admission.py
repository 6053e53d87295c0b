"""Starts are admitted a few at a time (design, decision 12), first come, first served."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

LOOK_SECONDS = 0.2


class StartSlots:
    """A semaphore whose waiters go in order, and can be cancelled.

    Waiting in short slices lets the exception in that Temporal raises in the thread of a
    cancelled activity.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._condition = threading.Condition()
        self._queue: deque[object] = deque()

    @property
    def waiting(self) -> int:
        """How many are in the queue."""
        with self._condition:
            return len(self._queue)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold one slot."""
        self._acquire()
        try:
            yield
        finally:
            with self._condition:
                self._free += 1
                self._condition.notify_all()

    def _acquire(self) -> None:
        ticket = object()
        with self._condition:
            self._queue.append(ticket)
            try:
                while self._free == 0 or self._queue[0] is not ticket:
                    self._condition.wait(LOOK_SECONDS)
                self._free -= 1
            finally:
                self._queue.remove(ticket)
                self._condition.notify_all()
