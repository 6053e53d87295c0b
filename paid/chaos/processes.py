"""The processes of one installation, and signals to them.

They are found by the files that hold their numbers. Nothing is signalled that does not carry this
installation's own folder in its command line, or was started by what does.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from paid.chaos.plan import PROCESSES
from paid.embedded.postgres_files import PostgresFiles
from paid.embedded.process import is_running, read_pid

PROGRAMS = ("worker", "gateway", "jobs", "web")


class Processes:
    """Those of the installation of one data folder, which `paid up` (process `up`) has started."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.resolve()
        self._postgres = PostgresFiles(self._data_dir / "postgres")

    def pid(self, name: str) -> int | None:
        """The number of a process that lives; None while there is none."""
        if name == "postgres":
            pid_file, marker = self._postgres.pid_file, str(self._postgres.data)
        elif name == "temporal":
            folder = self._data_dir / "temporal"
            pid_file, marker = folder / "temporal.pid", str(folder)
        else:
            pid_file = self._data_dir / "logs" / f"{name}.pid"
            marker = f"paid-data={self._data_dir}"
        pid = read_pid(pid_file)
        return pid if pid is not None and is_running(pid, marker) else None

    def kill(self, name: str) -> bool:
        """kill -9; False when there was nothing to kill."""
        pid = self.pid(name)
        return pid is not None and _signal(pid, signal.SIGKILL)

    def freeze(self, name: str) -> list[int]:
        """SIGSTOP to it and to all that it has started; returns them, for `thaw`."""
        pid = self.pid(name)
        if pid is None:
            return []
        family = [pid, *_descendants(pid)]
        return [each for each in family if _signal(each, signal.SIGSTOP)]

    @staticmethod
    def thaw(family: list[int]) -> None:
        """Let those go on that were frozen; the numbers are still theirs, or nobody's."""
        for pid in family:
            if _state(pid) == "T":
                _signal(pid, signal.SIGCONT)

    def kill_everything(self, up: int) -> None:
        """kill -9 to `paid up`, to what it started, and to what these started, all at once."""
        family = [up, *_descendants(up)]
        family += [pid for name in PROCESSES if (pid := self.pid(name)) is not None]
        for pid in dict.fromkeys(family):
            _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def _descendants(pid: int) -> Iterator[int]:
    """Children and theirs, as Linux lists them by thread."""
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                yield child
                yield from _descendants(child)


def _state(pid: int) -> str:
    """R, S, T (stopped) and so on; empty when there is none."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""
