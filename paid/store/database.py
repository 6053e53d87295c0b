"""The one place where connections to PostgreSQL are made, and where its schema is brought up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError, ProgrammingError
from sqlmodel import Session

from paid.errors import DatabaseError

_MISSING = frozenset({"42P01", "42703", "3F000"})
"""SQLSTATEs of a table, a column and a schema that is not there."""
_REASON_CHARS = 200
IDLE_SECONDS = 30.0
_ENDED_WHILE_IDLE = "25P03"
_IDLE_LIMIT = "idle_in_transaction_session_timeout"
_MIGRATION_LOCK = 0x70616964  # "paid": one process migrates, the others wait


def sqlalchemy_url(url: str) -> str:
    """The same URL with the driver named: people write `postgresql://` or `postgres://`."""
    _, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}"


def libpq_url(url: str) -> str:
    """The same URL for psycopg itself, which knows no driver suffix."""
    _, _, rest = url.partition("://")
    return f"postgresql://{rest}"


class Database:
    """A pool of connections to one PostgreSQL database.

    Args:
        url: `postgresql://…`, with or without a driver suffix.
        pool_size: connections kept; twice as many are opened at most. Activities run on threads,
            so this bounds how many of them can be in a transaction at once.
        idle_seconds: how long a transaction may ask nothing. A process that was frozen in the
            middle of one (a suspended machine, SIGSTOP) would keep its locks, and the ledger and
            the polls of all hosts would wait behind them.
    """

    def __init__(
        self, url: str, *, pool_size: int = 20, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self.url = url
        self.engine: Engine = create_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            pool_timeout=30,
            hide_parameters=True,  # an error is printed and logged; what people wrote is not
            connect_args={"options": f"-c {_IDLE_LIMIT}={int(idle_seconds * 1000)}"},
        )

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back on an exception.

        Raises DatabaseError, which may be retried, when PostgreSQL does not answer.
        """
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
        except OperationalError as error:
            raise _unanswered(error) from error
        except InternalError as error:
            if getattr(error.orig, "sqlstate", None) != _ENDED_WHILE_IDLE:
                raise
            raise _unanswered(error) from error
        except ProgrammingError as error:
            if getattr(error.orig, "sqlstate", None) not in _MISSING:
                raise
            raise DatabaseError(
                "The database does not have the tables of this version of Paid.",
                hint="`paid up` and every worker bring it up to date; `paid doctor` tells more.",
            ) from error

    def migrate(self, revision: str = "head") -> None:
        """Bring the schema to `revision`, under a lock, so that programs may start together."""
        from paid.store import schema  # noqa: PLC0415 - loads alembic

        with self._connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
            connection.commit()
            try:
                schema.move(connection, revision)
            finally:
                connection.rollback()
                connection.execute(
                    text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATION_LOCK}
                )
                connection.commit()

    def pending_migrations(self) -> list[str]:
        """Revisions that this program knows and the database has not; empty when up to date."""
        from paid.store import schema  # noqa: PLC0415 - loads alembic

        with self._connect() as connection:
            return schema.pending(connection)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        try:
            with self.engine.connect() as connection:
                yield connection
        except OperationalError as error:
            raise _unanswered(error) from error


def let_wait(session: Session) -> None:
    """Lift the limit on idleness for this transaction, which waits for something outside."""
    session.connection().execute(text(f"SET LOCAL {_IDLE_LIMIT} = 0"))


def _unanswered(error: DBAPIError) -> DatabaseError:
    """With PostgreSQL's reason, which names host, user or database, and never a password."""
    reason = next(iter(str(error.orig).strip().splitlines()), "")[:_REASON_CHARS]
    return DatabaseError(
        f"PostgreSQL did not answer: {reason or 'no reason given'}",
        hint="Does it run, and has its disk room? Is DATABASE_URL right? `paid doctor` tells more.",
    )
