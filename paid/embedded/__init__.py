"""PostgreSQL and Temporal as child processes of one machine, for `paid up` and for tests."""

from paid.embedded.postgres import PostgresServer
from paid.embedded.temporal import TemporalServer

__all__ = ["PostgresServer", "TemporalServer"]
