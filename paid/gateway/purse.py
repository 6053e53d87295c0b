"""A request's money: reserved before it is sent, waited for at a cap, charged when it is known."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic
from typing import Any

from paid.errors import PriceUnknownError
from paid.gateway.access import Access
from paid.gateway.advances import Advances
from paid.gateway.answers import AnswerError, busy, no_money
from paid.gateway.books import Books, Cap, Reservation
from paid.gateway.counts import COLUMNS
from paid.gateway.estimate import Ask, squeeze
from paid.gateway.job import Job
from paid.gateway.metering import METERS, Meter, Metered
from paid.gateway.prices import Prices, Tariff, dearer, shows_all
from paid.gateway.spool import Edit
from paid.gateway.stored import Note, NotesFile

log = logging.getLogger(__name__)

BUSY_SECONDS = 0.5
NEWS_SECONDS = 2.0


@dataclass
class Sending:
    """One job sent with one key under one reservation."""

    job: Job
    tariff: Tariff
    reservation: Reservation
    is_closed: bool = False
    """Whether the reservation was settled or released for this sending."""
    stored_as: str | None = None
    recalled: Metered | None = None
    """What the vendor counted, when it was asked for a lost answer again."""

    def __post_init__(self) -> None:
        self.meter: Meter = METERS[self.job.route.wire](
            sent_bytes=self.job.spool.size, copies=self.job.ask.copies
        )


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
        prices: Prices,
        notes: NotesFile,
        grace_seconds: float,
    ) -> None:
        self._notes = notes
        self._books = books
        self._advances = advances
        self._access = access
        self._prices = prices
        self._grace_seconds = grace_seconds
        self._usual_tiers: dict[tuple[str, str], Mapping[str, str]] = {}

    def tariff(self, vendor: str, model: str, tier: Mapping[str, str]) -> Tariff:
        """The price of a model in a tier. Raises PriceUnknownError."""
        tariff = self._prices.tariff(vendor, model)
        if not tariff.has_price_for(tier):
            raise PriceUnknownError(f"The model {model!r} has no price in the tier asked for.")
        return tariff

    def paid_ahead(self, job: Job, tariff: Tariff) -> Reservation | None:
        """What was reserved ahead for the worst case, or None: reserve it."""
        amount = self._with_usual_tier(job, tariff).worst(tariff)
        return self._advances.take(_wish(job, tariff, amount))

    async def reserve(
        self, job: Job, tariff: Tariff, *, when_it_waits: Callable[[], None]
    ) -> tuple[Reservation, Sequence[Edit]]:
        """Reserve the worst case; the edits are the job's, and what was squeezed into the room.

        At a cap, waits for money, and says so. Raises AnswerError without it, and DatabaseError.
        """
        deadline = monotonic() + self._grace_seconds
        amount, edits = self._with_usual_tier(job, tariff).worst(tariff), job.edits
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
            smaller = _squeezed(job, self._with_usual_tier(job, tariff), tariff, answer.cap)
            if smaller is not None and smaller[0] < amount:
                amount, edits = smaller
                continue
            if answer.outcome == "busy":
                await self._wait_for_others(answer.cap, left)
            else:
                await self._wait_for_money(job.grant.run_id, answer.cap, amount, left)

    def _with_usual_tier(self, job: Job, tariff: Tariff) -> Ask:
        """What is asked for, in the tier in which the account was served without asking."""
        usual = self._usual_tiers.get((job.route.vendor, tariff.model))
        return replace(job.ask, tier={**usual, **job.ask.tier}) if usual else job.ask

    def release(self, reservation: Reservation) -> None:
        """Give a reservation back: nothing was spent."""
        self._books.release(reservation)

    async def park(self, run_id: int, span: timedelta, vendor: str) -> None:
        """Let a run wait so long, for a vendor's limit to pass."""
        await self._books.hold(run_id, "quota", span, {"vendor": vendor})

    def note(self, sending: Sending) -> None:
        """Keep the id of an answer that its vendor keeps, for who comes after a killed gateway."""
        answer_id = sending.stored_as = sending.meter.stored_as()
        if answer_id is not None:
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
            sending.reservation, lambda: self._bill(sending, status, is_whole=is_whole)
        )
        self._advances.ended(sending.reservation)

    def _bill(self, sending: Sending, status: int, *, is_whole: bool) -> Mapping[str, Any] | None:
        metered = sending.recalled or sending.meter.result(is_whole=is_whole)
        if not metered.counts:
            return None
        amount, metered = self._priced(sending, metered)
        return {"amount": amount, **_details(sending, metered, status)}

    def _priced(self, sending: Sending, metered: Metered) -> tuple[int, Metered]:
        """Micro-dollars, by the model that the vendor says it ran, if that has a price.

        What the vendor did not count itself is charged at its worst, which is never above what was
        reserved; a vendor's own count may be, and is charged.
        """
        served = self._served(sending, metered)
        self._learn(sending, metered)
        try:
            if metered.basis != "vendor":
                return self._at_most(sending, metered, served), metered
            # What is not told of the tier was as asked for: others' tiers are none of it.
            tier = {**sending.job.ask.tier, **metered.tier}
            passes = (metered.counts, *metered.more)
            return sum(served.cost(counts, tier) for counts in passes), metered
        except (ValueError, ArithmeticError, TypeError, LookupError):
            log.warning("%s reports a usage that makes no sense", sending.job.route.vendor)
            reserved = sending.reservation.amount_microdollars
            return reserved, replace(metered, basis="estimated", counts={}, more=())

    def _served(self, sending: Sending, metered: Metered) -> Tariff:
        served = sending.tariff
        if metered.model and metered.model != served.model and served.rule is None:
            with suppress(PriceUnknownError):
                served = self._prices.tariff(sending.job.route.vendor, metered.model[:200])
        return served

    def _learn(self, sending: Sending, metered: Metered) -> None:
        """In which tier the account is served without asking; what was asked for tells nothing."""
        asked = sending.job.ask.tier.keys() | _named(sending.job)
        told = {name: value for name, value in metered.tier.items() if name not in asked}
        if told:
            key = (sending.job.route.vendor, sending.tariff.model)
            kept = {n: v for n, v in self._usual_tiers.get(key, {}).items() if n not in told}
            self._usual_tiers[key] = kept | dearer(told)

    def _at_most(self, sending: Sending, metered: Metered, served: Tariff) -> int:
        """The worst case by what is known: the vendor's count of the input, or all that was
        reserved; and the most that may be written, also where nobody could see it.

        Only an answer that its vendor ended, of a model that hides nothing, wrote what was seen: at
        most a token a byte.
        """
        reserved = sending.reservation.amount_microdollars
        ask = self._with_usual_tier(sending.job, sending.tariff)
        is_seen = metered.is_whole and shows_all(sending.tariff.model)
        written = metered.seen_bytes if is_seen else ask.output_tokens(sending.tariff)
        if metered.basis == "partial" and ask.passes == 1:
            counts = {**metered.counts, "output_tokens": written}
            if metered.is_failed and sending.job.route.wire == "messages":
                # Anthropic streams what it thinks, and bills no more than came before its error.
                counts = {**metered.counts}
            tiers = [{}, {**ask.tier, **metered.tier}]
            return min(reserved, max(served.cost(counts, tier) for tier in tiers))
        if is_seen:
            return min(reserved, replace(ask, most_output=written, copies=1).worst(sending.tariff))
        return reserved

    async def _wait_for_others(self, cap: Cap, left: float) -> None:
        """Until something was settled here; other hosts settle too, so not for long."""
        if left <= 0:
            raise busy(cap)
        self._books.hurry()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, BUSY_SECONDS)), self._books.settled:
                await self._books.settled.wait()

    async def _wait_for_money(self, run_id: int, cap: Cap, needed: int, left: float) -> None:
        """Until somebody has raised the cap, or its period is over, or there is no time left."""
        detail = {
            "scope": cap.scope,
            "period": cap.period,
            "limit_microdollars": cap.limit_microdollars,
            "spent_microdollars": cap.spent_microdollars,
            "needed_microdollars": needed,
        }
        await self._books.hold(run_id, "budget", cap.ends_at, detail)
        if left <= 0:
            raise no_money(cap)
        until = monotonic() + left
        while (rest := until - monotonic()) > 0:
            await self._access.wait_for_news(run_id, min(rest, NEWS_SECONDS))
            if not await self._books.is_held(run_id):
                return


