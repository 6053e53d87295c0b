"""One of Paid's own programs as a child process that can be started again."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from paid.embedded.process import Command, ServerProcess, end_leftover
from paid.settings import Settings, child_environment

GRACE_SECONDS = 15
FAIR_STARTS = 3
"""A program that ended so often before it did its work has a reason that stays."""
MODEL_KEYS = frozenset({"anthropic_api_key", "openai_api_key", "gemini_api_key"})
TOKENS = frozenset({"github_token"})

Ready = Callable[[Settings, float], bool]
"""Asked, with the time of the start, whether a program does its work by now."""


@dataclass(frozen=True)
class Program:
    """A program of ours: `python -m module`, what it must not know, and how it shows its life."""

    name: str
    module: str
    says: str
    ready: Ready
    withheld: frozenset[str]


class Part:
    """A program as it runs. It lives no longer than this process (paid.embedded.lifeline)."""

    def __init__(self, program: Program, settings: Settings, logs: Path) -> None:
        self.program = program
        self.name = program.name
        self._settings = settings
        self._logs = logs
        self._process: ServerProcess | None = None
        self._failures = 0

    @property
    def log_file(self) -> Path:
        """What the program said."""
        return self._logs / f"{self.name}.log"

    def start(self) -> None:
        """Start it, after the end of one that a killed `paid up` left behind."""
        command = self._command()
        end_leftover(command.pid_file, self._marker, signal.SIGTERM, GRACE_SECONDS)
        self._process = ServerProcess(command)

    def ended(self) -> bool:
        """True when it runs no more, though nobody stopped it."""
        return self._process is not None and self._process.ended()

    def was_killed(self) -> bool:
        """True when it ended by SIGKILL, which nobody here sent."""
        return self._process is not None and self._process.was_killed()

    def stop(self) -> None:
        """Ask it to stop, insist after its grace, and wait; safe to call twice."""
        if self._process is not None:
            self._failures += self._process.ended() and not self._process.was_killed()
            self._process.stop()
            self._process = None

    def is_ready(self, since: float) -> bool:
        """Whether it does its work.

        One that ended is started again by the supervisor: it was killed, or a server that it needs
        was. Raises EmbeddedServiceError when it ended of itself at `FAIR_STARTS` starts.
        """
        process = self._process
        if process is not None and process.ended():
            if not process.was_killed() and self._failures + 1 >= FAIR_STARTS:
                raise process.failure("ended while it was starting")
            return False
        return self.program.ready(self._settings, since)

    @property
    def _marker(self) -> str:
        """Tells our program from that of another installation in a list of processes."""
        return f"paid-data={self._settings.data_dir.resolve()} -m {self.program.module}"

    def _command(self) -> Command:
        option = f"paid-data={self._settings.data_dir.resolve()}"
        return Command(
            name=self.name,
            argv=[sys.executable, "-X", option, "-m", self.program.module],
            home=self._logs,
            grace_seconds=GRACE_SECONDS,
            environment=child_environment(self._settings, withheld=self.program.withheld),
        )
