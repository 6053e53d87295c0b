"""Money: who may spend how much, what is reserved, and what was spent, in micro-dollars.

The arithmetic is not here but in the database's own functions (migration 0002), because the gateway
and the store must share one implementation, and because a reservation has to be one round trip.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUIDColumn
from sqlmodel import Field, SQLModel

from paid.models.columns import (
    big,
    identity,
    json_value,
    moment,
    one_of,
    reference,
    stamp,
)

ORGANISATION = 1
"""An installation has one organisation."""


class Organisation(SQLModel, table=True):
    """Who pays. Its row is made by the migration; its zone decides when its days begin."""

    __tablename__ = "organisation"
    __table_args__ = (CheckConstraint("id = 1", name="organisation_only_one"),)

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    time_zone: str = "UTC"
    warn_percents: list[int] = Field(default=[50, 80, 100], sa_column=json_value("[50, 80, 100]"))
    """At which percents of its limits people are warned."""


class BudgetLimit(SQLModel, table=True):
    """A cap that somebody set.

    `period` run or issue with scope project is what each run or issue of that project may spend;
    with scope run or issue it is the exception made for that one. A raise for some hours is kept
    beside the limit, so that its end needs nobody to act.
    """

    __tablename__ = "budget_limit"
    __table_args__ = (
        CheckConstraint(
            one_of("scope", ["run", "issue", "project", "organisation"]), name="budget_limit_scope"
        ),
        CheckConstraint(
            one_of("period", ["run", "issue", "day", "week", "month"]), name="budget_limit_period"
        ),
        CheckConstraint(
            "scope = 'project' OR (scope = 'organisation' AND period IN ('day', 'week', 'month'))"
            " OR scope = period",
            name="budget_limit_fits",
        ),
        CheckConstraint("limit_microdollars >= 0", name="budget_limit_amount"),
        CheckConstraint(
            "(raised_to_microdollars IS NULL) = (raised_until IS NULL)",
            name="budget_limit_raised_together",
        ),
        UniqueConstraint("scope", "scope_id", "period", name="budget_limit_once"),
    )

    id: int | None = Field(default=None, sa_column=identity())
    scope: str
    scope_id: int = Field(sa_column=big())
    period: str
    limit_microdollars: int = Field(sa_column=big())
    raised_to_microdollars: int | None = Field(default=None, sa_column=big(nullable=True))
    raised_until: datetime | None = Field(default=None, sa_column=moment())
    updated_at: datetime = Field(default=None, sa_column=stamp())


class LedgerAccount(SQLModel, table=True):
    """What one scope spent and has reserved in one period.

    `starts_on` is the period's first day on the scope's own calendar, and `ends_at` the moment
    after its last; a total has 1970-01-01 and no end. Rows are made when first needed.
    """

    __tablename__ = "ledger_account"
    __table_args__ = (
        CheckConstraint(
            one_of("scope", ["run", "issue", "project", "organisation"]),
            name="ledger_account_scope",
        ),
        CheckConstraint(
            one_of("period", ["total", "day", "week", "month"]), name="ledger_account_period"
        ),
        CheckConstraint(
            "spent_microdollars >= 0 AND reserved_microdollars >= 0", name="ledger_account_amounts"
        ),
        UniqueConstraint("scope", "scope_id", "period", "starts_on", name="ledger_account_once"),
    )

    id: int | None = Field(default=None, sa_column=identity())
    scope: str
    scope_id: int = Field(sa_column=big())
    period: str
    starts_on: date = Field(sa_column=Column(Date, nullable=False))
    ends_at: datetime | None = Field(default=None, sa_column=moment())
    spent_microdollars: int = Field(default=0, sa_column=big(default=0))
    reserved_microdollars: int = Field(default=0, sa_column=big(default=0))
    estimated_microdollars: int = Field(default=0, sa_column=big(default=0))
    """How much of what was spent is an upper bound, because the vendor did not count it."""
    unconfirmed_microdollars: int = Field(default=0, sa_column=big(default=0))
    """How much of that a gateway's own end cut off: it holds no cap at first (`ledger_held`)."""
    warned_percent: int = Field(
        default=0, sa_column=Column(Integer, nullable=False, server_default="0")
    )
    warned_limit_microdollars: int = Field(default=0, sa_column=big(default=0))
    """The limit that the warning was about: a new limit is worth a new warning."""


