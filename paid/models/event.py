"""The append-only, hash-chained record of everything that a person may want to know."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Column, Index, Integer, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from paid.models.columns import identity, json_value, reference, stamp


class Event(SQLModel, table=True):
    """One thing that happened.

    Rows are only ever inserted: a trigger refuses the rest, numbers the row within its chain
    (`run:12`, `project:3`, `system`), and sets
    `hash = sha256(prev_hash || chain | seq | kind | at in microseconds | data)`.
    Give `seq`, `prev_hash` and `hash` no value; the trigger fills them (migration 0001).
    """

    __tablename__ = "event"
    __table_args__ = (
        CheckConstraint("length(kind) BETWEEN 1 AND 80", name="event_kind_length"),
        UniqueConstraint("chain", "seq", name="event_chain_seq"),
        Index("event_by_run", "run_id", "id"),
        Index("event_by_project", "project_id", "id"),
    )

    id: int | None = Field(default=None, sa_column=identity())
    chain: str
    seq: int | None = Field(default=None, sa_column=Column(Integer, nullable=False))
    run_id: int | None = Field(
        default=None, sa_column=reference("run.id", nullable=True, index=False)
    )
    project_id: int | None = Field(
        default=None, sa_column=reference("project.id", nullable=True, index=False)
    )
    kind: str
    data: dict[str, Any] = Field(default={}, sa_column=json_value("{}"))
    at: datetime = Field(default=None, sa_column=stamp(by_server=True))
    prev_hash: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=False))
    hash: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=False))
