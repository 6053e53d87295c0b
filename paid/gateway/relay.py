"""One model request: who asks, may it, what can it cost, to whom with which key, what did it cost.

`Relay` reads as that list; each item has a module of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import aiohttp
from aiohttp import HttpVersion10, HttpVersion11, web

from paid.errors import DatabaseError, PriceUnknownError
from paid.gateway.access import Access, Grant, token_of
from paid.gateway.answers import CLOSE, AnswerError, no_key, refusal
from paid.gateway.books import Reservation
from paid.gateway.caller import Caller, CallerLeftError, Callers
from paid.gateway.delivery import Delivery
from paid.gateway.departure import Departure
from paid.gateway.estimate import WANTED, read_ask
from paid.gateway.fetches import check_fetches
from paid.gateway.intake import Held, IntakeError, take_in
from paid.gateway.job import Job, followed, may_leave_early
from paid.gateway.listing import Listing
from paid.gateway.prices import Tariff
from paid.gateway.protocol import Protocol
from paid.gateway.purse import Purse
from paid.gateway.refusal import RefusedError
from paid.gateway.refusals import Refusals
from paid.gateway.routes import NotAllowedError, Route, find_route
from paid.gateway.scan import BadBodyError
from paid.gateway.scanner import Scanner
from paid.gateway.spool import Spool
from paid.gateway.usage_request import usage_edits
from paid.gateway.vendors import vendor_of

log = logging.getLogger(__name__)

LARGEST_BODIES_A_RUN = 2
"""As many bytes as so many of the largest bodies may be under way for one run."""


class Relay:
    """Answers model requests; everything that it needs is handed in."""

    def __init__(
        self,
        *,
        access: Access,
        callers: Callers,
        purse: Purse,
        delivery: Delivery,
        listing: Listing,
        refusals: Refusals,
        registries: Callable[[], Sequence[str]],
        admit: Callable[[asyncio.BaseTransport | None, int], None],
        largest_body_bytes: int,
        silent_seconds: float,
    ) -> None:
        self._access = access
        self._callers = callers
        self._purse = purse
        self._delivery = delivery
        self._listing = listing
        self._refusals = refusals
        self._registries = registries
        self._admit = admit
        self._largest_body_bytes = largest_body_bytes
        self._silent_seconds = silent_seconds
        self._held = Held(LARGEST_BODIES_A_RUN * largest_body_bytes)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; every error comes in the form of the vendor that was asked."""
        vendor = vendor_of(request.raw_path)
        caller, protocol = Caller(request, self._callers), request.protocol
        assert isinstance(protocol, Protocol)  # noqa: S101 - the gateway's own server calls this
        protocol.when_lost = caller.leave
        try:
            return await self._answer(request, caller)
        except AnswerError as error:
            return refusal(vendor, error)
        except CallerLeftError:
            return refusal(vendor, AnswerError(499, "The client has left.", "left", CLOSE))
        except DatabaseError as failure:
            log.warning("%s (%r)", failure, failure.__cause__)
            silent = AnswerError(503, "The ledger does not answer; nothing was spent.", "ledger")
            return refusal(vendor, silent)
        except (aiohttp.ClientError, TimeoutError) as failure:
            log.warning("%s does not answer: %r", vendor, failure)
            status = 504 if isinstance(failure, TimeoutError) else 502
            return refusal(vendor, AnswerError(status, "The vendor does not answer.", "vendor"))
        except Exception:
            log.exception("a request failed in the gateway")
            return refusal(vendor, AnswerError(500, "The gateway failed.", "gateway", CLOSE))
        finally:
            protocol.when_lost = None

    async def _answer(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        route = _route(request)
        grant = await self._access.grant(token_of(request.headers, request.raw_path))
        if grant is None:
            raise AnswerError(401, "This run token is not known here, or its run ended.", "token")
        caller.run_id = grant.run_id
        self._admit(request.transport, grant.run_id)
        with (
            self._access.working(grant, caller.cut),
            self._held.counting(grant.run_id) as count,
        ):
            if route.operation in ("list", "describe"):
                return await self._listing.models(request, route, grant)
            spool = Spool(count=count)
            try:
                return await self._with_body(request, caller, route, grant, spool)
            except AnswerError as error:
                await self._refusals.tell(grant, route.vendor, error)
                raise
            finally:
                spool.close()

    async def _with_body(
        self, request: web.BaseRequest, caller: Caller, route: Route, grant: Grant, spool: Spool
    ) -> web.StreamResponse:
        departure = self._delivery.departure(request, route)
        try:
            job = await self._read(request, caller, route, grant, spool, departure)
            if not grant.allows(route.vendor, job.ask.model):
                message = f"This project does not allow {job.ask.model}."
                raise AnswerError(403, message, "model_forbidden")
            hosts = grant.egress_hosts
            check_fetches(job.ask.addresses, self._registries() if hosts is None else hosts)
            if route.operation == "count":
                return await self._listing.count(job, departure)
            return await self._generate(job, departure)
        finally:
            departure.drop()

    async def _read(
        self,
        request: web.BaseRequest,
        caller: Caller,
        route: Route,
        grant: Grant,
        spool: Spool,
        departure: Departure,
    ) -> Job:
        """Take the body in, and find out what it asks for; a large one leaves as it comes."""
        scanner = Scanner(WANTED[route.wire], route.wire)
        length = request.content_length

        def follow() -> None:
            if may_leave_early(route, scanner.scan, grant):
                departure.start(route, partial(followed, route, scanner.scan, spool, length))

        try:
            await take_in(
                request,
                spool,
                scanner,
                self._largest_body_bytes,
                follow,
                silent_seconds=self._silent_seconds,
            )
            scan = scanner.finish()
            betas = ",".join(request.headers.getall("anthropic-beta", ()))
            ask = read_ask(route, scan, spool, betas)
            edits = usage_edits(route, scan, spool)
        except IntakeError as error:
            raise AnswerError(error.status, str(error), "body", CLOSE) from error
        except (BadBodyError, RefusedError) as error:
            raise AnswerError(400, str(error), "body") from error
        return Job(request, caller, route, grant, spool, scan, ask, edits)

    async def _generate(self, job: Job, departure: Departure) -> web.StreamResponse:
        """The model that was asked for; where no key gets an answer, the project's fall-backs."""
        refused: AnswerError | None = None
        job = await self._purse.with_earlier(job)
        for model in job.models():
            try:
                tariff = self._purse.tariff(job.route.vendor, model, job.ask.tier)
            except PriceUnknownError as error:
                refused = refused or AnswerError(404, str(error), "price_unknown")
                continue
            attempt = job.with_model(model)
            if attempt is not job:
                departure.drop()
            reservation, attempt = await self._pay(attempt, tariff, departure)
            outcome = await self._delivery.deliver(attempt, tariff, reservation, departure)
            if isinstance(outcome, web.StreamResponse):
                return outcome
            refused = refused or outcome
        raise refused or no_key(job.route.vendor)

    async def _pay(self, job: Job, tariff: Tariff, departure: Departure) -> tuple[Reservation, Job]:
        """The worst case, reserved; while that is asked for, what may leave leaves."""
        ahead = self._purse.paid_ahead(job, tariff)
        if ahead is not None:
            return ahead, job
        if job.spool.is_in_memory:
            departure.start(job.route, job.body_until)
        wait = departure.drop
        reservation, edits = await self._purse.reserve(job, tariff, when_it_waits=wait)
        return reservation, replace(job, edits=edits)


def _route(request: web.BaseRequest) -> Route:
    if request.version not in (HttpVersion10, HttpVersion11):
        raise AnswerError(505, "Use HTTP/1.1.", "version", CLOSE)
    if request.headers.get("upgrade", "").lower() == "websocket":
        message = "Use HTTP: the gateway does not speak WebSocket."
        raise AnswerError(426, message, "upgrade", CLOSE)
    try:
        return find_route(request.method, request.raw_path)
    except NotAllowedError as error:
        raise AnswerError(error.status, str(error), "not_allowed") from error
