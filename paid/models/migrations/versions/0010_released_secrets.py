"""What looks like a secret and may be published: in a project, and in one run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_COLUMNS = {"policy": "allowed_secrets", "run": "released_secrets"}


def upgrade() -> None:
    for table, name in _COLUMNS.items():
        kind = postgresql.JSONB(astext_type=sa.Text())
        op.add_column(table, sa.Column(name, kind, server_default="[]", nullable=False))


def downgrade() -> None:
    for table, name in _COLUMNS.items():
        op.drop_column(table, name)
