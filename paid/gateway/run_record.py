"""What the gateway puts on the record of a run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from paid.gateway.access import Grant
from paid.gateway.lines import Pool
from paid.plain import bounded

log = logging.getLogger(__name__)


async def put_on_record(pool: Pool, grant: Grant, kind: str, data: Mapping[str, Any]) -> None:
    """Write an event, its text made plain; a database that is away stops no request for it."""
    try:
        async with pool.connection() as connection:
            await connection.execute(
                "INSERT INTO event (chain, run_id, project_id, kind, data, at)"
                " VALUES (%s, %s, %s, %s, %s, clock_timestamp())",
                (f"run:{grant.run_id}", grant.run_id, grant.project_id, kind, Jsonb(bounded(data))),
            )
    except (psycopg.Error, PoolTimeout) as error:
        log.warning("%s of run %s is not on record: %s", kind, grant.run_id, error)
