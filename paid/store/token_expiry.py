"""When projects' tokens end, and whom that is told before it happens."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from paid.models import Event, Project
from paid.store import clock, events, projects
from paid.store.events import NewEvent

EXPIRES = "project.token_expires"
"""An event, and so news: the token ends in so many days or sooner."""
WARN_DAYS = (7, 3, 1)
SHOWN_FOR = timedelta(days=14)
"""Pages and the doctor speak of an end that is nearer than this."""


def note(session: Session, project_id: int, expires_at: datetime | None) -> None:
    """Record when a project's token ends, and tell of it once for each of WARN_DAYS."""
    project = projects.get(session, project_id, lock=True)
    if project.token_expires_at != expires_at:
        project.token_expires_at = expires_at
        session.add(project)
    if expires_at is None:
        return
    left = expires_at - clock.now(session)
    due = [days for days in WARN_DAYS if left <= timedelta(days=days)]
    if not due or _was_told(session, project_id, expires_at, min(due)):
        return
    reason = f"The GitHub token of {project.full_name} {ends(expires_at)}. {mend(project)}"
    data = {"expires_at": expires_at.isoformat(), "days": min(due), "reason": reason}
    events.append_to_project(session, project_id, NewEvent(EXPIRES, data))


def ends(expires_at: datetime) -> str:
    """The end in words: `expires on 2026-12-31 at 23:59 UTC`."""
    return f"expires on {expires_at:%Y-%m-%d} at {expires_at:%H:%M} UTC"


def mend(project: Project) -> str:
    """What to do about it."""
    return f"Give it a new one: `paid project set {project.full_name} --token-file FILE`."


def is_near(expires_at: datetime | None, now: datetime) -> bool:
    """Whether people should be told of an end whenever they look."""
    return expires_at is not None and expires_at - now <= SHOWN_FOR


def _was_told(session: Session, project_id: int, expires_at: datetime, days: int) -> bool:
    question = (
        select(Event.data)
        .where(Event.project_id == project_id, Event.kind == EXPIRES)
        .order_by(col(Event.id).desc())
        .limit(1)
    )
    told = session.exec(question).first()
    if told is None or told.get("expires_at") != expires_at.isoformat():
        return False
    return int(told.get("days", 0)) <= days
