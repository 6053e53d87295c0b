"""What the agent writes, up to so many bytes a turn: behind them the container says nothing of it.

The agent has two pipes in place of the container's own output, which nobody but process 1 can
reach. So a flood costs the host neither disk nor time: it ends here.
"""

from __future__ import annotations

import _thread
import os
import time

MOST_BYTES = 32 * 1024 * 1024
"""Of a turn, on both pipes together; agents that print whole files write a few MiB."""
PIECE_BYTES = 64 * 1024
MARKER = b"\n[the output is cut here: the agent has written more than %d bytes]\n"


class BoundedOutput:
    """Two pipes, and threads that pass on what comes through them."""

    def __init__(self, most_bytes: int = MOST_BYTES, targets: tuple[int, int] = (1, 2)) -> None:
        self._left = self._most_bytes = most_bytes
        self._is_told = False
        self._targets = targets
        self._pipes = [os.pipe(), os.pipe()]
        self._one_at_a_time = _thread.allocate_lock()
        self._ended = [_thread.allocate_lock() for _ in targets]
        self.ends = (self._pipes[0][1], self._pipes[1][1])
        """Where the agent's output and errors go."""

    def start(self) -> None:
        """Pass on from now."""
        for place in range(2):
            self._ended[place].acquire()
            _thread.start_new_thread(self._pass_on, (place,))

    def started(self) -> None:
        """The agent has its ends, so that ours can go: the pipes end with the last that has one."""
        for end in self.ends:
            os.close(end)

    def finish(self, seconds: float) -> None:
        """Wait until all is passed on; the agent's processes are dead, or it is given up."""
        until = time.monotonic() + seconds
        for ended in self._ended:
            ended.acquire(timeout=max(0.0, until - time.monotonic()))

    def _pass_on(self, place: int) -> None:
        source, target = self._pipes[place][0], self._targets[place]
        try:
            while piece := os.read(source, PIECE_BYTES):
                with self._one_at_a_time:
                    passed = piece[: self._left]
                    self._left -= len(passed)
                    is_cut = len(passed) < len(piece) and not self._is_told
                    self._is_told = self._is_told or is_cut
                _write(target, passed)
                if is_cut:
                    _write(target, MARKER % self._most_bytes)
        finally:
            self._ended[place].release()


def _write(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]
