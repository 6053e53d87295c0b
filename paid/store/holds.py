"""Which runs have to wait for money or for a vendor's limit, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import text
from sqlmodel import Session, col, select

from paid.contracts import RunStatus
from paid.models import Run, RunHold

Reason = Literal["budget", "quota"]


@dataclass(frozen=True)
class Hold:
    """Why a run waits. `until` of None means that a person has to raise a limit."""

    reason: Reason
    until: datetime | None
    detail: dict[str, Any]
    created_at: datetime


_CURRENT = text("SELECT reason, until, detail, created_at FROM run_hold_current(:run)")


def current(session: Session, run_id: int) -> Hold | None:
    """The hold of a run, or None when it may go on.

    Looks again before answering: a hold whose time has come, or whose cap has room again, is
    released by this call.
    """
    row = session.connection().execute(_CURRENT, {"run": run_id}).first()
    return None if row is None else Hold(row.reason, row.until, row.detail, row.created_at)


def met_quota(session: Session, run_id: int, since: datetime) -> bool:
    """Whether a vendor's limit kept the run since a moment, also one that has reset again."""
    question = select(RunHold.id).where(
        RunHold.run_id == run_id, RunHold.reason == "quota", col(RunHold.created_at) >= since
    )
    return session.exec(question.limit(1)).first() is not None


def release(session: Session, run_id: int) -> bool:
    """Let a run go on, whatever it waited for; False when it did not wait.

    If the reason is still there, the run's next request puts the hold back.
    """
    found = session.connection().execute(text("SELECT run_hold_release(:run)"), {"run": run_id})
    return bool(found.scalar_one())


def waiting_workflows(session: Session, project_id: int | None = None) -> list[str]:
    """The workflows of runs whose container was freed until there is money, of one project or all.

    They sleep: whoever changes a limit has to tell them.
    """
    question = select(Run.workflow_id).where(
        Run.status == RunStatus.BUDGET_EXCEEDED, col(Run.ended_at).is_(None)
    )
    if project_id is not None:
        question = question.where(Run.project_id == project_id)
    return list(session.exec(question.order_by(col(Run.id))))


def release_what_fits(session: Session, project_id: int | None = None) -> int:
    """Look again at the holds for money, of one project or of all; returns how many ended."""
    waiting = session.connection().execute(
        text(
            "SELECT h.run_id FROM run_hold h JOIN run r ON r.id = h.run_id"
            " WHERE h.released_at IS NULL AND h.reason = 'budget'"
            " AND (CAST(:project AS bigint) IS NULL OR r.project_id = :project)"
            " ORDER BY h.run_id"
        ),
        {"project": project_id},
    )
    return sum(current(session, run_id) is None for (run_id,) in waiting.all())
