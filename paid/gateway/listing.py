"""Requests that cost nothing: which models there are, and how many tokens a text has."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import web

from paid.gateway.access import Grant
from paid.gateway.answers import AnswerError, no_key
from paid.gateway.delivery import Delivery, may_do_better
from paid.gateway.departure import Departure
from paid.gateway.encodings import pieces
from paid.gateway.headers import headers_down, headers_up
from paid.gateway.job import Job
from paid.gateway.routes import Route
from paid.gateway.upstream import Upstream
from paid.gateway.vendors import Vendor

LARGEST_ANSWER_BYTES = 4 << 20
Sent = Coroutine[Any, Any, aiohttp.ClientResponse]
_LISTED_UNDER = {"anthropic": "data", "openai": "data", "gemini": "models"}


class Listing:
    """Asks vendors what is free to ask."""

    def __init__(
        self, *, delivery: Delivery, upstream: Upstream, vendors: Mapping[str, Vendor]
    ) -> None:
        self._delivery = delivery
        self._upstream = upstream
        self._vendors = vendors

    async def models(
        self, request: web.BaseRequest, route: Route, grant: Grant
    ) -> web.StreamResponse:
        """The vendor's models, or one of them, without those that the project forbids."""
        if route.model is not None and not grant.allows(route.vendor, route.model):
            raise AnswerError(404, f"There is no model {route.model}.", "model_forbidden")
        vendor, headers = self._vendors[route.vendor], headers_up(request.headers, has_body=False)

        def send(key: str) -> Sent:
            return self._upstream.send(vendor, key, route, headers)

        answer, body = await self._ask(vendor, send)
        if answer.status == 200 and route.operation == "list":
            body = _only_allowed(body, route.vendor, grant)
        return _plain(answer, body)

    async def count(self, job: Job, departure: Departure) -> web.StreamResponse:
        """The vendor's count of tokens; a large text is there already, but for its end."""
        vendor = self._vendors[job.route.vendor]

        def send(key: str) -> Sent:
            return self._delivery.answered(job, vendor, key, departure)

        return _plain(*await self._ask(vendor, send))

    async def _ask(
        self, vendor: Vendor, send: Callable[[str], Sent]
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """The answer to the first key that gets one, or to the last."""
        keys = self._delivery.any_keys(vendor.name)
        if not keys:
            raise no_key(vendor.name)
        *others, last = keys
        for key in others:
            with suppress(aiohttp.ClientError, TimeoutError):
                answer, whole = await _read(send(key))
                if not may_do_better(answer.status):
                    return answer, whole
        return await _read(send(last))


async def _read(sent: Sent) -> tuple[aiohttp.ClientResponse, bytes]:
    async with await sent as answer:
        whole = b""
        async for chunk in pieces(answer):
            whole += chunk
            if len(whole) > LARGEST_ANSWER_BYTES:
                raise AnswerError(502, "The vendor's answer is too long.", "vendor")
        return answer, whole


def _only_allowed(body: bytes, vendor: str, grant: Grant) -> bytes:
    if not grant.allowed_models:
        return body
    try:
        listed = json.loads(body)
        name = _LISTED_UNDER[vendor]
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
