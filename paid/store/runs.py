"""What is asked of runs: move on, end once, cancel, claim a host.

A run's row is the truth about it: the workflow asks for a change here, and a person's cancel gets
in between through the same row, whether or not Temporal answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, text
from sqlmodel import Session, col, select

from paid.contracts import RunStatus
from paid.errors import HostFullError, NotFoundError, RunCancelledError, StaleAttemptError
from paid.models import Event, Issue, Policy, Project, Run
from paid.store import clock, events, steps, tokens
from paid.store.database import let_wait
from paid.store.events import NewEvent

_FENCE = 0x72756E  # "run": the class of the advisory locks that order effects and cancels

CANCELLED_BUT_LIVE = """
    SELECT id FROM run
    WHERE host = %(host)s AND ended_at IS NULL AND cancel_requested_at IS NOT NULL
"""
"""Ids of a host's runs that are to end and have not; their containers must not go on.

As text for the connection that listens: it is asked ten times a second while runs start.
"""


@dataclass(frozen=True)
class RunFacts:
    """A run with what belongs to it, read in one go."""

    run: Run
    issue: Issue
    project: Project
    policy: Policy


def get(session: Session, run_id: int) -> Run:
    """The run's row. Raises NotFoundError."""
    run = session.get(Run, run_id)
    if run is None:
        raise _missing(run_id)
    return run


def locked(session: Session, run_id: int) -> Run:
    """The run's row, held until the transaction ends. Raises NotFoundError.

    Rows that others refer to are held without their keys (FOR NO KEY UPDATE): whoever adds an event
    locks the keys of its run and project, and may have a lock that is asked for next here.
    """
    question = select(Run).where(Run.id == run_id).with_for_update(key_share=True)
    run = session.exec(question, execution_options={"populate_existing": True}).first()
    if run is None:
        raise _missing(run_id)
    return run


def facts(session: Session, run_id: int) -> RunFacts:
    """The run with its issue, project and policy. Raises NotFoundError."""
    question = (
        select(Run, Issue, Project, Policy)
        .join(Issue, col(Issue.id) == col(Run.issue_id))
        .join(Project, col(Project.id) == col(Run.project_id))
        .join(Policy, col(Policy.project_id) == col(Run.project_id))
        .where(Run.id == run_id)
    )
    found = session.exec(question).first()
    if found is None:
        raise _missing(run_id)
    return RunFacts(*found)


def enter(session: Session, run_id: int, status: RunStatus, **data: Any) -> Run:
    """Move a live run to a status and say so; the same status again says nothing.

    Raises RunCancelledError when a cancel was asked for, so that no step starts after it.
    """
    run = locked(session, run_id)
    if run.cancel_requested_at is not None or run.ended:
        raise RunCancelledError(f"Run {run_id} was cancelled or has ended.")
    run.started_at = run.started_at or clock.now(session)
    if run.status != status:
        run.status = status
        session.add(run)
        say(session, run, f"run.{status}", **data)
    return run


def entered(session: Session, run_id: int, status: RunStatus) -> datetime:
    """When the run last came to a status; now, when no event tells."""
    question = select(func.max(col(Event.at))).where(
        Event.run_id == run_id, Event.kind == f"run.{status}"
    )
    at: datetime | None = session.exec(question).one()
    return at or clock.now(session)


def end(session: Session, run_id: int, status: RunStatus, code: str, message: str) -> Run:
    """End the run, once: a run that has ended keeps the end it has."""
    run = locked(session, run_id)
    if run.ended:
        return run
    run.status, run.error_code, run.error_message = status, code, events.storable(message)
    run.ended_at = clock.now(session)
    session.add(run)
    tokens.revoke(session, run_id)
    steps.end_all_of(session, run_id)
    say(session, run, "run.ended", status=str(status), code=code, message=message)
    return run


def request_cancel(session: Session, run_id: int, by: str, reason: str) -> Run:
    """Record that a run shall end, and make its gateway token worthless, in one transaction.

    Waits for an effect on GitHub that is under way (`effect_fence`), so that none begins once
    this has returned. Asking twice changes nothing; an ended run stays as it is.
    """
    _fence(session, run_id)
    run = locked(session, run_id)
    if run.ended or run.cancel_requested_at is not None:
        return run
    run.cancel_requested_at = clock.now(session)
    run.cancel_requested_by, run.cancel_reason = by, events.storable(reason)
    session.add(run)
    tokens.revoke(session, run_id)
    say(session, run, "run.cancel_requested", by=by, reason=reason)
    return run


