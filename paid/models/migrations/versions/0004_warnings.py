"""At which percents of a limit people are warned. The function is in ../sql/0004_warnings.sql."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
TABLES = ("policy", "organisation")


def upgrade() -> None:
    for table in TABLES:
        percents = sa.Column(
            "warn_percents",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[50, 80, 100]",
            nullable=False,
        )
        op.add_column(table, percents)
    _run("0004_warnings.sql")


def downgrade() -> None:
    _run("0004_warnings_down.sql")
    for table in TABLES:
        op.drop_column(table, "warn_percents")


def _run(name: str) -> None:
    """Run a file of statements as it is: no parameters, so `%` and `:` mean themselves."""
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None  # noqa: S101 - a migration runs on an open connection
    connection.cursor().execute((SQL / name).read_text())
