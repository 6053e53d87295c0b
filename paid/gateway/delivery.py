"""Send a request with one key after the other, and give the answer to the client as it comes.

Until the first byte of an answer went to the client, another key may be tried; after it, never.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic

import aiohttp
from aiohttp import web

from paid.gateway.answers import AnswerError, resting, vendors_refusal
from paid.gateway.billing import Sending
from paid.gateway.books import Reservation
from paid.gateway.caller import CallerLeftError
from paid.gateway.departure import Departure
from paid.gateway.encodings import encoding_of, is_readable, pieces
from paid.gateway.headers import headers_down, headers_up
from paid.gateway.job import Job
from paid.gateway.keys import KeyPool, meaning, read_error, rest_seconds
from paid.gateway.meter import BULK_BYTES
from paid.gateway.prices import Tariff
from paid.gateway.purse import Purse
from paid.gateway.routes import Route
from paid.gateway.stored import StoredAnswers
from paid.gateway.upstream import ClosedMeanwhileError, Upstream
from paid.gateway.vendors import Vendor

log = logging.getLogger(__name__)

ELSEWHERE = frozenset({401, 402, 403, 408, 429})
"""Refusals after which another key may do better, as after every failure of the vendor's own."""
LIMITED = frozenset({402, 429, 529})
LARGEST_REFUSAL_BYTES = 1 << 20
MEANWHILE_SECONDS = 2.0
"""A connection that is closed later than this was at work for the request."""
MOST_TRIES = 3
NOT_SENT = 499
"""The status of a request whose client left before anything was sent."""


