"""Loaded by each Python that libfaketime gives another clock, from PYTHONPATH.

libfaketime 0.9.10 takes the moment up to which `time.sleep` asks the kernel to wait for one of the
wrong clock, and the call fails with EINVAL. A wait for nothing on no file is as long.
"""

from __future__ import annotations

import select
import time


def _sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


time.sleep = _sleep
