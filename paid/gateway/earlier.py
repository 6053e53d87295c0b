"""How long the conversations are that a run's earlier answers ended: for requests that go on there.

OpenAI stores answers, and a request that names one (`previous_response_id`) is charged for all that
led to it. The gateway saw what that was: the input and the output of the answer that is named.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

import psycopg
from psycopg_pool import PoolTimeout

from paid.errors import DatabaseError
from paid.gateway.lines import Pool

MOST_REMEMBERED = 10_000
LONGEST_ID = 200
_LENGTH = (
    "SELECT input_tokens + output_tokens AS tokens FROM ledger_entry WHERE run_id = %s"
    " AND basis = 'vendor' AND detail ->> 'answer_id' = %s ORDER BY id DESC LIMIT 1"
)


class Earlier:
    """Remembers the latest, and asks the ledger for those before this process's time.

    Only a vendor's own count is taken, and only for the run that had the answer.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._tokens: OrderedDict[tuple[int, str], int] = OrderedDict()

    def note(self, run_id: int, answer_id: str | None, counts: Mapping[str, int]) -> None:
        """An answer has ended."""
        if answer_id and counts:
            tokens = counts.get("input_tokens", 0) + counts.get("output_tokens", 0)
            self._tokens[run_id, answer_id] = tokens
            while len(self._tokens) > MOST_REMEMBERED:
                self._tokens.popitem(last=False)

    async def tokens(
        self, run_id: int, answer_id: str, settle: Callable[[], Awaitable[object]]
    ) -> int | None:
        """How long it was at its end; None when nobody here knows.

        `settle` works out the bills that wait, for an answer that ended just now.
        """
        key = (run_id, answer_id)
        if key not in self._tokens:
            await settle()
        if key not in self._tokens:
            return await self._asked(run_id, answer_id)
        self._tokens.move_to_end(key)
        return self._tokens[key]

    async def _asked(self, run_id: int, answer_id: str) -> int | None:
        if len(answer_id) > LONGEST_ID or not answer_id.isprintable():
            return None
        try:
            async with self._pool.connection() as connection:
                row = await (await connection.execute(_LENGTH, (run_id, answer_id))).fetchone()
        except (psycopg.Error, PoolTimeout) as error:
            raise DatabaseError("PostgreSQL does not answer the gateway.") from error
        return None if row is None else int(row["tokens"])
