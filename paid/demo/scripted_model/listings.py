"""Which models there are, in each vendor's own form, and how each names its errors."""

from __future__ import annotations

from aiohttp import web

from paid.demo.scripted_model.anthropic_wire import AnthropicWire
from paid.demo.scripted_model.bill import PRICES, VENDORS
from paid.demo.scripted_model.chat_wire import ChatWire
from paid.demo.scripted_model.conversation import Json
from paid.demo.scripted_model.gemini_wire import GeminiWire
from paid.demo.scripted_model.wires import Wire

CREATED = 1767225600
"""The day that all these models were made, in this script."""


def openai_models() -> Json:
    """`GET /v1/models` of OpenAI."""
    return {
        "object": "list",
        "data": [
            {"id": name, "object": "model", "created": CREATED, "owned_by": "openai"}
            for name in _models_of("openai")
        ],
    }


def anthropic_models() -> Json:
    """`GET /v1/models` of Anthropic."""
    names = _models_of("anthropic")
    created = "2026-01-01T00:00:00Z"
    return {
        "data": [
            {"type": "model", "id": name, "display_name": name, "created_at": created}
            for name in names
        ],
        "has_more": False,
        "first_id": names[0],
        "last_id": names[-1],
    }


def gemini_models() -> Json:
    """`GET /v1beta/models` of Gemini."""
    verbs = ["generateContent", "countTokens"]
    return {
        "models": [
            {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": verbs}
            for name in _models_of("gemini")
        ]
    }


def key_of(request: web.Request) -> str:
    """The key, wherever this vendor's clients put it; empty when there is none."""
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    named = request.headers.get("x-api-key") or request.headers.get("x-goog-api-key")
    return named or bearer


def refusal(
    request: web.Request, status: int, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    """An error as the vendor of this path writes it."""
    body = _wire_of(request).error(status, message)
    return web.json_response(body, status=status, headers=headers)


def _wire_of(request: web.Request) -> Wire:
    if "/v1beta/" in request.path or "x-goog-api-key" in request.headers:
        return GeminiWire()
    if "/messages" in request.path or "anthropic-version" in request.headers:
        return AnthropicWire()
    return ChatWire()


def _models_of(vendor: str) -> list[str]:
    return [name for name in PRICES if VENDORS[name.partition("-")[0]] == vendor]
