"""The vendors' endpoints; the key is checked and faults strike before any of them answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from aiohttp import web

from paid.demo.scripted_model.anthropic_wire import AnthropicWire
from paid.demo.scripted_model.author import answer
from paid.demo.scripted_model.bill import Bill, mark_of
from paid.demo.scripted_model.chat_wire import ChatWire
from paid.demo.scripted_model.conversation import Json, Reply, Usage
from paid.demo.scripted_model.delivery import Delivery, hang_up
from paid.demo.scripted_model.faults import Fault, Switches
from paid.demo.scripted_model.gemini_wire import GeminiWire
from paid.demo.scripted_model.listings import (
    anthropic_models,
    gemini_models,
    key_of,
    openai_models,
    refusal,
)
from paid.demo.scripted_model.responses_wire import ResponsesWire
from paid.demo.scripted_model.tokens import usage_of
from paid.demo.scripted_model.wires import Wire

PREFIXES = ("", "/anthropic", "/openai", "/gemini")
"""The vendors' own paths, and the same under the prefixes of Paid's gateway."""

REMEMBERED = 1000
"""Requests that are kept, bodies and all."""

Endpoint = Callable[[web.Request, Fault | None], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Received:
    """A request as it arrived, for tests that ask what reached the vendor."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Vendors:
    """What all requests share: the key, the switches, the bill and what arrived so far."""

    key: str
    tokens_per_second: float | None = None
    scenario: str | None = None
    bill: Bill = field(default_factory=Bill)
    faults: Switches = field(default_factory=Switches)
    requests: list[Received] = field(default_factory=list)

    def routes(self) -> list[web.RouteDef]:
        """All endpoints under all prefixes."""
        return [route for prefix in PREFIXES for route in self._routes(prefix)]

    def _routes(self, prefix: str) -> list[web.RouteDef]:
        verbs = [
            # The vendor's command line says v1beta, its newest SDK v1.
            web.post(
                f"{prefix}/{version}" + "/models/{model:[^:/]+}:{verb}", self._guarded(self._gemini)
            )
            for version in ("v1beta", "v1")
        ]
        return [
            *verbs,
            web.post(f"{prefix}/v1/messages", self._guarded(self._talk(AnthropicWire()))),
            web.post(f"{prefix}/v1/messages/count_tokens", self._guarded(_count_anthropic)),
            web.post(f"{prefix}/v1/chat/completions", self._guarded(self._talk(ChatWire()))),
            web.post(f"{prefix}/v1/responses", self._guarded(self._talk(ResponsesWire()))),
            web.get(f"{prefix}/v1/models", self._guarded(_models)),
            web.get(f"{prefix}/v1beta/models", self._guarded(_gemini_models)),
        ]

    def _guarded(
        self, endpoint: Endpoint
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            headers = dict(request.headers)
            self.requests.append(Received(request.method, request.path_qs, headers, body))
            del self.requests[:-REMEMBERED]
            if key_of(request) != self.key:
                return refusal(request, 401, "This is not the key of the scripted model.")
            fault = self.faults.take(request.path)
            spoiled = await _spoiled(request, fault)
            if spoiled is not None:
                return spoiled
            try:
                return await endpoint(request, fault)
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                return refusal(request, 400, f"The request makes no sense: {error!r}")

        return handler

    def _talk(self, wire: Wire) -> Endpoint:
        async def endpoint(request: web.Request, fault: Fault | None) -> web.StreamResponse:
            return await self._converse(request, wire, await request.json(), fault)

        return endpoint

    async def _gemini(self, request: web.Request, fault: Fault | None) -> web.StreamResponse:
        body, model = await request.json(), request.match_info["model"]
        if request.match_info["verb"] == "countTokens":
            ask = GeminiWire().parse(body.get("generateContentRequest") or body, model)
            return web.json_response({"totalTokens": usage_of(ask, Reply()).input})
        body["stream"] = request.match_info["verb"] == "streamGenerateContent"
        return await self._converse(request, GeminiWire(), body, fault, model)

    async def _converse(
        self,
        request: web.Request,
        wire: Wire,
        body: Json,
        fault: Fault | None,
        model: str | None = None,
    ) -> web.StreamResponse:
        ask = wire.parse(body, model)
        given = answer(ask, self.scenario)
        usage = usage_of(ask, given.reply)
        if wire.vendor != "anthropic":
            usage = replace(usage, cache_write=0)

        def charge(spent: Usage, complete: bool) -> None:
            self.bill.add(
                wire.vendor, ask.model, request.path, spent, complete=complete, mark=mark_of(ask)
            )

        delivery = Delivery(
            wire, ask, given.reply, usage, fault, charge, given.seconds, self.tokens_per_second
        )
        return await delivery.send(request)


async def _spoiled(request: web.Request, fault: Fault | None) -> web.StreamResponse | None:
    """The answer of a fault that leaves no room for one of the script's; None goes on."""
    if fault is None:
        return None
    if fault.kind == "delay":
        await asyncio.sleep(fault.seconds)
    if fault.kind == "status":
        message = f"Switched on for this request: status {fault.status}."
        return refusal(request, fault.status, message, fault.headers)
    if fault.kind == "garbage":
        return web.Response(body=b"\x00<html>nonsense\xff", content_type="application/json")
    if fault.kind == "drop":
        hang_up(request)
        return web.Response()
    return None


async def _count_anthropic(request: web.Request, _: Fault | None) -> web.StreamResponse:
    ask = AnthropicWire().parse(await request.json())
    return web.json_response({"input_tokens": usage_of(ask, Reply()).input})


async def _models(request: web.Request, _: Fault | None) -> web.StreamResponse:
    """Three vendors have this path; their headers tell them apart."""
    if "x-goog-api-key" in request.headers:
        return web.json_response(gemini_models())
    anthropic = "anthropic-version" in request.headers
    return web.json_response(anthropic_models() if anthropic else openai_models())


async def _gemini_models(_request: web.Request, _: Fault | None) -> web.StreamResponse:
    return web.json_response(gemini_models())
