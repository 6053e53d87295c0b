"""A run that is stopped because it holds most of a full disk: said first, so that its end knows."""

from __future__ import annotations

from datetime import datetime

import structlog

from paid.containers.disk import Ended
from paid.errors import DiskTakenError, PaidError
from paid.store import events, runs
from paid.store.database import Database

KIND = "run.disk_full"
_log = structlog.get_logger(__name__)


def tell(database: Database, ended: Ended) -> None:
    """Put on the run's record why its containers are killed; the kill does not wait for it."""
    try:
        with database.session() as session:
            run = runs.get(session, ended.run_id)
            runs.say(session, run, KIND, held=ended.held, unit=ended.unit)
    except PaidError as error:
        _log.warning("disk_full.not_on_record", run=ended.run_id, error=str(error))


def raise_if_stopped(database: Database, run_id: int, since: datetime) -> None:
    """Raise DiskTakenError when that was done to the run after `since`."""
    with database.session() as session:
        told = events.newest(session, run_id, KIND, since)
    if told is None:
        return
    held, unit = int(told.data["held"]), told.data["unit"]
    amount = f"{held / 1e9:.1f} GB" if unit == "bytes" else f"{held} files"
    raise DiskTakenError(
        f"The host's disk ran full, and this run held most of it ({amount}), so it was stopped.",
        hint="Free some disk or use a larger one, or make the issue's work smaller.",
    )