class LedgerReservation(SQLModel, table=True):
    """The worst case of one model request, held until its usage is known.

    `request_id` is the gateway's, so that asking twice reserves once. `owner` is the gateway
    process's lasting name: its successor settles what a killed one left.
    """

    __tablename__ = "ledger_reservation"
    __table_args__ = (
        CheckConstraint(
            one_of("state", ["open", "settled", "released", "expired"]),
            name="ledger_reservation_state",
        ),
        CheckConstraint("amount_microdollars >= 0", name="ledger_reservation_amount"),
        CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="ledger_reservation_closed"),
        Index(
            "ledger_reservation_open",
            "expires_at",
            postgresql_where=text("state = 'open'"),
        ),
    )

    id: int | None = Field(default=None, sa_column=identity())
    request_id: UUID = Field(
        sa_column=Column(UUIDColumn(as_uuid=True), nullable=False, unique=True)
    )
    run_id: int = Field(sa_column=reference("run.id"))
    account_ids: list[int] = Field(sa_column=Column(ARRAY(BigInteger), nullable=False))
    amount_microdollars: int = Field(sa_column=big())
    state: str = "open"
    vendor: str
    model: str
    owner: str
    ahead: bool = Field(
        default=False, sa_column=Column(Boolean, nullable=False, server_default=false())
    )
    """Whether it was made ahead of the request that it is for, which may never come."""
    created_at: datetime = Field(default=None, sa_column=stamp())
    expires_at: datetime = Field(sa_column=moment(nullable=False))
    closed_at: datetime | None = Field(default=None, sa_column=moment())


class LedgerEntry(SQLModel, table=True):
    """One model request that cost something, or could have.

    `basis` says how the amount is known: `vendor` reported it; all others are upper bounds.
    `partial`: the vendor counted the input, the output is at its most. `estimated`: it counted
    nothing. `expired`: the gateway's own end cut the request off; corrected when it is heard of.
    """

    __tablename__ = "ledger_entry"
    __table_args__ = (
        CheckConstraint(
            one_of("basis", ["vendor", "partial", "estimated", "expired"]),
            name="ledger_entry_basis",
        ),
        CheckConstraint("amount_microdollars >= 0", name="ledger_entry_amount"),
        Index("ledger_entry_by_project_and_time", "project_id", "at"),
    )

    id: int | None = Field(default=None, sa_column=identity())
    request_id: UUID = Field(
        sa_column=Column(UUIDColumn(as_uuid=True), nullable=False, unique=True)
    )
    run_id: int = Field(sa_column=reference("run.id"))
    issue_id: int = Field(sa_column=reference("issue.id"))
    project_id: int = Field(sa_column=reference("project.id", index=False))
    account_ids: list[int] = Field(sa_column=Column(ARRAY(BigInteger), nullable=False))
    at: datetime = Field(default=None, sa_column=stamp())
    day: date = Field(sa_column=Column(Date, nullable=False))
    """The day on the project's calendar when the request was reserved."""
    vendor: str
    model: str
    agent: str
    basis: str
    input_tokens: int = Field(default=0, sa_column=big(default=0))
    """All of them: those read from and written to a cache are included."""
    cache_read_tokens: int = Field(default=0, sa_column=big(default=0))
    cache_write_tokens: int = Field(default=0, sa_column=big(default=0))
    output_tokens: int = Field(default=0, sa_column=big(default=0))
    """All of them: those of reasoning are included."""
    reasoning_tokens: int = Field(default=0, sa_column=big(default=0))
    amount_microdollars: int = Field(sa_column=big())
    detail: dict[str, Any] = Field(default={}, sa_column=json_value("{}"))
    """What else is worth keeping: status, duration, the vendor's own usage."""
