"""How a project's checks end on an untouched base."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from paid.models.columns import identity, json_value, reference, stamp


class BaseCheck(SQLModel, table=True):
    """One check on one base, in one environment: what `key` is the digest of."""

    __tablename__ = "base_check"
    __table_args__ = (UniqueConstraint("project_id", "base_sha", "key", name="base_check_once"),)

    id: int | None = Field(default=None, sa_column=identity())
    project_id: int = Field(sa_column=reference("project.id", index=False))
    base_sha: str
    key: str
    report: dict[str, Any] = Field(default={}, sa_column=json_value("{}"))
    """What paid-step reported of it."""
    at: datetime = Field(default=None, sa_column=stamp())
