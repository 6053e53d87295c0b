"""The ledger as the gateway uses it: asynchronous, in batches, and stubborn about settling."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Literal
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from paid.errors import DatabaseError
from paid.gateway.batching import Batches
from paid.gateway.lines import Line, Pool, RefusedByDatabaseError, persistently

log = logging.getLogger(__name__)

Outcome = Literal["reserved", "over", "busy", "revoked"]

RESERVED_SECONDS = 120
"""How long a reservation outlives a gateway that cannot be heard of."""
EXTEND_SECONDS = 30
SETTLE_TOGETHER_SECONDS = 0.1
"""How long what is to be settled waits for company. Its money stays reserved for so long."""
FLUSH_TOGETHER_SECONDS = 0.02
"""How long a reservation waits for company on its way to the disk."""
SETTLE_TOGETHER_MOST = 128
BILLING_SLICE_SECONDS = 0.002
"""How long bills are worked out in one go. A pause after each one would let the settling fall
behind the requests of a busy gateway for good."""
MOST_WITHOUT_A_BILL = 1024
"""A burst of so many requests has its bills worked out after it."""
SETTLE_PAUSE_SECONDS = 1.0
HURRY_SECONDS = 0.5
"""The longest that somebody who lacks money waits for what is being settled."""

Bill = Callable[[], Mapping[str, Any] | None]
"""What was spent, `amount` in micro-dollars among it; None for nothing."""

_SETTLE = "SELECT count(*) FROM ledger_settle($1)"
_RESERVE = "SELECT json_agg(answered) FROM ledger_reserve($1) AS answered"

Hold = tuple[int, tuple[str, datetime | None, timedelta | None, Jsonb]]
"""A run, and why, until when or for how long, and over what it waits."""


@dataclass(frozen=True)
class Reservation:
    """A worst case to be reserved. Its id is the request's, so asking again is harmless."""

    run_id: int
    token_hash: bytes
    amount_microdollars: int
    vendor: str
    model: str
    request_id: UUID = field(default_factory=uuid4)
    is_ahead: bool = False
    """Whether it is for a request that has not come yet."""
    spare_microdollars: int = 0
    """What has to stay free under every cap beside it."""


@dataclass(frozen=True)
class Cap:
    """The cap that stood in the way; `ends_at` of None means that its period never ends."""

    scope: str
    period: str
    limit_microdollars: int
    spent_microdollars: int
    reserved_microdollars: int
    ends_at: datetime | None


@dataclass(frozen=True)
class Answer:
    """What became of a reservation; over and busy name the cap."""

    outcome: Outcome
    cap: Cap | None = None


@dataclass
class _Closing:
    """The end of a reservation. Its bill is worked out once, however often it is sent."""

    reservation: Reservation
    bill: Bill
    _item: dict[str, Any] | None = None

    def item(self) -> dict[str, Any]:
        if self._item is None:
            try:
                bill = self.bill()
            except Exception:
                log.exception("a bill cannot be worked out: its reservation is charged whole")
                whole = self.reservation.amount_microdollars
                bill = {"amount": whole, "basis": "estimated"}
            self._item = _item(self.reservation) | {"amount": None} | dict(bill or {})
            self.bill = _nothing  # what the bill was worked out from, such as a body, may go
        return self._item

    def make_plain(self) -> bool:
        """Charge the reservation, without a word of the vendor's; False when that was done before.

        A value that PostgreSQL cannot hold must not leave a reservation open.
        """
        plain = _item(self.reservation) | {
            "amount": self.reservation.amount_microdollars,
            "basis": "estimated",
        }
        is_new, self._item = self._item != plain, plain
        return is_new


