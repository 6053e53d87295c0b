"""What the end of an agent's turn means for its run. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from paid.contracts import RunStatus, TurnEnd, TurnResult

MOST_INTERRUPTIONS = 3
"""So often an agent goes on whose container went with Docker: it may be what brings Docker down."""
_ENDS: Mapping[TurnEnd, tuple[RunStatus, str]] = {
    TurnEnd.NEEDS_INPUT: (RunStatus.NEEDS_INPUT, "needs_input"),
    TurnEnd.AGENT_ERROR: (RunStatus.FAILED, "agent"),
    TurnEnd.LOST: (RunStatus.FAILED, "container_lost"),
    TurnEnd.INTERRUPTED: (RunStatus.FAILED, "container_lost"),
}


def end_of(turn: TurnResult) -> tuple[RunStatus, str] | None:
    """The run's end and its code; None when it goes on with the turn's commit."""
    if turn.end is TurnEnd.FINISHED:
        return None if turn.head_sha is not None else (RunStatus.NO_CHANGES, "no_changes")
    return _ENDS.get(turn.end, (RunStatus.FAILED, "limit_reached"))


class Interruptions:
    """Counts the turns of a run that a restart of Docker has ended."""

    def __init__(self) -> None:
        self._count = 0

    def may_go_on(self, turn: TurnResult) -> bool:
        """Whether a further turn goes on where this one was interrupted."""
        self._count += turn.end is TurnEnd.INTERRUPTED
        return turn.end is TurnEnd.INTERRUPTED and self._count <= MOST_INTERRUPTIONS
