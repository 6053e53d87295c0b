"""Column kinds that several tables share, so that each is said once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    String,
    false,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB


def identity() -> Column[int]:
    """A bigint primary key that PostgreSQL numbers."""
    return Column(BigInteger, Identity(always=False), primary_key=True)


def reference(target: str, *, nullable: bool = False, index: bool = True) -> Column[int]:
    """A bigint foreign key. Nothing cascades: what happened is never deleted along."""
    return Column(BigInteger, ForeignKey(target), nullable=nullable, index=index)


def big(*, default: int | None = None, nullable: bool = False) -> Column[int]:
    """A bigint; GitHub's ids and counts of tokens pass 32 bits."""
    server_default = None if default is None else str(default)
    return Column(BigInteger, nullable=nullable, server_default=server_default)


def moment(*, nullable: bool = True) -> Column[datetime]:
    """A timestamp with time zone; naive times have no place in the database."""
    return Column(DateTime(timezone=True), nullable=nullable)


def stamp(*, by_server: bool = False) -> Column[datetime]:
    """When the row was written: by PostgreSQL's clock, because those of our hosts may be off.

    `by_server` makes it the table's own default, for rows that others write too.
    """
    clock = func.clock_timestamp()
    if by_server:
        return Column(DateTime(timezone=True), nullable=False, server_default=clock)
    return Column(DateTime(timezone=True), nullable=False, default=clock)


def json_value(default: str) -> Column[Any]:
    """A JSONB value; `default` is its SQL literal, such as `[]`."""
    return Column(JSONB, nullable=False, server_default=default)


def text_value(default: str) -> Column[str]:
    """A text whose default the database knows too."""
    return Column(String, nullable=False, server_default=default)


def yes_or_no() -> Column[bool]:
    """A boolean that is false unless it is said."""
    return Column(Boolean, nullable=False, server_default=false())


def one_of(column: str, values: Sequence[str]) -> str:
    """The text of a CHECK: text with a CHECK is easier to migrate than a native enum."""
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{column} IN ({listed})"
