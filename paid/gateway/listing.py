"""Requests that cost nothing: which models there are, and how many tokens a text has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

import aiohttp
from aiohttp import web

from paid.gateway.access import Grant
from paid.gateway.answers import AnswerError
from paid.gateway.delivery import Delivery, may_do_better
from paid.gateway.headers import headers_down, headers_up
from paid.gateway.routes import Route
from paid.gateway.spool import Spool
from paid.gateway.upstream import Upstream
from paid.gateway.vendors import Vendor

LARGEST_ANSWER_BYTES = 4 << 20
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
        answer, body = await self._ask(request, route)
        if answer.status == 200 and route.operation == "list":
            body = _only_allowed(body, route.vendor, grant)
        return _plain(answer, body)

    async def count(
        self, request: web.BaseRequest, route: Route, spool: Spool
    ) -> web.StreamResponse:
        """The vendor's count of tokens."""
        return _plain(*await self._ask(request, route, spool))

    async def _ask(
        self, request: web.BaseRequest, route: Route, spool: Spool | None = None
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """The answer to the first key that gets one, or to the last."""
        *others, last = self._delivery.any_keys(route.vendor)
        for key in others:
            with suppress(aiohttp.ClientError, TimeoutError):
                answer, whole = await self._ask_with(key, request, route, spool)
                if not may_do_better(answer.status):
                    return answer, whole
        return await self._ask_with(last, request, route, spool)

    async def _ask_with(
        self, key: str, request: web.BaseRequest, route: Route, spool: Spool | None
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        vendor, headers = self._vendors[route.vendor], headers_up(request.headers)
        body = None if spool is None else spool.body()
        async with await self._upstream.send(vendor, key, route, headers, body) as answer:
            whole = b""
            async for chunk in answer.content.iter_any():
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
