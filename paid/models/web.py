"""Who is signed in to the dashboard, and light jobs on their way to the job runner."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field, SQLModel

from paid.models.columns import identity, json_value, moment, one_of, reference, stamp


class LoginLink(SQLModel, table=True):
    """A one-time link; only the SHA-256 of its token is kept."""

    __tablename__ = "login_link"

    token_hash: str = Field(primary_key=True)
    created_at: datetime = Field(default=None, sa_column=stamp())
    expires_at: datetime = Field(sa_column=moment(nullable=False))
    used_at: datetime | None = Field(default=None, sa_column=moment())


class WebSession(SQLModel, table=True):
    """A signed-in browser; only the SHA-256 of its cookie is kept."""

    __tablename__ = "web_session"

    token_hash: str = Field(primary_key=True)
    login: str = "admin"
    created_at: datetime = Field(default=None, sa_column=stamp())
    expires_at: datetime = Field(sa_column=moment(nullable=False))
    revoked_at: datetime | None = Field(default=None, sa_column=moment())


class Outbox(SQLModel, table=True):
    """A light job that was decided in a transaction; the relay hands it to Dramatiq after it.

    `key` makes the same decision taken twice one job.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("outbox_unsent", "id", postgresql_where=text("sent_at IS NULL")),
        Index("outbox_key", "key", unique=True),
    )

    id: int | None = Field(default=None, sa_column=identity())
    key: str
    actor: str
    arguments: dict[str, Any] = Field(default={}, sa_column=json_value("{}"))
    created_at: datetime = Field(default=None, sa_column=stamp())
    sent_at: datetime | None = Field(default=None, sa_column=moment())
    done_at: datetime | None = Field(default=None, sa_column=moment())
    """Set in the transaction that did the work, so that a second delivery does nothing."""


class NotificationTarget(SQLModel, table=True):
    """Where news of a project's runs go: a webhook's address or an email address."""

    __tablename__ = "notification_target"
    __table_args__ = (
        CheckConstraint(one_of("kind", ["webhook", "email"]), name="notification_target_kind"),
    )

    id: int | None = Field(default=None, sa_column=identity())
    project_id: int | None = Field(default=None, sa_column=reference("project.id", nullable=True))
    kind: str
    address: str
    credential_id: int | None = Field(
        default=None, sa_column=reference("credential.id", nullable=True, index=False)
    )
    """The secret that signs what is sent to a webhook."""
    created_at: datetime = Field(default=None, sa_column=stamp())
