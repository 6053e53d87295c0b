"""Heartbeats from a thread of their own, for activities that wait in a call."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from temporalio import activity

BEAT_SECONDS = 5.0
"""Well under the shortest heartbeat timeout; the SDK throttles what is too often."""
TICK_SECONDS = 0.5


@contextmanager
def heartbeats(
    *, on_cancel: Callable[[], None] | None = None, on_detach: Callable[[], None] | None = None
) -> Iterator[None]:
    """Beat until the block ends.

    Args:
        on_cancel: called once, from the thread, when a person cancels.
        on_detach: called once when this attempt shall let go: a shutdown of the worker, or the
            server has given the activity to somebody else.
    """
    done = threading.Event()
    context = contextvars.copy_context()
    thread = threading.Thread(
        target=context.run, args=(_beat, done, on_cancel, on_detach), daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def cancel_was_requested() -> bool:
    """Whether a person's cancel, rather than a shutdown or a time-out, ends this activity."""
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested


def _beat(
    done: threading.Event,
    on_cancel: Callable[[], None] | None,
    on_detach: Callable[[], None] | None,
) -> None:
    ticks, told = 0, False
    while not done.wait(TICK_SECONDS):
        ticks += 1
        if ticks % int(BEAT_SECONDS / TICK_SECONDS) == 0:
            activity.heartbeat()
        if activity.is_cancelled() and not told:
            told = True
            act = on_cancel if cancel_was_requested() else on_detach
            if act is not None:
                act()
