"""Webhook deliveries: whose they are, and that each counts once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import chain

from sqlalchemy import CursorResult, delete
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from paid.errors import BadInputError, GitHubUnauthorizedError
from paid.github.webhook import (
    MOST_READ_BYTES,
    Body,
    WebhookNews,
    can_be_news,
    has_shape,
    is_delivery,
    is_signature,
    matters,
    parse,
    verify,
)
from paid.models import Project, ProjectState, WebhookDelivery
from paid.store import clock, issues, projects
from paid.store.credentials import SecretBox

MOST_HASHED_BYTES = 512 * 1024 * 1024
"""About a second of a processor, for a largest body that nobody signed. GitHub's own deliveries
name their repository in a header, and are found with the first secret."""
_NUMBER = re.compile(r"[0-9]{1,18}")

KEPT = timedelta(days=30)
"""How long a delivery's id is remembered. GitHub lets people redeliver for three days."""


def receive(
    session: Session,
    box: SecretBox,
    *,
    event: str | None,
    delivery_id: str | None,
    signature: str | None,
    body: Body,
    target_id: str | None = None,
) -> int | None:
    """The project whose poll should look now; None for a replay and for what is no news.

    The signature is looked at first, over the raw body: what no secret signs is not read at all.
    `target_id` is what GitHub says the hook belongs to; a hint, by which a secret is found sooner.

    Raises GitHubUnauthorizedError when no project's secret signs it, and BadInputError for what
    cannot be GitHub's by its ends, or is signed and yet no GitHub webhook.
    """
    if not has_shape(body):
        raise BadInputError("The webhook's body is not a JSON object.")
    signers = _signers(session, box, body, signature, target_id)
    first = next(signers, None)
    if first is None:
        raise GitHubUnauthorizedError("The webhook is not signed with a project's secret.")
    if event is None or delivery_id is None or not is_delivery(delivery_id):
        raise BadInputError("These are not the headers of a GitHub webhook.")
    if not can_be_news(event) or len(body) > MOST_READ_BYTES:
        project_id = projects.number(first)
        is_news = can_be_news(event) and _is_first(session, project_id, delivery_id)
        return project_id if is_news else None
    news = parse(event, delivery_id, body)
    if news is None:
        return None
    project_id = _of_repository(chain([first], signers), news)
    if not _is_first(session, project_id, news.delivery_id):
        return None
    return project_id if _matters(session, project_id, news) else None


def _of_repository(signers: Iterable[Project], news: WebhookNews) -> int:
    """The project among those whose secret signs: several may share one, or a number."""
    for project in signers:
        if project.github_id == news.github_repo_id:
            return projects.number(project)
    raise GitHubUnauthorizedError("The webhook is not signed with its project's secret.")


def _matters(session: Session, project_id: int, news: WebhookNews) -> bool:
    ours = {name.lower() for name in projects.labels(session, project_id).values()}
    live = {run.issue_number for run in issues.live_runs(session, project_id)}
    return matters(news, ours, live)


def forget_old(session: Session) -> int:
    """Delete ids that are older than `KEPT`; returns how many."""
    gone: CursorResult[object] = session.connection().execute(
        delete(WebhookDelivery).where(col(WebhookDelivery.received_at) < clock.NOW - KEPT)
    )
    return gone.rowcount


def _signers(
    session: Session, box: SecretBox, body: Body, signature: str | None, target_id: str | None
) -> Iterator[Project]:
    """The projects whose secret signs a body, those of the hook's repository first.

    Which repository a body is about is not known before it is read, so all secrets are tried, each
    once, until MOST_HASHED_BYTES have gone through.
    """
    if not is_signature(signature):
        return
    hinted = int(target_id) if target_id and _NUMBER.fullmatch(target_id) else 0
    question = (
        select(Project)
        .where(
            col(Project.webhook_credential_id).is_not(None), Project.state != ProjectState.REMOVED
        )
        .order_by((col(Project.github_id) != hinted), col(Project.id))
    )
    tried: dict[str, bool] = {}
    for project in session.exec(question):
        secret = projects.webhook_secret(session, box, project)
        if not secret:
            continue
        if secret not in tried:
            if tried and len(tried) * len(body) > MOST_HASHED_BYTES:
                return
            tried[secret] = verify(secret, body, signature)
        if tried[secret]:
            yield project


def _is_first(session: Session, project_id: int, delivery_id: str) -> bool:
    statement = (
        insert(WebhookDelivery)
        .values(delivery_id=delivery_id, project_id=project_id)
        .on_conflict_do_nothing(index_elements=["delivery_id"])
        .returning(col(WebhookDelivery.delivery_id))
    )
    return session.connection().execute(statement).first() is not None
