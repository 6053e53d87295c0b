"""A project remembers when its token ends, so that people are told before it does."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("project", sa.Column("token_expires_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("project", "token_expires_at")
