"""Events carry the moment when they were written, not that when their transaction began.

A push or a call to GitHub happens inside its transaction, so its event was dated before it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("event", "at", server_default=sa.text("clock_timestamp()"))


def downgrade() -> None:
    op.alter_column("event", "at", server_default=sa.text("now()"))
