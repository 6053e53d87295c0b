"""What a request cost: by the vendor's own count, or else the most that it can have been."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from paid.errors import PriceUnknownError
from paid.gateway.books import Reservation
from paid.gateway.counts import COLUMNS
from paid.gateway.earlier import Earlier
from paid.gateway.estimate import MEDIA_TOKENS, Ask
from paid.gateway.job import Job
from paid.gateway.metering import METERS, Meter, Metered
from paid.gateway.prices import Prices, Tariff, dearer, shows_all

MOST_BYTES_A_TOKEN = 100
"""A count of the input that is smaller than this allows is a placeholder: some servers begin with
one, and say the true count at the end."""
MOST_OVER_LEAST = 60
"""What the dearest picture or page costs, by what a usual one costs at least: 100 tokens."""

log = logging.getLogger(__name__)


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


class Billing:
    """Prices requests, and knows in which tiers the host's accounts are served without asking."""

    def __init__(self, prices: Prices, earlier: Earlier) -> None:
        self._prices = prices
        self._earlier = earlier
        self._usual_tiers: dict[tuple[str, str], Mapping[str, str]] = {}

    def tariff(self, vendor: str, model: str, tier: Mapping[str, str]) -> Tariff:
        """The price of a model in a tier. Raises PriceUnknownError."""
        tariff = self._prices.tariff(vendor, model)
        if not tariff.has_price_for(tier):
            raise PriceUnknownError(f"The model {model!r} has no price in the tier asked for.")
        return tariff

    def in_usual_tier(self, job: Job, tariff: Tariff) -> Ask:
        """What is asked for, in the tier in which the account was served without asking."""
        usual = self._usual_tiers.get((job.route.vendor, tariff.model))
        return replace(job.ask, tier={**usual, **job.ask.tier}) if usual else job.ask

    def bill(self, sending: Sending, status: int, *, is_whole: bool) -> Mapping[str, Any] | None:
        """The settlement of a request that ended; None for what costs nothing."""
        metered = sending.recalled or sending.meter.result(is_whole=is_whole)
        if not metered.counts:
            return None
        if metered.basis == "vendor":
            self._earlier.note(sending.job.grant.run_id, _answer_id(sending), metered.counts)
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
        ask = self.in_usual_tier(sending.job, sending.tariff)
        is_seen = metered.is_whole and shows_all(sending.tariff.model)
        written = metered.seen_bytes if is_seen else ask.output_tokens(sending.tariff)
        is_counted = metered.counts.get("input_tokens", 0) >= _least_input(ask)
        if metered.basis == "partial" and ask.passes == 1 and is_counted:
            counts = {**metered.counts, "output_tokens": written}
            if metered.is_failed and sending.job.route.wire == "messages":
                # Anthropic streams what it thinks, and bills no more than came before its error.
                counts = {**metered.counts}
            tiers = [{}, {**ask.tier, **metered.tier}]
            return min(reserved, max(served.cost(counts, tier) for tier in tiers))
        if is_seen:
            return min(reserved, replace(ask, most_output=written, copies=1).worst(sending.tariff))
        return reserved


def _least_input(ask: Ask) -> float:
    """Fewer tokens than these are a placeholder of the input."""
    along = ask.media * MEDIA_TOKENS + ask.document_tokens
    return ask.input_bytes / MOST_BYTES_A_TOKEN + along / MOST_OVER_LEAST


def _answer_id(sending: Sending) -> str | None:
    """Under which the vendor stores the answer, so that requests can go on from there."""
    return sending.stored_as or sending.meter.answer_id


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
            "answer_id": _answer_id(sending),
            "served_model": _printable(metered.model),
            "tier": {name: _printable(value) for name, value in metered.tier.items()},
            "reserved_microdollars": sending.reservation.amount_microdollars,
        },
    }


def _printable(told: str | None) -> str | None:
    """A vendor's word as PostgreSQL takes it."""
    return told and "".join(letter for letter in str(told)[:200] if letter.isprintable())
