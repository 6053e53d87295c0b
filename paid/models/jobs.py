"""What the job runner remembers: how far it read, and the figures that it added up."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Column, Date, ForeignKey
from sqlmodel import Field, SQLModel

from paid.models.columns import big, stamp


class JobCursor(SQLModel, table=True):
    """Up to which event a reader has come."""

    __tablename__ = "job_cursor"

    name: str = Field(primary_key=True)
    last_id: int = Field(default=0, sa_column=big(default=0))


class UsageDay(SQLModel, table=True):
    """One day of one project, in the project's time zone; a roll-up writes the row anew."""

    __tablename__ = "usage_day"

    project_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("project.id"), primary_key=True)
    )
    day: date = Field(sa_column=Column(Date, primary_key=True))
    runs: int = 0
    completed_runs: int = 0
    requests: int = Field(default=0, sa_column=big(default=0))
    tokens: int = Field(default=0, sa_column=big(default=0))
    amount_microdollars: int = Field(default=0, sa_column=big(default=0))
    updated_at: datetime = Field(default=None, sa_column=stamp())
