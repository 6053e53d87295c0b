"""File locks between threads and processes of one host; the kernel frees them when one dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paid.errors import GitUnavailableError

_LOOK_AGAIN_SECONDS = 0.02


@contextmanager
def held(path: Path, *, shared: bool = False, wait_seconds: float = 1800) -> Iterator[None]:
    """Hold the lock of a file that is made if need be.

    Raises GitUnavailableError, which may be retried, when it is not free in time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, wait_seconds)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int, wait_seconds: float) -> None:
    # not a blocking flock: that could not be left when whoever holds it hangs
    end = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise GitUnavailableError("Another step holds the mirror for too long.") from None
            time.sleep(_LOOK_AGAIN_SECONDS)
        else:
            return
