"""Reports to the host: signed lines on standard output.

A line is "\\x1ePAID ", a signature, a space and one JSON object with a running number. The agent
shares this output and may print look-alikes, so each report carries an HMAC whose key came in
the environment of process 1. That process is not dumpable: nobody else in the container can read
its environment, its memory or its file descriptors. A replayed report has an old number.
"""

from __future__ import annotations

import ctypes
import hmac
import json
import os

PREFIX = "\x1ePAID "
PR_SET_DUMPABLE = 4


def hide_from_the_agent() -> None:
    """Make this process unreadable for others of its user; the first thing that happens."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")


def sign(key: bytes, body: str) -> str:
    """The signature of a report's JSON text."""
    return hmac.digest(key, body.encode(), "sha256").hex()


class Reporter:
    """Writes reports; each starts on a new line, whatever the agent wrote before it."""

    def __init__(self, key: bytes, descriptor: int = 1) -> None:
        self._key = key
        self._descriptor = descriptor
        self._number = 0

    def send(self, report: str, **fields: object) -> None:
        """Write one report. Blocks while the host does not read."""
        self._number += 1
        body = json.dumps({"report": report, "n": self._number, **fields}, separators=(",", ":"))
        line = f"{PREFIX}{sign(self._key, body)} {body}\n"
        data = (line if self._number == 1 else "\n" + line).encode()
        while data:
            data = data[os.write(self._descriptor, data) :]
