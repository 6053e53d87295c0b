"""Runs a short step from start to end: prepare a base, collect, verify, look at the sandbox.

The agent's own step is followed by its activity instead, line by line and over worker restarts.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paid.containers.contract import Engine, Exit, StepSpec
from paid.containers.endings import REMOVED, error_of
from paid.containers.image.paid_step.places import DONE
from paid.containers.reports import Report, ReportReader
from paid.errors import ContainerError, ContainerLostError

KEPT_LINES = 50


@dataclass(frozen=True)
class Outcome:
    """How a step ended: its reports in order, and the last lines of other output."""

    exit: Exit
    reports: tuple[Report, ...]
    last_lines: tuple[str, ...]

    def fields(self, name: str) -> Mapping[str, Any] | None:
        """The last report of this name; None when the step did not get so far."""
        found = [report.fields for report in self.reports if report.name == name]
        return found[-1] if found else None


def run_step(engine: Engine, spec: StepSpec, timeout_seconds: float) -> Outcome:
    """Start (or adopt) a step, read it to its end, and remove its container.

    A step that does not end in time is killed. Raises the error that says why the step could not
    do its work (paid.containers.endings).
    """
    engine.start(spec)
    is_late = threading.Event()
    clock = threading.Timer(timeout_seconds, _end_late, [engine, spec.name, is_late])
    clock.daemon = True
    clock.start()
    try:
        outcome = _read(engine, spec.name)
    except ContainerLostError:
        outcome = Outcome(REMOVED, (), ())
    finally:
        clock.cancel()
    engine.remove(spec.name)
    if is_late.is_set() and outcome.exit.code != DONE:
        raise ContainerError(f"{spec.name} did not end within {timeout_seconds:g} s.")
    raise_unless_done(outcome, spec.name)
    return outcome


def _end_late(engine: Engine, name: str, is_late: threading.Event) -> None:
    is_late.set()
    engine.kill(name)


def raise_unless_done(outcome: Outcome, name: str) -> None:
    """Turn a step's bad end into the error that says why."""
    reports = {report.name: report.fields for report in outcome.reports}
    if (error := error_of(name, outcome.exit, reports, outcome.last_lines)) is not None:
        raise error


def _read(engine: Engine, name: str) -> Outcome:
    reader = ReportReader(engine.report_key(name))
    reports: list[Report] = []
    others: deque[str] = deque(maxlen=KEPT_LINES)
    with engine.follow(name) as lines:
        for line in lines:
            report = reader.read(line.text)
            if report is not None:
                reports.append(report)
            elif line.text:
                others.append(line.text[:2000])
    ended = engine.wait(name, 10.0)
    if ended is None:
        raise ContainerError(f"{name} runs on although its output has ended.")
    return Outcome(ended, tuple(reports), tuple(others))
