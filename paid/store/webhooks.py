"""Webhook deliveries: whose they are, and that each counts once."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import CursorResult, delete
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from paid.errors import GitHubUnauthorizedError
from paid.github.webhook import parse, verify
from paid.models import Project, ProjectState, WebhookDelivery
from paid.store import clock, projects
from paid.store.credentials import SecretBox

KEPT = timedelta(days=30)
"""How long a delivery's id is remembered. GitHub lets people redeliver for three days."""


def receive(
    session: Session,
    box: SecretBox,
    *,
    event: str | None,
    delivery_id: str | None,
    signature: str | None,
    body: bytes,
) -> int | None:
    """The project whose poll should look now; None for a replay and for what is no news.

    Raises BadInputError for what is no GitHub webhook, and GitHubUnauthorizedError when no
    project's secret signs it; which of the two reasons it is, is not told apart for outsiders.
    """
    news = parse(event, delivery_id, body)
    if news is None:
        return None
    project_id = _signed_for(session, box, news.github_repo_id, body, signature)
    if not _is_first(session, project_id, news.delivery_id) or not news.look:
        return None
    return project_id


def forget_old(session: Session) -> int:
    """Delete ids that are older than `KEPT`; returns how many."""
    gone: CursorResult[object] = session.connection().execute(
        delete(WebhookDelivery).where(col(WebhookDelivery.received_at) < clock.NOW - KEPT)
    )
    return gone.rowcount


def _signed_for(
    session: Session, box: SecretBox, github_repo_id: int, body: bytes, signature: str | None
) -> int:
    """Two servers may number their repositories alike, so each candidate's secret is tried."""
    question = select(Project).where(
        Project.github_id == github_repo_id, Project.state != ProjectState.REMOVED
    )
    for project in session.exec(question):
        secret = projects.webhook_secret(session, box, project)
        if secret is not None and verify(secret, body, signature):
            return projects.number(project)
    raise GitHubUnauthorizedError("The webhook is not signed with a project's secret.")


def _is_first(session: Session, project_id: int, delivery_id: str) -> bool:
    statement = (
        insert(WebhookDelivery)
        .values(delivery_id=delivery_id, project_id=project_id)
        .on_conflict_do_nothing(index_elements=["delivery_id"])
        .returning(col(WebhookDelivery.delivery_id))
    )
    return session.connection().execute(statement).first() is not None
