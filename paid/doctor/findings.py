"""What the doctor finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from paid.settings import Settings


class State(StrEnum):
    """How a part is. BROKEN stops runs; WARNING will, or costs comfort; SKIPPED was not asked."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `mend` says what to do about it."""

    name: str
    state: State
    detail: str
    mend: str = ""


@dataclass(frozen=True)
class Case:
    """What the doctor looks at: the settings, and whether the vendors may be asked."""

    settings: Settings
    online: bool = False


@dataclass(frozen=True)
class Check:
    """A question about one part. `look` may raise; it is given `seconds` to answer."""

    name: str
    look: Callable[[Case], Sequence[Finding]]
    seconds: float = 10.0
    mend: str = ""


def ok(name: str, detail: str) -> Finding:
    """All is well."""
    return Finding(name, State.OK, detail)


def warning(name: str, detail: str, mend: str) -> Finding:
    """It works, for now or in part."""
    return Finding(name, State.WARNING, detail, mend)


def broken(name: str, detail: str, mend: str) -> Finding:
    """Runs will fail."""
    return Finding(name, State.BROKEN, detail, mend)


def skipped(name: str, detail: str) -> Finding:
    """Not looked at."""
    return Finding(name, State.SKIPPED, detail)
