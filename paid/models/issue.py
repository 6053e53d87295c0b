"""Issues as they were seen, and the deliveries that told of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlmodel import Field, SQLModel

from paid.models.columns import big, identity, moment, one_of, reference, stamp


class Issue(SQLModel, table=True):
    """An issue as last seen, and its text as it was when the label was applied.

    The pinned text is what an agent may read: an edit after the label, by somebody who is not
    trusted, needs the label again (design, decision 10).
    """

    __tablename__ = "issue"
    __table_args__ = (
        CheckConstraint(one_of("state", ["open", "closed", "gone"]), name="issue_state"),
        CheckConstraint("number > 0 AND generation >= 0", name="issue_counts"),
        CheckConstraint(
            "(pinned_hash IS NULL) = (pinned_title IS NULL)", name="issue_pinned_together"
        ),
        UniqueConstraint("project_id", "number", name="issue_once"),
    )

    id: int | None = Field(default=None, sa_column=identity())
    project_id: int = Field(sa_column=reference("project.id", index=False))
    number: int
    github_id: int = Field(sa_column=big())
    title: str
    html_url: str
    author: str
    state: str = "open"
    pinned_hash: str | None = None
    """SHA-256 in hex over title and body as they came from GitHub, before cleaning."""
    pinned_title: str | None = None
    pinned_body: str | None = None
    labelled_by: str | None = None
    label_event_id: int | None = Field(default=None, sa_column=big(nullable=True))
    """GitHub's id of the label event that was acted on last; the same one never counts twice."""
    generation: int = 0
    """How often the issue was labelled anew; part of a run's identity."""
    status_comment_id: int | None = Field(default=None, sa_column=big(nullable=True))
    remote_updated_at: datetime | None = Field(default=None, sa_column=moment())
    seen_at: datetime = Field(default=None, sa_column=stamp())


class WebhookDelivery(SQLModel, table=True):
    """A delivery id that was accepted once; GitHub signs no time, so this stops replays."""

    __tablename__ = "webhook_delivery"

    delivery_id: str = Field(primary_key=True)
    project_id: int = Field(sa_column=reference("project.id"))
    received_at: datetime = Field(default=None, sa_column=stamp())
