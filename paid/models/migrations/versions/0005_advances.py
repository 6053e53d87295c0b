"""Reservations ahead of the requests they are for. The functions are in ../sql/0005_advances.sql."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    ahead: sa.Column[bool] = sa.Column(
        "ahead", sa.Boolean(), server_default=sa.false(), nullable=False
    )
    op.add_column("ledger_reservation", ahead)
    _run("0005_advances.sql")


def downgrade() -> None:
    _run("0005_advances_down.sql")
    op.drop_column("ledger_reservation", "ahead")


def _run(name: str) -> None:
    """Run a file of statements as it is: no parameters, so `%` and `:` mean themselves."""
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None  # noqa: S101 - a migration runs on an open connection
    connection.cursor().execute((SQL / name).read_text())