def effect_fence(session: Session, run_id: int, host: str) -> Run:
    """Hold off cancels until this transaction ends; for an effect that must not follow a cancel.

    Raises RunCancelledError when a cancel came first, StaleAttemptError when `host` was given up.
    """
    let_wait(session)
    _fence(session, run_id)
    run = session.get_one(Run, run_id, populate_existing=True)
    if run.cancel_requested_at is not None or run.ended:
        raise RunCancelledError(f"Run {run_id} was cancelled before this.")
    require_host(run, host)
    return run


def require_host(run: Run, host: str) -> None:
    """Raise StaleAttemptError when another host has the run: this one was taken for lost."""
    if run.host != host:
        raise StaleAttemptError(f"Run {run.id} goes on at {run.host}, not at {host}.")


def claim_host(session: Session, run_id: int, host: str, slots: int) -> Run:
    """Give the run a slot of `host`, or raise HostFullError. Claiming again is harmless.

    A host that had the run before is given up: the agent that may still work there loses its token,
    and the next one begins in a workspace of its own.
    """
    session.connection().execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:host, 11))"), {"host": host}
    )
    run = locked(session, run_id)
    if run.cancel_requested_at is not None or run.ended:
        raise RunCancelledError(f"Run {run_id} was cancelled before it got a host.")
    if run.host == host:
        return run
    if len(live_on(session, host)) >= slots:
        raise HostFullError(
            f"All {slots} run slots of {host} are taken.",
            hint="The run begins by itself as soon as one is free.",
        )
    if run.host is not None:
        tokens.revoke(session, run_id)
        run.base_sha = run.agent_session = None  # both are in that host's workspace
    say(session, run, "run.host", host=host, **({"instead_of": run.host} if run.host else {}))
    run.host = host
    session.add(run)
    return run


def live_on(session: Session, host: str) -> list[int]:
    """Ids of the runs that have a slot of a host and have not ended."""
    question = select(Run.id).where(Run.host == host, col(Run.ended_at).is_(None))
    return [run_id for run_id in session.exec(question) if run_id is not None]


def live(session: Session) -> list[Run]:
    """Every run that has not ended, oldest first."""
    return list(session.exec(select(Run).where(col(Run.ended_at).is_(None)).order_by(col(Run.id))))


def live_or_ended_within(session: Session, span: timedelta) -> set[int]:
    """Ids of the runs that go on, or ended no longer ago than that."""
    recent = col(Run.ended_at) >= clock.NOW - span
    question = select(Run.id).where(col(Run.ended_at).is_(None) | recent)
    return {run_id for run_id in session.exec(question) if run_id is not None}


def count_live(session: Session, project_id: int) -> int:
    """How many runs of a project have not ended."""
    question = select(func.count()).where(Run.project_id == project_id, col(Run.ended_at).is_(None))
    return session.exec(question).one()


def pushed_head(session: Session, run: Run) -> str | None:
    """Where the run's last push left its branch, whichever host made it; None without a push."""
    assert run.id is not None  # noqa: S101 - a run that is read has an id
    pushed = events.newest(session, run.id, "run.pushed", run.created_at)
    head = None if pushed is None else pushed.data.get("head")
    return None if head is None else str(head)


def say(session: Session, run: Run, kind: str, **data: Any) -> None:
    """Add an event to the run's chain."""
    assert run.id is not None  # noqa: S101 - a run that is read has an id
    events.append_to_run(session, run.id, run.project_id, NewEvent(kind, data))


def _missing(run_id: int) -> NotFoundError:
    return NotFoundError(f"There is no run {run_id}.", hint="`paid runs` lists them.")


def _fence(session: Session, run_id: int) -> None:
    session.connection().execute(
        text("SELECT pg_advisory_xact_lock(:kind, :run)"),
        {"kind": _FENCE, "run": run_id % 2**31},
    )
