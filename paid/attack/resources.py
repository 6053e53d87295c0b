"""What every process of the host took while it was attacked: memory, processor time, life.

Looks at /proc: the processes that descend from this one are the host's side of Paid (worker,
gateway, git, PostgreSQL, Temporal). Containers descend from Docker, and have limits of their own.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

LOOK_SECONDS = 0.05
"""A process that takes much lives longer; the kernel keeps its peak between two looks."""
TICKS = os.sysconf("SC_CLK_TCK")
SERVANTS = ("python", "postgres", "temporal", "dockerd")
"""Programs that live as long as the installation: for them only memory is bounded."""
MOST_BYTES = 512 * 2**20
MOST_SECONDS = 30.0


@dataclass
class Usage:
    """The most that one process was seen to take."""

    name: str
    argv: str
    peak_bytes: int = 0
    cpu_seconds: float = 0.0
    first_seen: float = 0.0
    last_seen: float = 0.0

    @property
    def seconds(self) -> float:
        """How long the process was seen alive."""
        return self.last_seen - self.first_seen

    @property
    def is_bounded(self) -> bool:
        """Whether memory, and for what should be short also time, stayed within the aim."""
        lasting = self.name.startswith(SERVANTS)
        in_time = lasting or (self.seconds <= MOST_SECONDS and self.cpu_seconds <= MOST_SECONDS)
        return in_time and self.peak_bytes <= MOST_BYTES


class Watch:
    """Looks again and again until it is left; `usages` then has a row a process."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, str], Usage] = {}
        self._done = threading.Event()
        self._own_argv = Path("/proc/self/cmdline").read_bytes()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    @property
    def usages(self) -> list[Usage]:
        """Every process that was seen, the largest first."""
        return sorted(self._seen.values(), key=lambda usage: -usage.peak_bytes)

    def by_program(self) -> dict[str, Usage]:
        """The largest process of each program, with the longest life and time of any."""
        found: dict[str, Usage] = {}
        for usage in self.usages:
            found.setdefault(usage.name, usage)
        return found

    def _look_on(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            for pid in descendants(os.getpid()):
                self._look_at(pid)

    def _look_at(self, pid: int) -> None:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{pid}/status").read_text()
            argv = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return  # it has ended between two looks
        if argv == self._own_argv:
            return  # a child of this process that is not yet the program that it will be
        name = status.split("\n", 1)[0].partition("\t")[2]
        key = (pid, fields[19])
        usage = self._seen.setdefault(key, Usage(name, "", first_seen=time.monotonic()))
        usage.name = name
        usage.argv = argv.replace(b"\0", b" ").decode(errors="replace")[:200] or usage.argv
        usage.peak_bytes = max(usage.peak_bytes, _peak(status))
        usage.cpu_seconds = (int(fields[11]) + int(fields[12])) / TICKS
        usage.last_seen = time.monotonic()


def _peak(status: str) -> int:
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def descendants(root: int) -> Iterator[int]:
    """The processes below one, by their parents."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(folder.name))
    waiting = list(children.get(root, []))
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])
