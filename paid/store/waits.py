"""Why a run has to wait: no host has taken it, or what its step needs is away.

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

WAITING, WAITED = "run.waiting", "run.waited"


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


def note_at_step(session: Session, run_id: int, reason: PaidError, detail: str = "") -> None:
    """Record what the run's step waits for; said once, and nothing of a run that has ended."""
    run = runs.locked(session, run_id)
    if run.ended or run.error_code == reason.code:
        return
    run.error_code, run.error_message = reason.code, str(reason)
    session.add(run)
    runs.say(session, run, WAITING, code=reason.code, message=str(reason), host=run.host,
             detail=detail)  # fmt: skip


def over_at_step(session: Session, run_id: int, code: str) -> None:
    """What the run's step waited for is there again; nothing if it was not on record."""
    if runs.get(session, run_id).error_code != code:
        return
    run = runs.locked(session, run_id)
    if not run.ended and run.error_code == code:
        over(session, run)
        runs.say(session, run, WAITED, code=code, message="It goes on.", host=run.host)


def _others_work(session: Session, host: str) -> bool:
    """Whether another host has runs, so that a slot of it will be free."""
    question = select(Run.id).where(
        col(Run.ended_at).is_(None), col(Run.host).is_not(None), Run.host != host
    )
    return session.exec(question.limit(1)).first() is not None
