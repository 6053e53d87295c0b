"""The one clock of an installation: PostgreSQL's.

Hosts' clocks may be an hour off, or step. A moment that one process writes by its own clock, and
another compares with its own, would come too early or too late. So every moment in the database is
PostgreSQL's, and what it is compared with is too; a span within one process is `time.monotonic`'s.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlmodel import Session

NOW = func.clock_timestamp()
"""The moment at which PostgreSQL comes to it, for statements."""


def now(session: Session) -> datetime:
    """What PostgreSQL's clock says, one short question away."""
    moment: datetime = session.connection().execute(select(NOW)).scalar_one()
    return moment


def since(session: Session, moment: datetime) -> timedelta:
    """How long ago that was."""
    return now(session) - moment
