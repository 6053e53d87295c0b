"""Reservations ahead: the next request of a run in full talk need not wait for the ledger.

While an agent looks at one answer, the worst case of its next request is reserved as any other, but
only where as much again stays free under every cap. Near a cap there are none, and whoever lacks
money gets them back at once. See docs/decisions/gateway.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from time import monotonic
from uuid import uuid4

from paid.gateway.books import Answer, Books, Reservation
from paid.gateway.taken import TakenFile

log = logging.getLogger(__name__)

TOGETHER_SECONDS = 0.02
"""How long what is to be reserved ahead waits for company."""
MOST_AHEAD = 32
"""For one run; an agent has one, or as many as it has requests at once."""
MOST_TAKEN = 50_000
"""Entries in the file before it is written anew."""


@dataclass
class _Stock:
    """What is reserved ahead for one run, and what its requests were like lately."""

    like: Reservation
    ahead: list[Reservation] = field(default_factory=list)
    ended: int = 0
    """Requests that ended since the last look, while the run was in full talk."""
    missed: int = 0
    """Those among them that found nothing ahead."""
    ended_at: float = 0.0
    is_quick: bool = False

    def take(self, wish: Reservation, quick_seconds: float) -> Reservation | None:
        self.is_quick = monotonic() - self.ended_at < quick_seconds
        if wish.amount_microdollars > self.like.amount_microdollars or not self.ended:
            self.like = wish
        for advance in self.ahead:
            if advance.amount_microdollars >= wish.amount_microdollars:
                self.ahead.remove(advance)
                return advance
        self.missed += self.is_quick
        return None

    def wishes(self) -> Iterator[Reservation]:
        """As many as would have been used lately; what missed one held up those behind it.

        A conversation grows, so each is an eighth larger.
        """
        asked = self.ended + max(0, self.missed - 1)
        wanted, self.ended, self.missed = min(asked, MOST_AHEAD) - len(self.ahead), 0, 0
        amount = self.like.amount_microdollars
        for _ in range(wanted):
            yield replace(
                self.like,
                amount_microdollars=amount + amount // 8,
                spare_microdollars=amount,
                is_ahead=True,
                request_id=uuid4(),
            )


class Advances:
    """What this gateway has reserved ahead. `hears` tells whether a token's death is heard of.

    A run that asks again within `quick_seconds` is in full talk; one that does not gives back.
    """

    def __init__(
        self,
        books: Books,
        taken: TakenFile,
        hears: Callable[[], bool],
        *,
        quick_seconds: float,
    ) -> None:
        self._quick_seconds = quick_seconds
        self._books = books
        self._taken = taken
        self._hears = hears
        self._stocks: dict[int, _Stock] = {}
        self._wanted = asyncio.Event()

    def take(self, wish: Reservation) -> Reservation | None:
        """The wish, paid for with what was reserved ahead; None when it has to be reserved now."""
        stock = self._stocks.get(wish.run_id)
        if stock is None or stock.like.token_hash != wish.token_hash or not self._hears():
            return None
        advance = stock.take(wish, self._quick_seconds)
        if advance is None:
            return None
        try:
            self._taken.add(advance.request_id)
        except OSError as error:
            log.warning("what is taken cannot be noted: %s", error)
            self._books.release(advance)
            return None
        amount = advance.amount_microdollars
        return replace(wish, amount_microdollars=amount, request_id=advance.request_id)

    def ended(self, reservation: Reservation) -> None:
        """A request has its answer: if its run is in full talk, the next one comes soon."""
        stock = self._stocks.get(reservation.run_id)
        if stock is None or stock.like.token_hash != reservation.token_hash:
            self.forget(reservation.run_id)
            stock = self._stocks[reservation.run_id] = _Stock(reservation)
        stock.ended_at = monotonic()
        stock.ended += stock.is_quick
        self._wanted.set()

    async def give_back(self) -> bool:
        """Give everything back, because somebody lacks money; whether there was any."""
        closing = [
            self._books.release(advance)
            for stock in self._stocks.values()
            for advance in self._emptied(stock)
        ]
        if not closing:
            return False
        await asyncio.sleep(0)
        self._books.hurry()
        await asyncio.wait(closing)
        return True

    def forget(self, run_id: int | None = None) -> None:
        """A run's token died; None for all runs, because one might have died unheard."""
        for each in list(self._stocks) if run_id is None else [run_id]:
            stock = self._stocks.pop(each, None)
            ahead = self._emptied(stock) if stock is not None else []
            for advance in ahead:
                self._books.release(advance)
            if ahead:  # at once: behind the releases, which begin with the loop's next round
                asyncio.get_running_loop().call_soon(self._books.hurry)

    async def keep(self) -> None:
        """Reserve what will be asked for soon, give back what was not; runs until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                while self._stocks:
                    await asyncio.sleep(TOGETHER_SECONDS)
                    self._forget_silent()
                    await self._reserve()
                    self._tidy()
        finally:
            self.forget()

    async def _reserve(self) -> None:
        wishes = [(stock, wish) for stock in self._stocks.values() for wish in stock.wishes()]
        asking = (self._books.reserve(wish) for _, wish in wishes)
        answers = await asyncio.gather(*asking, return_exceptions=True)
        for (stock, wish), answer in zip(wishes, answers, strict=True):
            if not isinstance(answer, Answer) or answer.outcome != "reserved":
                continue
            if self._stocks.get(wish.run_id) is stock:
                stock.ahead.append(wish)
            else:
                self._books.release(wish)

    def _forget_silent(self) -> None:
        latest = monotonic() - self._quick_seconds
        for run_id in [run for run, stock in self._stocks.items() if stock.ended_at < latest]:
            self.forget(run_id)

    def _tidy(self) -> None:
        if self._taken.count > MOST_TAKEN:
            ahead = {each.request_id for stock in self._stocks.values() for each in stock.ahead}
            self._taken.begin(self._books.open_requests() - ahead)

    @staticmethod
    def _emptied(stock: _Stock) -> list[Reservation]:
        ahead, stock.ahead, stock.ended, stock.missed = stock.ahead, [], 0, 0
        return ahead
