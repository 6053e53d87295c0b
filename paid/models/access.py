"""Who may speak to the gateway, and which runs have to wait."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Column, Index, LargeBinary, text
from sqlmodel import Field, SQLModel

from paid.models.columns import identity, json_value, moment, one_of, reference, stamp


class RunToken(SQLModel, table=True):
    """A token that a run's containers carry; only its SHA-256 is kept.

    It is random with 256 bits, so a plain hash is enough: there is nothing to guess.
    """

    __tablename__ = "run_token"

    id: int | None = Field(default=None, sa_column=identity())
    run_id: int = Field(sa_column=reference("run.id"))
    token_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    issued_at: datetime = Field(default=None, sa_column=stamp())
    revoked_at: datetime | None = Field(default=None, sa_column=moment())


class RunHold(SQLModel, table=True):
    """Why a run waits: for money (`budget`) or for the vendor's limit to pass (`quota`).

    `until` is when it may go on by itself; None means that a person has to raise a limit. `detail`
    of a budget hold has the cap (scope, period, limit, spent) and `needed_microdollars`.
    """

    __tablename__ = "run_hold"
    __table_args__ = (
        CheckConstraint(one_of("reason", ["budget", "quota"]), name="run_hold_reason"),
        CheckConstraint("reason <> 'quota' OR until IS NOT NULL", name="run_hold_quota_ends"),
        Index(
            "run_hold_one_open",
            "run_id",
            unique=True,
            postgresql_where=text("released_at IS NULL"),
        ),
    )

    id: int | None = Field(default=None, sa_column=identity())
    run_id: int = Field(sa_column=reference("run.id"))
    reason: str
    until: datetime | None = Field(default=None, sa_column=moment())
    detail: dict[str, Any] = Field(default={}, sa_column=json_value("{}"))
    created_at: datetime = Field(default=None, sa_column=stamp())
    released_at: datetime | None = Field(default=None, sa_column=moment())
