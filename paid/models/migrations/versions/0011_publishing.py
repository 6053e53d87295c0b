"""Who a project's commits are by, which filters' files may go out raw, and runs that only publish."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    names = {"commit_name": "Paid", "commit_email": "noreply@paid.invalid"}
    for column, default in names.items():
        op.add_column(
            "policy", sa.Column(column, sa.String(), server_default=default, nullable=False)
        )
    filters = sa.Column(
        "raw_filters",
        postgresql.JSONB(astext_type=sa.Text()),
        server_default="[]",
        nullable=False,
    )
    op.add_column("policy", filters)
    op.add_column(
        "run",
        sa.Column("publishes_only", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    for column in ("commit_name", "commit_email", "raw_filters"):
        op.drop_column("policy", column)
    op.drop_column("run", "publishes_only")