class Books:
    """Reserve, settle and hold, through the functions of migrations 0002 and 0005.

    Of so many requests, `most_without_a_bill`, the bills are worked out later.
    """

    def __init__(
        self,
        pool: Pool,
        url: str,
        owner: str,
        *,
        most_without_a_bill: int = MOST_WITHOUT_A_BILL,
    ) -> None:
        self._pool = pool
        self._reserving = Line(url, waits_for_disk=False)
        self._closing = Line(url, waits_for_disk=False)
        self._flushing, self._holding = Line(url), Line(url)
        self._owner = owner
        self._most_without_a_bill = most_without_a_bill
        self._open: set[UUID] = set()
        self._settling: set[asyncio.Task[None]] = set()
        self._reserve = Batches(self._reserve_many, alone_after=RefusedByDatabaseError)
        self._settle = Batches(
            self._settle_many,
            most=SETTLE_TOGETHER_MOST,
            alone_after=RefusedByDatabaseError,
            patience_seconds=SETTLE_TOGETHER_SECONDS,
        )
        self._flush = Batches(self._flush_once, patience_seconds=FLUSH_TOGETHER_SECONDS)
        self._hold = Batches(self._hold_many)
        self._held = Batches(self._held_many)
        self.settled = asyncio.Condition()

    async def reserve(self, reservation: Reservation) -> Answer:
        """Reserve, or learn which cap is in the way. Raises DatabaseError."""
        self._open.add(reservation.request_id)
        asking = self._reserve.ask(reservation)
        try:
            answer = await asyncio.shield(asking)
        except asyncio.CancelledError:
            # The question is on its way and its answer may be yes: give that back after it.
            asking.add_done_callback(lambda _: self.release(reservation))
            raise
        except DatabaseError:
            self.release(reservation)
            raise
        if answer.outcome != "reserved":
            self._open.discard(reservation.request_id)
        return answer

    def settle(self, reservation: Reservation, bill: Bill) -> asyncio.Task[None]:
        """Charge what was spent instead of the reservation; goes on in the background.

        The bill is asked for when it is written down: to work it out takes longer than to pass an
        answer on, and other requests are on their way. Once many wait, each is worked out at once,
        so that the requests come no faster than they can be settled, and no body is kept for long.
        """
        closing = _Closing(reservation, bill)
        if len(self._settling) >= self._most_without_a_bill:
            closing.item()
        return self._in_background(self._settle_stubbornly(closing))

    def release(self, reservation: Reservation) -> asyncio.Task[None]:
        """Give a reservation back, because nothing was spent; goes on in the background."""
        return self.settle(reservation, _nothing)

    def open_requests(self) -> set[UUID]:
        """The ids of what is reserved, or may be."""
        return set(self._open)

    async def settle_now(self) -> bool:
        """Settle what waits for company, and wait for that; whether there was any."""
        settling = set(self._settling)
        self.hurry()
        if settling:
            await asyncio.wait(settling, timeout=HURRY_SECONDS)
        return bool(settling)

    def hurry(self) -> None:
        """Settle at once what waits for company: somebody needs the money that it holds."""
        self._settle.hurry()

    async def hold(
        self,
        run_id: int,
        reason: str,
        until: datetime | timedelta | None,
        detail: Mapping[str, Any],
    ) -> None:
        """Make a run wait: to a moment of PostgreSQL's, for a span, or until somebody lets it go.

        Many requests of one run may say so at once.
        """
        moment, span = (None, until) if isinstance(until, timedelta) else (until, None)
        await self._hold.submit((run_id, (reason, moment, span, Jsonb(dict(detail)))))

    async def is_held(self, run_id: int) -> bool:
        """Whether a run still has to wait; releases a hold that has no reason any more."""
        return await self._held.submit(run_id)

    async def expire_left_behind(self, taken: Collection[UUID] | None) -> int:
        """Charge whole what a gateway of our name left open; at start, before anything is.

        `taken` tells which of what was reserved ahead was used; None means that it may all be.
        """
        if taken is not None:
            question = "SELECT ledger_give_back(%s, %s) AS given_back"
            await self._rows(question, (self._owner, list(taken)))
        return await self._expire(self._owner)

    async def expired(self, request_ids: Sequence[str]) -> set[str]:
        """Those of these requests that were charged whole because nobody settled them."""
        question = (
            "SELECT request_id::text AS id FROM ledger_reservation"
            " WHERE request_id = ANY (%s::uuid[]) AND state = 'expired'"
        )
        return {row["id"] for row in await self._rows(question, (list(request_ids),))}

    async def keep(self) -> None:
        """Keep reservations of live streams, and expire dead ones; runs until cancelled."""
        while True:
            await asyncio.sleep(EXTEND_SECONDS)
            try:
                if self._open:
                    await self._rows(
                        "SELECT ledger_extend(%s, clock_timestamp() + make_interval(secs => %s))",
                        (list(self._open), RESERVED_SECONDS),
                    )
                await self._expire(None)
            except DatabaseError as error:
                log.warning("reservations are not extended: %s", error)

    async def finish(self, seconds: float) -> None:
        """Wait for what is being settled."""
        self.hurry()
        if self._settling:
            await asyncio.wait(set(self._settling), timeout=seconds)
        for line in (self._reserving, self._flushing, self._closing, self._holding):
            await line.close()

    async def _expire(self, owner: str | None) -> int:
        rows = await self._rows("SELECT ledger_expire(%s) AS expired", (owner,))
        return int(rows[0]["expired"])

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        return task

    async def _settle_stubbornly(self, closing: _Closing) -> None:
        """Until it is done: what was spent must not be forgotten while this process lives."""
        while True:
            try:
                await self._settle.submit(closing)
            except RefusedByDatabaseError as error:
                log.error("a request cannot be settled: %s (%r)", closing.item(), error.__cause__)
                if isinstance(error.__cause__, psycopg.DataError) and closing.make_plain():
                    continue
                # Its reservation, which nobody extends any more, expires at its full amount.
            except DatabaseError as error:
                log.warning("a request is not settled yet: %s", error)
                await asyncio.sleep(SETTLE_PAUSE_SECONDS)
                continue
            self._open.discard(closing.reservation.request_id)
            async with self.settled:
                self.settled.notify_all()
            return

    async def _reserve_many(self, asked: Sequence[Reservation]) -> list[Answer]:
        items = [
            _item(each)
            | {
                "amount": each.amount_microdollars,
                "token_hash": each.token_hash.hex(),
                "owner": self._owner,
                "seconds": RESERVED_SECONDS,
                "ahead": each.is_ahead,
                "spare": each.spare_microdollars,
            }
            for each in asked
        ]
        rows = await persistently(lambda: self._reserving.json(_RESERVE, items))
        self._in_background(self._flush_soon())
        answers = {row["request"]: _answer(row) for row in rows}
        return [answers[str(each.request_id)] for each in asked]

    async def _flush_soon(self) -> None:
        """Bring reservations to the disk while their requests are on the way to the vendor."""
        with suppress(DatabaseError):
            await self._flush.submit(None)

    async def _flush_once(self, asked: Sequence[None]) -> list[None]:
        await persistently(self._flushing.flush)
        return [None] * len(asked)

    async def _settle_many(self, closings: Sequence[_Closing]) -> list[None]:
        items, began = [], monotonic()
        for closing in closings:
            items.append(closing.item())
            if monotonic() - began > BILLING_SLICE_SECONDS:
                await asyncio.sleep(0)
                began = monotonic()

        async def settle_and_flush() -> None:
            await self._closing.json(_SETTLE, items)
            await self._closing.flush()

        await persistently(settle_and_flush)
        return [None] * len(items)

    async def _hold_many(self, holds: Sequence[Hold]) -> list[None]:
        question = (
            "SELECT run_hold_open(%s, %s,"
            " coalesce(%s::timestamptz, clock_timestamp() + %s::interval), %s)"
        )
        for run_id, values in sorted(dict(holds).items()):
            await self._ask(self._holding, question, (run_id, *values))
        return [None] * len(holds)

    async def _held_many(self, run_ids: Sequence[int]) -> list[bool]:
        question = (
            "SELECT r.id, EXISTS (SELECT FROM run_hold_current(r.id)) AS held"
            " FROM unnest(%s::bigint[]) AS r(id) ORDER BY r.id"
        )
        rows = await self._ask(self._holding, question, (sorted(set(run_ids)),))
        held = {row["id"]: row["held"] for row in rows}
        return [held[run_id] for run_id in run_ids]

    async def _rows(self, question: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
        """For what is asked now and then."""
        try:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(question, values)
                return await cursor.fetchall()
        except (psycopg.Error, PoolTimeout) as error:
            raise DatabaseError("PostgreSQL does not answer the gateway.") from error

    async def _ask(
        self, line: Line, question: str, values: tuple[Any, ...]
    ) -> list[dict[str, Any]]:
        return await persistently(lambda: line.rows(question, values))


def _nothing() -> None:
    """The bill of what was not sent, or refused."""


def _item(reservation: Reservation) -> dict[str, Any]:
    return {
        "request_id": str(reservation.request_id),
        "run_id": reservation.run_id,
        "vendor": reservation.vendor,
        "model": reservation.model,
    }


def _answer(row: Mapping[str, Any]) -> Answer:
    if row["cap_scope"] is None:
        return Answer(row["outcome"])
    ends_at = row["cap_ends_at"]
    cap = Cap(
        scope=row["cap_scope"],
        period=row["cap_period"],
        limit_microdollars=row["cap_limit"],
        spent_microdollars=row["cap_spent"],
        reserved_microdollars=row["cap_reserved"],
        ends_at=ends_at and datetime.fromisoformat(ends_at),
    )
    return Answer(row["outcome"], cap)
