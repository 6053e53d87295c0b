"""PostgreSQL and Temporal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import text

from paid import health
from paid.doctor.findings import Case, Check, Finding, broken, ok, warning
from paid.settings import Settings
from paid.store.database import Database
from paid.store.opening import open_database
from paid.temporal import connect, require_namespace

RECENTLY_SECONDS = 90
"""A worker's long poll lasts a minute, so one that lives has called within this time."""
UP_MEND = "Start it with `paid up`."


@contextmanager
def database(settings: Settings) -> Iterator[Database]:
    """The database for one look. Raises PaidError."""
    opened = open_database(settings, pool_size=1)
    try:
        yield opened
    finally:
        opened.close()


def postgres(case: Case) -> Sequence[Finding]:
    """It answers, and its schema is the one that this program knows."""
    with database(case.settings) as opened:
        pending = opened.pending_migrations()
        with opened.session() as session:
            version = session.connection().execute(text("SHOW server_version")).scalar_one()
    found = ok("postgresql", f"version {version}")
    if pending:
        waiting = f"migrations are pending: {', '.join(pending)}"
        mend = "Start any of Paid's programs (`paid up`): it brings the schema up first."
        return [found, broken("schema", waiting, mend)]
    return [found, ok("schema", "up to date")]


def temporal(case: Case) -> Sequence[Finding]:
    """It answers and has our namespace."""
    return asyncio.run(_temporal(case.settings))


async def _temporal(settings: Settings) -> Sequence[Finding]:
    client = await connect(settings)
    await require_namespace(client)
    where = f"{settings.temporal_address}, namespace {settings.temporal_namespace}"
    return [ok("temporal", where)]


def worker(case: Case) -> Sequence[Finding]:
    """Somebody takes runs."""
    if health.worker(case.settings, time.time() - RECENTLY_SECONDS):
        return [ok("worker", f"reads the queue {case.settings.temporal_task_queue}")]
    detail = f"nobody reads the queue {case.settings.temporal_task_queue}"
    return [broken("worker", detail, f"{UP_MEND} Or run `bin/temporal-worker`.")]


def jobs(case: Case) -> Sequence[Finding]:
    """Somebody takes light jobs; without one, runs work and notifications wait."""
    if health.jobs(case.settings, time.time() - RECENTLY_SECONDS):
        return [ok("jobs", "the job runner is there")]
    detail = "no job runner: notifications and clean-up wait"
    return [warning("jobs", detail, f"{UP_MEND} Or run `bin/jobs`.")]


CHECKS = (
    Check("postgresql", postgres, mend="Start it, and check DATABASE_URL."),
    Check("temporal", temporal, mend="Start it, and check TEMPORAL_ADDRESS."),
    Check("worker", worker, mend=UP_MEND),
    Check("jobs", jobs, mend=UP_MEND),
)
