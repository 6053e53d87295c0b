"""How a stand-in that runs as a program waits for its end."""

from __future__ import annotations

import signal
import threading
from types import FrameType


def until_told_to_stop() -> None:
    """Block until SIGINT or SIGTERM arrives."""
    told = threading.Event()

    def tell(_number: int, _frame: FrameType | None) -> None:
        told.set()

    signal.signal(signal.SIGINT, tell)
    signal.signal(signal.SIGTERM, tell)
    told.wait()
