"""What is charged without the vendor's count is an upper bound: known of each account, and apart.

The functions are in ../sql/0007_upper_bounds.sql.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
COLUMNS = ("estimated_microdollars", "unconfirmed_microdollars")


def upgrade() -> None:
    for name in COLUMNS:
        column: sa.Column[int] = sa.Column(
            name, sa.BigInteger(), server_default="0", nullable=False
        )
        op.add_column("ledger_account", column)
    _run("0007_upper_bounds.sql")


def downgrade() -> None:
    _run("0007_upper_bounds_down.sql")
    for name in COLUMNS:
        op.drop_column("ledger_account", name)


def _run(name: str) -> None:
    """Run a file of statements as it is: no parameters, so `%` and `:` mean themselves."""
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None  # noqa: S101 - a migration runs on an open connection
    connection.cursor().execute((SQL / name).read_text())
