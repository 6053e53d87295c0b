"""One model request: who asks, may it, what can it cost, to whom with which key, what did it cost.

`Relay.handle` reads as that list. Until the first byte of an answer went to the client, another
key or another model may be tried; after it, never.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import aiohttp
from aiohttp import HttpVersion10, HttpVersion11, web

from paid.errors import DatabaseError, PriceUnknownError
from paid.gateway.access import Access, Grant, token_of
from paid.gateway.body import BadBodyError, Edit, Scan, Scanner, Spool
from paid.gateway.books import Books, Cap, Reservation
from paid.gateway.estimate import WANTED, Ask, RefusedError, read_ask, squeeze, usage_edits
from paid.gateway.intake import IntakeError, take_in
from paid.gateway.keys import KeyPool, limited_until
from paid.gateway.metering import METERS, Meter, Metered
from paid.gateway.prices import Prices, Tariff
from paid.gateway.upstream import Upstream
from paid.gateway.vendors import (
    NotAllowedError,
    Route,
    Vendor,
    error_body,
    find_route,
    headers_down,
    headers_up,
    vendor_of,
)

log = logging.getLogger(__name__)

ELSEWHERE = frozenset({401, 402, 403, 408, 429, 500, 502, 503, 504, 529})
"""Answers after which another key may do better."""
LIMITED = frozenset({402, 429, 529})
BUSY_SECONDS = 0.5
NEWS_SECONDS = 2.0
CLOSE = {"connection": "close"}
SMALL_ANSWER_BYTES = 4 << 20
LISTED_UNDER = {"anthropic": "data", "openai": "data", "gemini": "models"}


class AnswerError(Exception):
    """Raised to answer the client with an error in its vendor's form."""

    def __init__(
        self, status: int, message: str, code: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


@dataclass
class Sending:
    """One job sent with one key under one reservation."""

    job: Job
    tariff: Tariff
    reservation: Reservation
    is_charged: bool = False

    def __post_init__(self) -> None:
        self.meter: Meter = METERS[self.job.route.wire](sent_bytes=self.job.spool.size)


@dataclass(frozen=True)
class Job:
    """One request on its way. `edits` are what must differ from the bytes that came."""

    request: web.BaseRequest
    route: Route
    grant: Grant
    spool: Spool
    scan: Scan
    ask: Ask
    edits: Sequence[Edit] = ()


class Relay:
    """Answers model requests; everything that it needs is handed in."""

    def __init__(
        self,
        *,
        access: Access,
        books: Books,
        prices: Prices,
        upstream: Upstream,
        vendors: Mapping[str, Vendor],
        grace_seconds: float,
        quota_seconds: float,
        largest_body_bytes: int,
    ) -> None:
        self._access = access
        self._books = books
        self._prices = prices
        self._upstream = upstream
        self._vendors = vendors
        self._keys = {name: KeyPool(vendor.keys) for name, vendor in vendors.items()}
        self._grace_seconds = grace_seconds
        self._quota_seconds = quota_seconds
        self._largest_body_bytes = largest_body_bytes

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; every error comes in the form of the vendor that was asked."""
        vendor = vendor_of(request.raw_path)
        try:
            return await self._answer(request)
        except AnswerError as error:
            return _refusal(vendor, error)
        except DatabaseError as failure:
            log.warning("%s (%r)", failure, failure.__cause__)
            silent = AnswerError(503, "The ledger does not answer; nothing was spent.", "ledger")
            return _refusal(vendor, silent)
        except (aiohttp.ClientError, TimeoutError) as failure:
            log.warning("%s does not answer: %r", vendor, failure)
            status = 504 if isinstance(failure, TimeoutError) else 502
            return _refusal(vendor, AnswerError(status, "The vendor does not answer.", "vendor"))
        except Exception:
            log.exception("a request failed in the gateway")
            return _refusal(vendor, AnswerError(500, "The gateway failed.", "gateway", CLOSE))

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        route = _route(request)
        grant = await self._access.grant(token_of(request.headers))
        if grant is None:
            raise AnswerError(401, "This run token is not known here, or its run ended.", "token")
        with self._access.working(grant.run_id):
            if route.operation in ("list", "describe"):
                return await self._look_up(request, route, grant)
            spool = Spool()
            try:
                return await self._with_body(request, route, grant, spool)
            finally:
                spool.close()

    async def _with_body(
        self, request: web.BaseRequest, route: Route, grant: Grant, spool: Spool
    ) -> web.StreamResponse:
        scanner = Scanner(WANTED[route.wire])
        try:
            await take_in(request, spool, scanner, self._largest_body_bytes)
            scan = scanner.finish()
            ask = read_ask(route, scan, spool.size)
            edits = usage_edits(route, scan, ask)
        except IntakeError as error:
            raise AnswerError(error.status, str(error), "body", CLOSE) from error
        except (BadBodyError, RefusedError) as error:
            raise AnswerError(400, str(error), "body") from error
        job = Job(request, route, grant, spool, scan, ask, edits)
        if not grant.allows(route.vendor, ask.model):
            raise AnswerError(403, f"This project does not allow {ask.model}.", "model_forbidden")
        if route.operation == "count":
            return await self._count(job)
        return await self._generate(job)

    # --- requests that cost nothing -----------------------------------------------------------

    async def _look_up(
        self, request: web.BaseRequest, route: Route, grant: Grant
    ) -> web.StreamResponse:
        """The vendor's models, without those that the project forbids."""
        if route.model is not None and not grant.allows(route.vendor, route.model):
            raise AnswerError(404, f"There is no model {route.model}.", "model_forbidden")
        async with self._upstream.send(
            self._vendors[route.vendor], self._first_key(route), route, headers_up(request.headers)
        ) as answer:
            body = await answer.content.read(SMALL_ANSWER_BYTES)
            if answer.status == 200 and route.operation == "list":
                body = _only_allowed(body, route.vendor, grant)
            return _plain(answer, body)

    async def _count(self, job: Job) -> web.StreamResponse:
        route = job.route
        async with self._upstream.send(
            self._vendors[route.vendor],
            self._first_key(route),
            route,
            headers_up(job.request.headers),
            job.spool,
        ) as answer:
            return _plain(answer, await answer.content.read(SMALL_ANSWER_BYTES))

    def _first_key(self, route: Route) -> str:
        usable = self._keys[route.vendor].usable(datetime.now(UTC))
        keys = usable or self._vendors[route.vendor].keys
        if not keys:
            raise _no_key(route.vendor)
        return keys[0]

    # --- requests that cost -------------------------------------------------------------------

    async def _generate(self, job: Job) -> web.StreamResponse:
        """The model that was asked for; where no key gets an answer, the project's fall-backs."""
        refused: AnswerError | None = None
        for model in _models(job):
            try:
                tariff = self._prices.tariff(job.route.vendor, model)
            except PriceUnknownError as error:
                refused = refused or AnswerError(404, str(error), "price_unknown")
                continue
            attempt = job if model == job.ask.model else _with_model(job, model)
            reservation, edits = await self._reserve(attempt, tariff)
            outcome = await self._with_keys(replace(attempt, edits=edits), tariff, reservation)
            if isinstance(outcome, web.StreamResponse):
                return outcome
            refused = refused or outcome
        raise refused or _no_key(job.route.vendor)

    async def _reserve(self, job: Job, tariff: Tariff) -> tuple[Reservation, Sequence[Edit]]:
        """Reserve the worst case. At a cap, wait for money; without it, raise AnswerError."""
        deadline = monotonic() + self._grace_seconds
        amount, edits = job.ask.worst(tariff), job.edits
        while True:
            wish = Reservation(
                job.grant.run_id, job.grant.token_hash, amount, job.route.vendor, tariff.model
            )
            answer = await self._books.reserve(wish)
            if answer.outcome == "reserved":
                return wish, edits
            if answer.outcome == "revoked" or answer.cap is None:
                raise AnswerError(401, "This run token was revoked.", "token")
            smaller = _squeezed(job, tariff, answer.cap)
            if smaller is not None and smaller[0] < amount:
                amount, edits = smaller
                continue
            left = deadline - monotonic()
            if answer.outcome == "busy":
                if left <= 0:
                    raise _busy(answer.cap)
                await self._wait_for_others(left)
                continue
            await self._hold_for_money(job.grant.run_id, answer.cap, amount)
            if left <= 0:
                raise _no_money(answer.cap)
            await self._wait_for_money(job.grant.run_id, left)

    async def _hold_for_money(self, run_id: int, cap: Cap, needed: int) -> None:
        detail = {
            "scope": cap.scope,
            "period": cap.period,
            "limit_microdollars": cap.limit_microdollars,
            "spent_microdollars": cap.spent_microdollars,
            "needed_microdollars": needed,
        }
        await self._books.hold(run_id, "budget", cap.ends_at, detail)

    async def _wait_for_others(self, left: float) -> None:
        """Until something was settled here; other hosts settle too, so not for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, BUSY_SECONDS)), self._books.settled:
                await self._books.settled.wait()

    async def _wait_for_money(self, run_id: int, left: float) -> None:
        """Until somebody has raised the cap, or its period is over, or there is no time left."""
        until = monotonic() + left
        while (rest := until - monotonic()) > 0:
            await self._access.wait_for_news(run_id, min(rest, NEWS_SECONDS))
            if not await self._books.is_held(run_id):
                return

    async def _with_keys(
        self, job: Job, tariff: Tariff, reservation: Reservation
    ) -> web.StreamResponse | AnswerError:
        """One key after the other. The reservation is settled or released, whatever happens."""
        pool = self._keys[job.route.vendor]
        vendor = self._vendors[job.route.vendor]
        refused = _resting(vendor.name, pool)
        for key in pool.usable(datetime.now(UTC)):
            sending = Sending(job, tariff, reservation)
            found = await self._with_key(sending, vendor, key)
            if isinstance(found, web.StreamResponse) or sending.is_charged:
                return found
            refused = found
        self._books.release(reservation)
        if refused.status in LIMITED and not pool.usable(datetime.now(UTC)):
            await self._park(job.grant.run_id, vendor.name, pool)
        return refused

    async def _with_key(
        self, sending: Sending, vendor: Vendor, key: str
    ) -> web.StreamResponse | AnswerError:
        """Send it once. What was sent and not refused is charged, also when nobody waits for it."""
        job = sending.job
        headers = headers_up(job.request.headers)
        try:
            async with self._upstream.send(
                vendor, key, job.route, headers, job.spool, job.edits
            ) as answer:
                if answer.status in ELSEWHERE:
                    return await self._judge(vendor, key, answer)
                return await self._pass_on(sending, answer)
        except aiohttp.ClientConnectorError as error:
            log.warning("%s cannot be reached: %r", vendor.name, error)
            return AnswerError(502, f"{vendor.name} cannot be reached.", "vendor")
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("%s does not answer: %r", vendor.name, error)
            self._charge(sending, 0, is_whole=False)
            status = 504 if isinstance(error, TimeoutError) else 502
            return AnswerError(status, f"{vendor.name} does not answer.", "vendor")
        except asyncio.CancelledError:
            self._charge(sending, 0, is_whole=False)
            raise

    async def _judge(self, vendor: Vendor, key: str, answer: aiohttp.ClientResponse) -> AnswerError:
        """What a refusal means for the key, and what the client is told if nothing else helps."""
        raw = await answer.content.read(SMALL_ANSWER_BYTES)
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError):
            body = None
        now = datetime.now(UTC)
        if answer.status in LIMITED or answer.status == 401:
            until = limited_until(answer.status, answer.headers, body, now)
            self._keys[vendor.name].rest(key, until)
        if answer.status == 401:
            # The vendor's text quotes a part of the key.
            return AnswerError(401, f"{vendor.name} refuses this host's key.", "host_key")
        kept = {
            name: value
            for name, value in answer.headers.items()
            if name.lower() == "retry-after" or name.lower().startswith("x-should-retry")
        }
        message = _message(body) or f"{vendor.name} answered {answer.status}."
        return AnswerError(answer.status, message, f"vendor_{answer.status}", kept)

    async def _park(self, run_id: int, vendor: str, pool: KeyPool) -> None:
        """A limit that lasts: let the run wait for it without a container."""
        until = pool.good_again()
        if until is None:
            return
        if until - datetime.now(UTC) > timedelta(seconds=self._quota_seconds):
            await self._books.hold(run_id, "quota", until, {"vendor": vendor})

    async def _pass_on(
        self, sending: Sending, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        """Give the answer to the client as it comes, and charge for it however that ends."""
        if 300 <= answer.status < 400:
            self._books.release(sending.reservation)
            raise AnswerError(502, "The vendor redirects; the gateway does not follow.", "vendor")
        meter, request = sending.meter, sending.job.request
        meter.is_stream = answer.content_type == "text/event-stream"
        response = web.StreamResponse(status=answer.status)
        for name, value in headers_down(answer.headers):
            response.headers.add(name, value)
        response.headers["x-paid-request-id"] = str(sending.reservation.request_id)
        is_whole = False
        try:
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                meter.feed(chunk)
                await response.write(chunk)
            is_whole = True
            await response.write_eof()
        except Exception as error:
            # The status is gone already: only an end without an end tells that this was cut.
            log.warning("the answer of %s was cut: %r", sending.job.route.vendor, error)
            _cut(request)
        finally:
            self._charge(sending, answer.status, is_whole=is_whole)
        return response

    def _charge(self, sending: Sending, status: int, *, is_whole: bool) -> None:
        """Settle once: with what was used, or with nothing for what the vendor refused."""
        if sending.is_charged:
            return
        sending.is_charged = True
        job, tariff, reservation = sending.job, sending.tariff, sending.reservation
        if status >= 400:
            self._books.release(reservation)
            return
        meter = sending.meter
        metered = meter.result(is_whole=is_whole)
        amount, metered = self._priced(job, tariff, reservation, metered)
        counts = metered.counts
        self._books.settle(
            reservation,
            amount,
            {
                "basis": metered.basis,
                "model": tariff.model,
                "input_tokens": counts.get("input_tokens", 0),
                "cache_read_tokens": counts.get("cache_read_tokens", 0),
                "cache_write_tokens": counts.get("cache_write_tokens", 0),
                "output_tokens": counts.get("output_tokens", 0),
                "reasoning_tokens": counts.get("output_reasoning_tokens", 0),
                "detail": {
                    "status": status,
                    "wire": job.route.wire,
                    "streamed": meter.is_stream,
                    "served_model": metered.model,
                    "tier": dict(metered.tier),
                    "reserved_microdollars": reservation.amount_microdollars,
                },
            },
        )

    def _priced(
        self, job: Job, tariff: Tariff, reservation: Reservation, metered: Metered
    ) -> tuple[int, Metered]:
        """Micro-dollars, by the model that the vendor says it ran, if that has a price.

        An estimate never is above what was reserved; a vendor's own count may be, and is charged.
        """
        served = tariff
        if metered.model and metered.model != tariff.model and tariff.rule is None:
            with suppress(PriceUnknownError):
                served = self._prices.tariff(job.route.vendor, metered.model[:200])
        try:
            amount = served.cost(metered.counts, metered.tier)
        except (ValueError, ArithmeticError, TypeError, LookupError):
            log.warning("%s reports a usage that makes no sense", job.route.vendor)
            metered = replace(metered, basis="estimated")
            return reservation.amount_microdollars, metered
        if metered.basis == "vendor":
            return amount, metered
        return min(amount, reservation.amount_microdollars), metered


def _route(request: web.BaseRequest) -> Route:
    if request.version not in (HttpVersion10, HttpVersion11):
        raise AnswerError(505, "Use HTTP/1.1.", "version", CLOSE)
    if request.headers.get("upgrade", "").lower() == "websocket":
        raise AnswerError(426, "Use HTTP: the gateway does not speak WebSocket.", "upgrade", CLOSE)
    try:
        return find_route(request.method, request.raw_path)
    except NotAllowedError as error:
        raise AnswerError(error.status, str(error), "not_allowed") from error


def _models(job: Job) -> list[str]:
    """The model that was asked for, then the fall-backs that speak the same protocol."""
    prefix = f"{job.route.vendor}/"
    rest = [name.removeprefix(prefix) for name in job.grant.fallback_models]
    return [job.ask.model, *(n for n in rest if "/" not in n and n != job.ask.model)]


def _with_model(job: Job, model: str) -> Job:
    """The same request for another model: in its path, or in its body's one member."""
    ask = replace(job.ask, model=model)
    if job.route.model is not None:
        upstream = job.route.upstream.replace(f"/{job.route.model}:", f"/{model}:", 1)
        return replace(job, ask=ask, route=replace(job.route, upstream=upstream, model=model))
    place = job.scan.members["model"]
    edit = Edit(place.start, place.end, json.dumps(model).encode())
    return replace(job, ask=ask, edits=[*job.edits, edit])


def _squeezed(job: Job, tariff: Tariff, cap: Cap) -> tuple[int, Sequence[Edit]] | None:
    """The same request with an output that the cap's rest can pay, and others beside it."""
    room = cap.limit_microdollars - cap.spent_microdollars - cap.reserved_microdollars
    found = squeeze(job.route, job.scan, job.ask, tariff, room)
    if found is None:
        return None
    tokens, edits = found
    return replace(job.ask, most_output=tokens).worst(tariff), [*job.edits, *edits]


def _only_allowed(body: bytes, vendor: str, grant: Grant) -> bytes:
    """A list of models without those that the project forbids."""
    if not grant.allowed_models:
        return body
    try:
        listed = json.loads(body)
        name = LISTED_UNDER[vendor]
        listed[name] = [
            entry
            for entry in listed[name]
            if grant.allows(vendor, str(entry.get("id") or entry["name"]).removeprefix("models/"))
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise AnswerError(502, "The vendor's list of models cannot be read.", "vendor") from error
    return json.dumps(listed).encode()


def _plain(answer: aiohttp.ClientResponse, body: bytes) -> web.Response:
    if 300 <= answer.status < 400:
        raise AnswerError(502, "The vendor redirects; the gateway does not follow.", "vendor")
    if answer.status == 401:
        raise AnswerError(401, "The vendor refuses this host's key.", "host_key")
    response = web.Response(status=answer.status, body=body)
    for name, value in headers_down(answer.headers):
        response.headers[name] = value
    return response


def _message(body: Any) -> str | None:
    try:
        message = body["error"]["message"]
    except (TypeError, KeyError):
        return None
    return str(message)[:2000]


def _resting(vendor: str, pool: KeyPool) -> AnswerError:
    """What to say when no key can be used before any was tried."""
    until = pool.good_again()
    if until is None:
        return _no_key(vendor)
    seconds = max(1, int((until - datetime.now(UTC)).total_seconds()) + 1)
    message = f"Every key for {vendor} has reached its limit."
    return AnswerError(429, message, "rate_limit_exceeded", {"retry-after": str(seconds)})


def _no_key(vendor: str) -> AnswerError:
    return AnswerError(503, f"This host has no key for {vendor} that can be used now.", "no_key")


def _busy(cap: Cap) -> AnswerError:
    message = f"Other requests have reserved what is left of the budget of this {_named(cap)}."
    return AnswerError(429, message, "budget_reserved", {"retry-after": "5"})


def _named(cap: Cap) -> str:
    return cap.scope if cap.period == "total" else f"{cap.scope}'s {cap.period}"


def _no_money(cap: Cap) -> AnswerError:
    where = _named(cap)
    dollars = cap.limit_microdollars / 1_000_000
    message = f"The budget of this {where} (USD {dollars:.2f}) leaves no room for this request."
    return AnswerError(402, message, "budget_exceeded", {"x-should-retry": "false"})


def _refusal(vendor: str, error: AnswerError) -> web.Response:
    status = error.status
    if vendor == "openai" and error.code == "budget_exceeded":
        # OpenAI says this with 429, and its clients know that this code is not to be retried.
        status, error.code = 429, "insufficient_quota"
    body = error_body(vendor, status, str(error), error.code)
    response = web.Response(status=status, body=body, content_type="application/json")
    response.headers.update(error.headers)
    if error.headers.get("connection") == "close":
        response.force_close()
    return response


def _cut(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()
