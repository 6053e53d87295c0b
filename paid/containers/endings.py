"""Why a step's container ended without having done its work. Pure: what was seen in, an error out.

Process 1 of a container is ours, and nobody inside can end it: an end by a signal, without the
last report, comes from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paid.containers.contract import Exit
from paid.containers.image.paid_step.places import DONE, GATEWAY_AWAY, NOT_TIGHT
from paid.errors import (
    ContainerError,
    ContainerKilledError,
    GatewayAwayError,
    OutOfMemoryError,
    SandboxNotTightError,
)

FIRST_SIGNAL = 128
"""A process that a signal ended has this and the signal's number as its exit code (128 + n)."""
HOST_RESTARTED = 255
"""What Docker gives a container that it finds dead after the host was started again."""
REMOVED = Exit(137, error="removed")
"""In place of the end of a container that is not there any more."""
KILLERS = "`docker kill`, the kernel for want of the host's memory, a restart of Docker or the host"

Reports = Mapping[str, Mapping[str, Any]]
"""The fields of the last report of each name."""


def error_of(
    name: str, exit: Exit, reports: Reports, last_lines: Sequence[str] = ()
) -> ContainerError | None:
    """The error that tells how the container `name` ended; None when it did its work."""
    said = str(reports.get("trouble", {}).get("message", ""))
    if exit.code == DONE:
        return None
    if exit.code == NOT_TIGHT and "probe" in reports:
        openings = "; ".join(map(str, reports["probe"].get("openings", [])))
        return SandboxNotTightError(f"The sandbox of {name} is open: {openings}.", hint=TIGHT_HINT)
    if exit.code == GATEWAY_AWAY:
        return GatewayAwayError(said or "The gateway does not answer.", hint=GATEWAY_HINT)
    if exit.oom_killed and was_ended_from_outside(exit):
        return OutOfMemoryError(
            f"{name} needed more memory than it has.",
            hint="Raise it: `paid project set PROJECT --memory-mib`.",
        )
    if not said and was_ended_from_outside(exit):
        return ContainerKilledError(f"{name} was killed from outside ({by_whom(exit)}).")
    said = said or exit.error or " / ".join(last_lines[-3:])
    return ContainerError(f"{name} ended with {exit.code}: {said or 'no reason given'}")


TIGHT_HINT = "Nothing was started in it. `paid doctor` checks this host's engine."
GATEWAY_HINT = "The run goes on when it is back; `paid up` or your supervisor starts it again."


def was_ended_from_outside(exit: Exit) -> bool:
    """Whether somebody else than paid-step ended the container."""
    return exit.code >= FIRST_SIGNAL


def by_whom(exit: Exit) -> str:
    """Who may have ended it, in brackets behind what happened."""
    if exit is REMOVED:
        return "somebody removed it"
    if exit.code == HOST_RESTARTED:
        return f"exit code {exit.code}: Docker or the host was started again"
    return f"exit code {exit.code}: by {KILLERS}"
