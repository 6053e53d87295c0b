"""Alembic's entry: runs migrations on the connection that `paid.store.database` hands in."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import paid.models  # noqa: F401 - fills the metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=SQLModel.metadata)
with context.begin_transaction():
    context.run_migrations()
