"""Lines that say what set-up does: one a step, and the step's own words while it is long."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

NAME_WIDTH = 22
LINE_WIDTH = 110


class Step:
    """One step: `say` for words on the way, `outcome` for what to show when it is done.

    In a terminal the words replace each other on one line; elsewhere each gets its own.
    """

    def __init__(self, name: str, out: TextIO) -> None:
        self._name = name.ljust(NAME_WIDTH)
        self._out = out
        self._live = out.isatty()
        self._started = time.monotonic()
        self.outcome = ""

    def say(self, text: str) -> None:
        line = f"… {self._name} {text}"
        self._write(line[:LINE_WIDTH] if self._live else f"{line}\n")

    def __enter__(self) -> Step:
        if self._live:
            self.say("")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._write(f"✗ {self._name} failed\n")
            return
        seconds = time.monotonic() - self._started
        self._write(f"✓ {self._name} {self.outcome} ({seconds:.1f} s)\n")

    def _write(self, text: str) -> None:
        self._out.write(f"\r\033[K{text}" if self._live else text)
        self._out.flush()


class Progress:
    """Makes steps that print to one place."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout

    def step(self, name: str) -> Step:
        return Step(name, self._out)
