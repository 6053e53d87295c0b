"""Who is told of a project's news, and which events are news."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from sqlalchemy import text
from sqlmodel import Session, col, or_, select

from paid.errors import BadInputError, NotFoundError
from paid.models import NotificationTarget
from paid.store import credentials
from paid.store.credentials import SecretBox

NEWS = (
    "run.ended",
    "budget.hold",
    "budget.warning",
    "quota.hold",
    "project.paused",
    "project.token_expires",
    "project.added",
    "project.removed",
)
"""Kinds of events that people are told of."""
_EMAIL = re.compile(r"[^@\s\x00-\x1f<>,;:\"\\]{1,64}@[A-Za-z0-9.-]{1,250}\.[A-Za-z0-9-]{2,60}")
_CURSOR = "news"
_LOOK_BACK = 10_000
"""Ids are given before their transactions end, so a smaller one may come to light later."""


def add(
    session: Session,
    box: SecretBox,
    kind: str,
    address: str,
    *,
    project_id: int | None,
    secret: str,
) -> NotificationTarget:
    """Tell this address of a project's news, or of every project's. Raises BadInputError."""
    checked = _webhook(address) if kind == "webhook" else _email(address)
    sealed = None
    if kind == "webhook":
        if len(secret) < 16:
            raise BadInputError(
                "A webhook's secret has at least 16 characters.",
                hint="Make one with `openssl rand -hex 32`, and give it to the receiver too.",
            )
        sealed = credentials.add(session, box, "webhook_secret", secret)
    target = NotificationTarget(
        kind=kind, address=checked, project_id=project_id, credential_id=sealed
    )
    session.add(target)
    session.flush()
    return target


def listing(session: Session) -> list[NotificationTarget]:
    """All targets, oldest first."""
    return list(session.exec(select(NotificationTarget).order_by(col(NotificationTarget.id))))


def remove(session: Session, target_id: int) -> None:
    """Tell this target no more. Raises NotFoundError."""
    target = session.get(NotificationTarget, target_id)
    if target is None:
        raise NotFoundError(
            f"There is no notification {target_id}.", hint="`paid notify list` shows them."
        )
    session.delete(target)
    session.flush()
    if target.credential_id is not None:
        credentials.forget(session, target.credential_id)


def targets(session: Session, project_id: int | None) -> list[NotificationTarget]:
    """Who wants news of this project."""
    question = select(NotificationTarget).where(
        or_(
            col(NotificationTarget.project_id).is_(None),
            col(NotificationTarget.project_id) == project_id,
        )
    )
    return list(session.exec(question.order_by(col(NotificationTarget.id))))


_DECIDE = text(
    """
    WITH read AS (
        SELECT coalesce((SELECT last_id FROM job_cursor WHERE name = :cursor), 0) AS last
    ), news AS (
        INSERT INTO outbox (key, actor, arguments, created_at)
        SELECT 'news:' || e.id, 'notify', jsonb_build_object('event_id', e.id), now()
        FROM event e, read
        WHERE e.id > read.last - :look_back AND e.kind = ANY(:kinds)
          AND e.at > now() - interval '1 day'
          AND EXISTS (SELECT 1 FROM notification_target t
                      WHERE t.created_at <= e.at
                        AND (t.project_id IS NULL OR t.project_id = e.project_id))
        ON CONFLICT (key) DO NOTHING
        RETURNING 1
    ), moved AS (
        INSERT INTO job_cursor (name, last_id)
        SELECT :cursor, coalesce(max(id), 0) FROM event
        ON CONFLICT (name) DO UPDATE SET last_id = greatest(job_cursor.last_id, excluded.last_id)
    )
    SELECT count(*) FROM news
    """
)


def decide_news(session: Session) -> int:
    """Make a job of every event that is news to somebody; returns how many are new.

    Events of more than a day ago, or from before somebody asked to be told, are no news.
    """
    values = {
        "cursor": _CURSOR,
        "look_back": _LOOK_BACK,
        "kinds": list(NEWS),
    }
    return int(session.connection().execute(_DECIDE, values).scalar_one())


def _webhook(address: str) -> str:
    parts = urlsplit(address.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise BadInputError(
            f"{address!r} is not a webhook's address.", hint="As in `https://example.org/hook`."
        )
    return parts.geturl()


def _email(address: str) -> str:
    if not _EMAIL.fullmatch(address.strip()):
        raise BadInputError(f"{address!r} is not an email address.")
    return address.strip()
