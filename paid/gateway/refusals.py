"""Refused model requests on the record of their run: an agent rarely repeats why it was refused."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from paid.gateway.access import Grant
from paid.gateway.answers import AnswerError
from paid.gateway.lines import Pool

log = logging.getLogger(__name__)

KIND = "model.refused"
_TOLD_ELSEWHERE = frozenset({"token", "budget_exceeded", "budget_reserved"})
MOST_REMEMBERED = 10_000
LONGEST_MESSAGE = 1000


class Refusals:
    """Tells each reason once a run: agents try again and again."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._told: OrderedDict[tuple[int, str, str], None] = OrderedDict()

    async def tell(self, grant: Grant, vendor: str, error: AnswerError) -> None:
        """Put a refusal on the run's record; a database that is away does not delay the answer."""
        key = (grant.run_id, vendor, error.code)
        if key in self._told or error.code in _TOLD_ELSEWHERE:
            return
        self._told[key] = None
        while len(self._told) > MOST_REMEMBERED:
            self._told.popitem(last=False)
        data = {
            "vendor": vendor,
            "status": error.status,
            "code": error.code,
            "message": str(error).replace("\0", "")[:LONGEST_MESSAGE],
        }
        await self._write(grant, data)

    async def _write(self, grant: Grant, data: dict[str, Any]) -> None:
        try:
            async with self._pool.connection() as connection:
                await connection.execute(
                    "INSERT INTO event (chain, run_id, project_id, kind, data, at)"
                    " VALUES (%s, %s, %s, %s, %s, clock_timestamp())",
                    (f"run:{grant.run_id}", grant.run_id, grant.project_id, KIND, Jsonb(data)),
                )
        except (psycopg.Error, PoolTimeout) as error:
            log.warning("a refusal of run %s is not on record: %s", grant.run_id, error)
