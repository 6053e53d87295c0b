"""The ledger, run tokens and holds. The functions are in ../sql/0002_ledger.sql."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
TABLES = [
    "run_token",
    "run_hold",
    "ledger_entry",
    "ledger_reservation",
    "ledger_account",
    "budget_limit",
    "organisation",
]


def upgrade() -> None:
    _tables_of_money()
    _tables_of_access()
    _run("0002_ledger.sql")


def downgrade() -> None:
    _run("0002_ledger_down.sql")
    for table in TABLES:
        op.drop_table(table)


def _run(name: str) -> None:
    """Run a file of statements as it is: no parameters, so `%` and `:` mean themselves."""
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None  # noqa: S101 - a migration runs on an open connection
    connection.cursor().execute((SQL / name).read_text())


def _tables_of_money() -> None:
    op.create_table(
        "budget_limit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.BigInteger(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("limit_microdollars", sa.BigInteger(), nullable=False),
        sa.Column("raised_to_microdollars", sa.BigInteger(), nullable=True),
        sa.Column("raised_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "period IN ('run', 'issue', 'day', 'week', 'month')", name="budget_limit_period"
        ),
        sa.CheckConstraint(
            "scope = 'project' OR (scope = 'organisation' AND period IN ('day', 'week', 'month')) OR scope = period",
            name="budget_limit_fits",
        ),
        sa.CheckConstraint(
            "scope IN ('run', 'issue', 'project', 'organisation')", name="budget_limit_scope"
        ),
        sa.CheckConstraint(
            "(raised_to_microdollars IS NULL) = (raised_until IS NULL)",
            name="budget_limit_raised_together",
        ),
        sa.CheckConstraint("limit_microdollars >= 0", name="budget_limit_amount"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("scope", "scope_id", "period", name="budget_limit_once"),
    )
    op.create_table(
        "ledger_account",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.BigInteger(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("spent_microdollars", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reserved_microdollars", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("warned_percent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("warned_limit_microdollars", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "period IN ('total', 'day', 'week', 'month')", name="ledger_account_period"
        ),
        sa.CheckConstraint(
            "scope IN ('run', 'issue', 'project', 'organisation')", name="ledger_account_scope"
        ),
        sa.CheckConstraint(
            "spent_microdollars >= 0 AND reserved_microdollars >= 0", name="ledger_account_amounts"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("scope", "scope_id", "period", "starts_on", name="ledger_account_once"),
    )
    op.create_table(
        "organisation",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name="organisation_only_one"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "ledger_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("request_id", sa.UUID(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("issue_id", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("account_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("amount_microdollars", sa.BigInteger(), nullable=False),
        sa.Column(
            "detail", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.CheckConstraint(
            "basis IN ('vendor', 'partial', 'estimated', 'expired')", name="ledger_entry_basis"
        ),
        sa.CheckConstraint("amount_microdollars >= 0", name="ledger_entry_amount"),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"]),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("request_id"),
    )
    op.create_index("ix_ledger_entry_issue_id", "ledger_entry", ["issue_id"], unique=False)
    op.create_index("ix_ledger_entry_run_id", "ledger_entry", ["run_id"], unique=False)
    op.create_index(
        "ledger_entry_by_project_and_time", "ledger_entry", ["project_id", "at"], unique=False
    )
    op.create_table(
        "ledger_reservation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("request_id", sa.UUID(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("account_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("amount_microdollars", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'open') = (closed_at IS NULL)", name="ledger_reservation_closed"
        ),
        sa.CheckConstraint(
            "state IN ('open', 'settled', 'released', 'expired')", name="ledger_reservation_state"
        ),
        sa.CheckConstraint("amount_microdollars >= 0", name="ledger_reservation_amount"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("request_id"),
    )
    op.create_index("ix_ledger_reservation_run_id", "ledger_reservation", ["run_id"], unique=False)
    op.create_index(
        "ledger_reservation_open",
        "ledger_reservation",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    # Eight rows are updated by every request: room on the page makes that cheap.
    op.execute("ALTER TABLE ledger_account SET (fillfactor = 40)")


def _tables_of_access() -> None:
    op.create_table(
        "run_hold",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "detail", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("reason <> 'quota' OR until IS NOT NULL", name="run_hold_quota_ends"),
        sa.CheckConstraint("reason IN ('budget', 'quota')", name="run_hold_reason"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_run_hold_run_id", "run_hold", ["run_id"], unique=False)
    op.create_index(
        "run_hold_one_open",
        "run_hold",
        ["run_id"],
        unique=True,
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_table(
        "run_token",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_index("ix_run_token_run_id", "run_token", ["run_id"], unique=False)
