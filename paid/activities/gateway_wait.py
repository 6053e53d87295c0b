"""What a run's people are told while one of its containers waits for the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paid.containers.endings import GATEWAY_HINT
from paid.errors import GatewayAwayError
from paid.store import waits
from paid.store.database import Database
from paid.store.steps import StepHold

WAITING, WAITED = "waiting", "waited"
"""paid-step's reports of a wait that is no short one, and of its end."""


class GatewayWait:
    """The wait of one step, by what its container reports.

    `begun` is the report that says that the step's work goes on: an earlier container of the step
    may have ended in its wait.
    """

    def __init__(self, database: Database, hold: StepHold, begun: str) -> None:
        self._database, self._hold, self._begun = database, hold, begun

    def heard(self, report: str, fields: Mapping[str, Any]) -> None:
        """Put on record what a report says of the wait; most say nothing."""
        if report == WAITING:
            self.note(str(fields.get("reason", "")))
        elif report == WAITED or (report == self._begun and self._hold.attempt > 1):
            self.over()

    def note(self, reason: str) -> None:
        """The run waits, and for what; the same again changes nothing."""
        away = GatewayAwayError("The gateway does not answer.", hint=GATEWAY_HINT)
        with self._database.session() as session:
            waits.note_at_step(session, self._hold.run_id, away, reason)

    def over(self) -> None:
        """The run goes on, if it was on record that it waits."""
        with self._database.session() as session:
            waits.over_at_step(session, self._hold.run_id, GatewayAwayError.code)