class Delivery:
    """The vendors' keys, and the sending of what was paid for.

    A limit of all keys that lasts longer than `quota_seconds` parks the run.
    """

    def __init__(
        self,
        *,
        purse: Purse,
        upstream: Upstream,
        vendors: Mapping[str, Vendor],
        quota_seconds: float,
    ) -> None:
        self._stored = StoredAnswers(upstream, vendors)
        self._purse = purse
        self._upstream = upstream
        self._vendors = vendors
        self._keys = {name: KeyPool(vendor.keys) for name, vendor in vendors.items()}
        self._quota_seconds = quota_seconds

    def any_keys(self, vendor: str) -> Sequence[str]:
        """The keys for what costs nothing, best first; resting ones if there are no others."""
        return self._keys[vendor].usable() or self._vendors[vendor].keys

    def departure(self, request: web.BaseRequest, route: Route) -> Departure:
        """A way for this request to be sent before it is whole, with the key to try first."""
        vendor = self._vendors[route.vendor]
        is_free = route.operation == "count"
        keys = self.any_keys(vendor.name) if is_free else self._keys[vendor.name].usable()
        return Departure(
            self._upstream, vendor, next(iter(keys), None), headers_up(request.headers)
        )

    async def deliver(
        self, job: Job, tariff: Tariff, reservation: Reservation, departure: Departure
    ) -> web.StreamResponse | AnswerError:
        """The answer, or the last refusal. The reservation is closed, whatever happens."""
        vendor, pool = self._vendors[job.route.vendor], self._keys[job.route.vendor]
        refused = resting(vendor.name, pool)
        for key in pool.usable():
            if job.caller.is_gone:
                break
            sending = Sending(job, tariff, reservation)
            found = await self._send(sending, vendor, key, departure)
            if isinstance(found, web.StreamResponse) or sending.is_closed:
                return found
            refused = found
        self._purse.release(reservation)
        if job.caller.is_gone:
            raise CallerLeftError
        if refused.status in LIMITED and not pool.usable():
            await self._park(job.grant.run_id, vendor.name, pool)
        return refused

    async def answered(
        self, job: Job, vendor: Vendor, key: str, departure: Departure
    ) -> aiohttp.ClientResponse:
        """The vendor's answer; asked again at once when it closed a kept connection meanwhile.

        Raises aiohttp.ClientError and TimeoutError.
        """
        tries = 0
        while True:
            tries, began = tries + 1, monotonic()
            try:
                if departure.is_under_way(key):
                    return await departure.arrive()
                body = job.spool.body(job.edits)
                return await self._upstream.send(vendor, key, job.route, departure.headers, body)
            except ClosedMeanwhileError:
                if tries == MOST_TRIES or monotonic() - began > MEANWHILE_SECONDS:
                    raise

    async def _send(
        self, sending: Sending, vendor: Vendor, key: str, departure: Departure
    ) -> web.StreamResponse | AnswerError:
        """Send it once. What was sent and not refused is charged, also when nobody waits for it."""
        try:
            with sending.job.caller.at_vendor():
                return await self._converse(sending, vendor, key, departure)
        except CallerLeftError:
            self._purse.charge(sending, NOT_SENT, is_whole=False)
            raise
        except aiohttp.ClientConnectorError as error:
            log.warning("%s cannot be reached: %r", vendor.name, error)
            return AnswerError(502, f"{vendor.name} cannot be reached.", "vendor")
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("%s does not answer: %r", vendor.name, error)
            self._purse.charge(sending, 0, is_whole=False)
            status = 504 if isinstance(error, TimeoutError) else 502
            return AnswerError(status, f"{vendor.name} does not answer.", "vendor")
        except BaseException:
            # Nobody reads on any more. The vendor may have worked all the same.
            self._purse.charge(sending, 0, is_whole=False)
            raise

    async def _converse(
        self, sending: Sending, vendor: Vendor, key: str, departure: Departure
    ) -> web.StreamResponse | AnswerError:
        async with await self.answered(sending.job, vendor, key, departure) as answer:
            if not 200 <= answer.status < 600:
                raise aiohttp.ClientError(f"{answer.status} is no answer")
            if answer.status >= 400:
                return await self._judge(sending, vendor, key, answer)
            return await self._pass_on(sending, answer)

    async def _judge(
        self, sending: Sending, vendor: Vendor, key: str, answer: aiohttp.ClientResponse
    ) -> AnswerError:
        """What a refusal means for the key, and what the client is told if nothing else helps.

        Raises AnswerError where nothing else can help.
        """
        words = await _words_of(answer)
        body = {} if key.encode() in words else read_error(words)
        status = meaning(answer.status, body)
        if status in LIMITED or status == 401:
            seconds = rest_seconds(status, answer.headers, body, datetime.now(UTC))
            self._keys[vendor.name].rest(key, seconds)
        refused = vendors_refusal(vendor.name, status, body, answer.headers)
        if body and status == answer.status and status not in (401, 403):
            refused.words = words
        if may_do_better(status):
            return refused
        self._purse.charge(sending, status, is_whole=True)
        raise refused

    async def _park(self, run_id: int, vendor: str, pool: KeyPool) -> None:
        """A limit that lasts: let the run wait for it without a container."""
        seconds = pool.rests_for()
        if seconds is not None and seconds > self._quota_seconds:
            await self._purse.park(run_id, timedelta(seconds=seconds), vendor)

    async def _pass_on(
        self, sending: Sending, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse | AnswerError:
        """Give the answer to the client as it comes, and charge for it however that ends."""
        if 300 <= answer.status < 400:
            return AnswerError(502, "The vendor redirects; the gateway does not follow.", "vendor")
        caller, encoding = sending.job.caller, encoding_of(answer.headers)
        response = _begun(sending, answer, encoding)
        is_whole = False
        try:
            await caller.begin(response)
            if is_readable(encoding):
                await self._flow(sending, answer, response)
                is_whole = True
            else:
                log.warning("an answer packed with %s cannot be metered", encoding)
                async for chunk in answer.content.iter_any():
                    await caller.tell(response, chunk)
            await caller.end(response)
        except Exception as error:
            log.warning("an answer of %s was cut: %r", sending.job.route.vendor, error)
            caller.break_off()
            if sending.stored_as:
                sending.recalled = await self._stored.counted(sending.stored_as)
        finally:
            self._purse.charge(sending, answer.status, is_whole=is_whole)
        return response

    async def _flow(
        self, sending: Sending, answer: aiohttp.ClientResponse, response: web.StreamResponse
    ) -> None:
        """Every piece to the meter, and to the client while there is one."""
        meter, caller = sending.meter, sending.job.caller
        meter.is_stream = answer.content_type == "text/event-stream"
        looked_at = 0
        async for chunk in pieces(answer):
            meter.feed(chunk)
            if sending.stored_as is None and meter.is_stream and looked_at < BULK_BYTES:
                looked_at += len(chunk)
                self._purse.note(sending)
            await caller.tell(response, chunk)


def _begun(sending: Sending, answer: aiohttp.ClientResponse, encoding: str) -> web.StreamResponse:
    """The head of the answer for the client."""
    response = web.StreamResponse(status=answer.status)
    for name, value in headers_down(answer.headers):
        response.headers.add(name, value)
    if not is_readable(encoding):
        response.headers["content-encoding"] = encoding
    response.headers["x-paid-request-id"] = str(sending.reservation.request_id)
    return response


def may_do_better(status: int) -> bool:
    """Whether another key may get an answer where this one got that."""
    return status in ELSEWHERE or status >= 500


async def _words_of(refusal: aiohttp.ClientResponse) -> bytes:
    """What came of them: the status alone decides, also when the rest is lost on the way."""
    words = bytearray()
    with suppress(aiohttp.ClientError, TimeoutError):
        async for piece in pieces(refusal):
            words += piece
            if len(words) >= LARGEST_REFUSAL_BYTES:
                break
    return bytes(words[:LARGEST_REFUSAL_BYTES])
