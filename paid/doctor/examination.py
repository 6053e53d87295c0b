"""Looks at all parts at once; one that hangs or fails says so and disturbs no other."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence

from paid.doctor import containers, machine, prices, servers, services
from paid.doctor.findings import Case, Check, Finding, State
from paid.errors import PaidError
from paid.settings import Settings

CHECKS: tuple[Check, ...] = (
    *machine.CHECKS,
    *containers.CHECKS,
    *servers.CHECKS,
    *services.CHECKS,
    *prices.CHECKS,
)


def examine(
    settings: Settings, *, online: bool = False, checks: Sequence[Check] = CHECKS
) -> list[Finding]:
    """Every finding, in the order of the checks. Asks the model vendors only when `online`."""
    case = Case(settings, online)
    started = [(check, _start(check, case)) for check in checks]
    begin = time.monotonic()
    return [finding for check, answer in started for finding in _wait(check, answer, begin)]


def _start(check: Check, case: Case) -> queue.Queue[Sequence[Finding]]:
    """A daemon thread, because a call that hangs cannot be broken off, only left behind."""
    answer: queue.Queue[Sequence[Finding]] = queue.Queue()
    threading.Thread(
        target=lambda: answer.put(look(check, case)), name=f"doctor {check.name}", daemon=True
    ).start()
    return answer


def look(check: Check, case: Case) -> Sequence[Finding]:
    """The check's findings; whatever it raises is one."""
    try:
        return check.look(case)
    except PaidError as error:
        return [Finding(check.name, State.BROKEN, error.message, error.hint or check.mend)]
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"
        return [Finding(check.name, State.BROKEN, detail, check.mend)]


def _wait(check: Check, answer: queue.Queue[Sequence[Finding]], begin: float) -> Sequence[Finding]:
    left = check.seconds - (time.monotonic() - begin)
    try:
        return answer.get(timeout=max(0.05, left))
    except queue.Empty:
        detail = f"no answer within {check.seconds:g} s"
        return [Finding(check.name, State.BROKEN, detail, check.mend)]