def _wish(job: Job, tariff: Tariff, amount: int) -> Reservation:
    grant = job.grant
    return Reservation(grant.run_id, grant.token_hash, amount, job.route.vendor, tariff.model)


def _named(job: Job) -> set[str]:
    """The tiers that a request has its own word on, `auto` being none."""
    names = {"service_tier": "service_tier", "serviceTier": "service_tier", "speed": "speed"}
    names |= {"inference_geo": "inference_geo"}
    found = {}
    for name, tier in names.items():
        member = job.scan.members.get(name)
        if member is not None and member.value not in (None, "auto"):
            found[tier] = member
    return set(found)


def _squeezed(job: Job, ask: Ask, tariff: Tariff, cap: Cap) -> tuple[int, Sequence[Edit]] | None:
    """The same request with an output that the cap's rest can pay, and others beside it."""
    room = cap.limit_microdollars - cap.spent_microdollars - cap.reserved_microdollars
    found = squeeze(job.route, job.scan, ask, tariff, room)
    if found is None:
        return None
    tokens, edits = found
    return replace(ask, most_output=tokens).worst(tariff), [*job.edits, *edits]


def _details(sending: Sending, metered: Metered, status: int) -> Mapping[str, Any]:
    passes = (metered.counts, *metered.more)
    counts = {
        column: sum(counts.get(name, 0) for counts in passes) for column, name in COLUMNS.items()
    }
    is_ours = sending.job.caller.is_stopped and metered.basis != "vendor"
    return counts | {
        "basis": "expired" if is_ours else metered.basis,
        "model": sending.tariff.model,
        "detail": {
            "status": status,
            "wire": sending.job.route.wire,
            "streamed": sending.meter.is_stream,
            "served_model": _printable(metered.model),
            "tier": {name: _printable(value) for name, value in metered.tier.items()},
            "reserved_microdollars": sending.reservation.amount_microdollars,
        },
    }


def _printable(told: str | None) -> str | None:
    """A vendor's word as PostgreSQL takes it."""
    return told and "".join(letter for letter in str(told)[:200] if letter.isprintable())
