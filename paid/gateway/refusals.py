"""Refused model requests on the record of their run: an agent rarely repeats why it was refused."""

from __future__ import annotations

from collections import OrderedDict

from paid.gateway.access import Grant
from paid.gateway.answers import AnswerError
from paid.gateway.lines import Pool
from paid.gateway.run_record import put_on_record

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
        said = f"{vendor} answered {error.status}: {error}" if error.words else str(error)
        data = {
            "vendor": vendor,
            "status": error.status,
            "code": error.code,
            "message": said[:LONGEST_MESSAGE],
        }
        await put_on_record(self._pool, grant, KIND, data)
