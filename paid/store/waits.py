"""Why a run that no host has taken has to wait.

The reason is on the run's row while it waits, in the fields that later tell its end, and each
change of it is an event of the run.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select

from paid.errors import HostFullError, PaidError, RunCancelledError
from paid.models import Event, Run
from paid.store import clock, runs

WAITING = "run.waiting"


def note(session: Session, run_id: int, reason: PaidError, host: str, detail: str = "") -> bool:
    """Record why `host` could not take the run; False when another host's reason stands.

    A host without Docker says nothing about one whose slots are all taken: the run waits for that.
    Raises RunCancelledError when the run is to end.
    """
    run = runs.locked(session, run_id)
    if run.cancel_requested_at is not None or run.ended:
        raise RunCancelledError(f"Run {run_id} was cancelled before it got a host.")
    waits_for_a_slot = run.error_code == HostFullError.code != reason.code
    if waits_for_a_slot and _others_work(session, host):
        return False
    if run.error_code != reason.code:
        run.error_code, run.error_message = reason.code, str(reason)
        session.add(run)
        runs.say(session, run, WAITING, code=reason.code, message=str(reason), host=host,
                 detail=detail)  # fmt: skip
    return True


def waited(session: Session, run_id: int) -> timedelta:
    """For how long the run's present reason stands."""
    question = select(func.max(col(Event.at))).where(Event.run_id == run_id, Event.kind == WAITING)
    since: datetime | None = session.exec(question).one()
    return timedelta(0) if since is None else clock.since(session, since)


def over(session: Session, run: Run) -> None:
    """The run has a host: nothing keeps it any more."""
    run.error_code = run.error_message = ""
    session.add(run)


def _others_work(session: Session, host: str) -> bool:
    """Whether another host has runs, so that a slot of it will be free."""
    question = select(Run.id).where(
        col(Run.ended_at).is_(None), col(Run.host).is_not(None), Run.host != host
    )
    return session.exec(question.limit(1)).first() is not None
