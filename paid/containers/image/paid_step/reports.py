"""Reports to the host: signed lines on standard output.

A line is "\\x1ePAID ", a signature, a space and one JSON object with a running number. The agent
shares this output and may print look-alikes, so each report carries an HMAC whose key came in
the environment of process 1. That process is not dumpable: nobody else in the container can read
its environment, its memory or its file descriptors. A replayed report has an old number.
"""

from __future__ import annotations

import _thread
import os

from . import core

TYPE_CHECKING = False  # as `typing` has it, which is not loaded
if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "\x1ePAID "


def hide_from_the_agent() -> None:
    """Make this process unreadable for others of its user; the first thing that happens."""
    core.set_not_dumpable()


def sign(key: bytes, body: str) -> str:
    """The signature of a report's JSON text."""
    return core.hmac_sha256(key, body.encode()).hex()


class Reporter:
    """Writes reports; each starts on a new line, whatever the agent wrote before it."""

    def __init__(self, key: bytes, descriptor: int = 1) -> None:
        self._key = key
        self._descriptor = descriptor
        self._number = 0
        self._one_at_a_time = _thread.allocate_lock()  # the forwarder's thread reports, too

    def send(self, report: str, **fields: object) -> None:
        """Write one report. Blocks while the host does not read."""
        with self._one_at_a_time:
            self._write(report, fields)

    def _write(self, report: str, fields: Mapping[str, object]) -> None:
        self._number += 1
        body = core.write_json({"report": report, "n": self._number, **fields})
        line = f"{PREFIX}{sign(self._key, body)} {body}\n"
        data = (line if self._number == 1 else "\n" + line).encode()
        while data:
            data = data[os.write(self._descriptor, data) :]
