"""Runs the project's checks on the exact commit and says how each ended."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Mapping, Sequence

from . import probe, processes

HEAD_BYTES = 8 * 1024
TAIL_BYTES = 24 * 1024
POLL_SECONDS = 0.02


class CheckResult:
    """How one check ended.

    `code` is None when it was ended by a `signal` or by its time limit. `oom_kills` is how many
    processes the kernel killed for want of memory meanwhile.
    """

    def __init__(self, code: int | None, seconds: float, timed_out: bool, output: str) -> None:
        self.code = code
        self.seconds = seconds
        self.timed_out = timed_out
        self.output = output
        self.signal: int | None = None
        self.oom_kills = 0


class BoundedOutput:
    """Keeps the beginning and the end of what a check says."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """Take more output in."""
        room = HEAD_BYTES - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        extra = len(self._tail) - TAIL_BYTES
        if extra > 0:
            self._dropped += extra
            del self._tail[:extra]

    def text(self) -> str:
        """The output, with a marker where its middle is missing."""
        marker = f"\n[… {self._dropped} bytes left out …]\n" if self._dropped else ""
        head = self._head.decode(errors="replace")
        return head + marker + bytes(self._tail).decode(errors="replace")


def run(argv: Sequence[str], env: Mapping[str, str], timeout_seconds: float) -> CheckResult:
    """Run one check in the current folder; its processes are ended when its time is over."""
    started, killed_before = time.monotonic(), probe.oom_kills()
    source, sink = os.pipe()
    try:
        pid = processes.start(argv, env, output=sink)
    except (OSError, ValueError) as error:
        os.close(source)
        return CheckResult(processes.code_of(error), 0.0, False, f"{argv[0]}: {error}")
    finally:
        os.close(sink)
    output = BoundedOutput()
    status = _drain(pid, source, output, started + timeout_seconds)
    os.close(source)
    if status is None:
        processes.signal_group(pid, signal.SIGKILL)
    code = os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None
    seconds = round(time.monotonic() - started, 3)
    result = CheckResult(code, seconds, status is None, output.text())
    if status is not None and os.WIFSIGNALED(status):
        result.signal = os.WTERMSIG(status)
    result.oom_kills = probe.oom_kills() - killed_before
    return result


def _drain(pid: int, source: int, output: BoundedOutput, deadline: float) -> int | None:
    """Read until the check has ended; its wait status, None when its time was over first.

    The end of the process counts, not the end of its output: a daemon that it left behind may
    hold the pipe open for ever.
    """
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        open_ended = True
        status = None
        while time.monotonic() < deadline and not processes.asked_to_stop():
            if open_ended and selector.select(0 if status is not None else POLL_SECONDS):
                data = os.read(source, 65536)
                output.add(data)
                open_ended = bool(data)
                continue
            if status is not None:
                return status
            status = processes.reap(pid)
            if not open_ended and status is None:
                time.sleep(POLL_SECONDS)
        return status
