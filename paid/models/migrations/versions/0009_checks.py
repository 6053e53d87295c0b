"""Checks that need a shell get one, and how checks end on the base is remembered.

A check such as `npm ci && npm test` was stored as words; npm took `&&` for an argument, ignored it,
and was green. It becomes the line for bash that was meant. What was quoted is not known any more:
only `&&` and `||`, which nobody quotes, tell that a shell was meant.
"""

from __future__ import annotations

import json
import shlex

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

OPERATORS = frozenset({"&&", "||", ";", "|", "&", ">", "<", ">>"})


def upgrade() -> None:
    op.create_table(
        "base_check",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("base_sha", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "report", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "base_sha", "key", name="base_check_once"),
    )
    _give_shells()


def downgrade() -> None:
    op.drop_table("base_check")


def _give_shells() -> None:
    connection = op.get_bind()
    for number, checks in connection.execute(sa.text("SELECT id, checks FROM policy")).all():
        meant = [_meant(argv) for argv in checks]
        if meant != checks:
            connection.execute(
                sa.text("UPDATE policy SET checks = CAST(:checks AS jsonb) WHERE id = :id"),
                {"checks": json.dumps(meant), "id": number},
            )


def _meant(argv: list[str]) -> list[str]:
    if not {"&&", "||"} & set(argv):
        return argv
    line = " ".join(word if word in OPERATORS else shlex.quote(word) for word in argv)
    return ["bash", "-euo", "pipefail", "-c", line]
