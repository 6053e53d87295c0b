"""A request's money: reserved before it is sent, waited for at a cap, charged when it is known."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from time import monotonic

from paid.gateway.access import Access
from paid.gateway.advances import Advances
from paid.gateway.answers import AnswerError, busy, no_money
from paid.gateway.billing import Billing, Sending
from paid.gateway.books import Books, Cap, Reservation
from paid.gateway.earlier import Earlier
from paid.gateway.estimate import Ask
from paid.gateway.job import Job
from paid.gateway.prices import Tariff
from paid.gateway.spool import Edit
from paid.gateway.squeeze import least, squeeze
from paid.gateway.stored import Note, NotesFile

log = logging.getLogger(__name__)

BUSY_SECONDS = 0.5
NEWS_SECONDS = 2.0


class Purse:
    """Pays for requests from the ledger.

    `grace_seconds` is how long a request waits at a cap, its run frozen, before it is refused.
    """

    def __init__(
        self,
        *,
        books: Books,
        advances: Advances,
        access: Access,
        billing: Billing,
        notes: NotesFile,
        earlier: Earlier,
        grace_seconds: float,
    ) -> None:
        self._notes = notes
        self._books = books
        self._advances = advances
        self._access = access
        self._billing = billing
        self._earlier = earlier
        self._grace_seconds = grace_seconds

    def tariff(self, vendor: str, model: str, tier: Mapping[str, str]) -> Tariff:
        """The price of a model in a tier. Raises PriceUnknownError."""
        return self._billing.tariff(vendor, model, tier)

    async def with_earlier(self, job: Job) -> Job:
        """The job with the length of what it goes on with. Raises DatabaseError."""
        if not job.ask.earlier:
            return job
        settle = self._books.settle_now
        tokens = await self._earlier.tokens(job.grant.run_id, job.ask.earlier, settle)
        return replace(job, ask=replace(job.ask, earlier_tokens=tokens))

    def paid_ahead(self, job: Job, tariff: Tariff) -> Reservation | None:
        """What was reserved ahead for the worst case, or None: reserve it."""
        amount = self._billing.in_usual_tier(job, tariff).worst(tariff)
        return self._advances.take(_wish(job, tariff, amount))

    async def reserve(
        self, job: Job, tariff: Tariff, *, when_it_waits: Callable[[], None]
    ) -> tuple[Reservation, Sequence[Edit]]:
        """Reserve the worst case; the edits are the job's, and what was squeezed into the room.

        At a cap, waits for money, and says so. Raises AnswerError without it, and DatabaseError.
        """
        deadline = monotonic() + self._grace_seconds
        amount, edits = self._billing.in_usual_tier(job, tariff).worst(tariff), job.edits
        has_hurried = False
        while True:
            wish = _wish(job, tariff, amount)
            answer = await self._books.reserve(wish)
            if answer.outcome == "reserved":
                return wish, edits
            when_it_waits()
            if answer.outcome == "revoked" or answer.cap is None:
                raise AnswerError(401, "This run token was revoked.", "token")
            left = deadline - monotonic()
            if left > 0 and await self._advances.give_back():
                continue
            if not has_hurried and await self._books.settle_now():
                has_hurried = True  # once: others end all the time
                continue
            smaller = _squeezed(job, self._billing.in_usual_tier(job, tariff), tariff, answer.cap)
            if smaller is not None and smaller[0] < amount:
                amount, edits = smaller
                continue
            if answer.outcome == "busy":
                await self._wait_for_others(answer.cap, left)
            else:
                needed = least(
                    job.route, job.scan, self._billing.in_usual_tier(job, tariff), tariff
                )
                await self._wait_for_money(job, answer.cap, min(needed, amount), left)

    def release(self, reservation: Reservation) -> None:
        """Give a reservation back: nothing was spent."""
        self._books.release(reservation)

    async def park(self, run_id: int, span: timedelta, vendor: str) -> None:
        """Let a run wait so long, for a vendor's limit to pass."""
        await self._books.hold(run_id, "quota", span, {"vendor": vendor})

    def note(self, sending: Sending) -> None:
        """Keep the id of an answer that its vendor keeps, for who comes after a killed gateway."""
        answer_id = sending.stored_as = sending.meter.stored_as()
        if answer_id:
            note = Note(
                str(sending.reservation.request_id),
                sending.job.grant.run_id,
                sending.tariff.model,
                answer_id,
            )
            self._notes.add(note, self._books.open_requests())

    def charge(self, sending: Sending, status: int, *, is_whole: bool) -> None:
        """Settle once: with what was used, or with nothing for what the vendor refused."""
        if sending.is_closed:
            return
        sending.is_closed = True
        if status >= 400:
            self._books.release(sending.reservation)
            return
        self._books.settle(
            sending.reservation, lambda: self._billing.bill(sending, status, is_whole=is_whole)
        )
        self._advances.ended(sending.reservation)

    async def _wait_for_others(self, cap: Cap, left: float) -> None:
        """Until something was settled here; other hosts settle too, so not for long."""
        if left <= 0:
            raise busy(cap)
        self._books.hurry()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, BUSY_SECONDS)), self._books.settled:
                await self._books.settled.wait()

    async def _wait_for_money(self, job: Job, cap: Cap, needed: int, left: float) -> None:
        """Until somebody has raised the cap, or its period is over, or there is no time left."""
        run_id = job.grant.run_id
        detail = {
            "scope": cap.scope,
            "period": cap.period,
            "limit_microdollars": cap.limit_microdollars,
            "spent_microdollars": cap.spent_microdollars,
            "needed_microdollars": needed,
        }
        await self._books.hold(run_id, "budget", cap.ends_at, detail)
        if left <= 0:
            raise no_money(cap, needed, job.ask.reads_unseen)
        until = monotonic() + left
        while (rest := until - monotonic()) > 0:
            await self._access.wait_for_news(run_id, min(rest, NEWS_SECONDS))
            if not await self._books.is_held(run_id):
                return


def _wish(job: Job, tariff: Tariff, amount: int) -> Reservation:
    grant = job.grant
    return Reservation(grant.run_id, grant.token_hash, amount, job.route.vendor, tariff.model)


def _squeezed(job: Job, ask: Ask, tariff: Tariff, cap: Cap) -> tuple[int, Sequence[Edit]] | None:
    """The same request with an output that the cap's rest can pay, and others beside it."""
    room = cap.limit_microdollars - cap.spent_microdollars - cap.reserved_microdollars
    found = squeeze(job.route, job.scan, ask, tariff, room)
    if found is None:
        return None
    tokens, edits = found
    return replace(ask, most_output=tokens).worst(tariff), [*job.edits, *edits]
