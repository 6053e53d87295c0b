"""The vendors: which requests pass, where they go, how keys travel, and how errors look.

Nothing passes that is not listed here. Paths are compared as the bytes that came, before anything
is decoded, so that no other spelling of a path exists.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, urlencode

from paid.settings import Settings

Operation = Literal["generate", "count", "list", "describe"]

_MODEL = r"(?P<model>[A-Za-z0-9][A-Za-z0-9._-]{0,150})"
_PARAMETERS = frozenset(
    {"alt", "beta", "limit", "after", "after_id", "before_id", "order", "pageSize", "pageToken"}
)
_CREDENTIALS = frozenset({"key", "api_key", "access_token"})


@dataclass(frozen=True)
class Route:
    """A request that may pass. `wire` names the protocol whose usage is metered."""

    vendor: str
    operation: Operation
    wire: str
    upstream: str
    """Path and query below the vendor's base URL."""
    model: str | None = None
    streams: bool = False
    """Whether the path says that the answer is a stream; elsewhere the body says it."""


@dataclass(frozen=True)
class _Rule:
    method: str
    path: re.Pattern[str]
    vendor: str
    operation: Operation
    wire: str
    prefix: str
    """What is cut off in front; the vendor's base URL stands for it."""


def _rule(method: str, path: str, vendor: str, operation: Operation, wire: str, cut: str) -> _Rule:
    return _Rule(method, re.compile(path), vendor, operation, wire, cut)


_RULES = (
    _rule("POST", "/anthropic/v1/messages", "anthropic", "generate", "messages", "/anthropic"),
    _rule(
        "POST",
        "/anthropic/v1/messages/count_tokens",
        "anthropic",
        "count",
        "messages",
        "/anthropic",
    ),
    _rule("GET", "/anthropic/v1/models", "anthropic", "list", "messages", "/anthropic"),
    _rule(
        "GET", f"/anthropic/v1/models/{_MODEL}", "anthropic", "describe", "messages", "/anthropic"
    ),
    _rule("POST", "/openai/v1/chat/completions", "openai", "generate", "chat", "/openai/v1"),
    _rule("POST", "/openai/v1/responses", "openai", "generate", "responses", "/openai/v1"),
    _rule(
        "POST", "/openai/v1/responses/input_tokens", "openai", "count", "responses", "/openai/v1"
    ),
    _rule("GET", "/openai/v1/models", "openai", "list", "chat", "/openai/v1"),
    _rule("GET", f"/openai/v1/models/{_MODEL}", "openai", "describe", "chat", "/openai/v1"),
    _rule(
        "POST",
        f"/gemini/v1(?:beta)?/models/{_MODEL}:(?:generateContent|streamGenerateContent)",
        "gemini",
        "generate",
        "gemini",
        "/gemini",
    ),
    _rule(
        "POST",
        f"/gemini/v1(?:beta)?/models/{_MODEL}:countTokens",
        "gemini",
        "count",
        "gemini",
        "/gemini",
    ),
    _rule("GET", "/gemini/v1(?:beta)?/models", "gemini", "list", "gemini", "/gemini"),
    _rule("GET", f"/gemini/v1(?:beta)?/models/{_MODEL}", "gemini", "describe", "gemini", "/gemini"),
)


class NotAllowedError(Exception):
    """Raised when a request is none of those that pass; `status` is what it is answered with."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def vendor_of(target: str) -> str:
    """The vendor in whose words to answer; OpenAI's are the ones that most clients know."""
    first = target[1:].partition("/")[0]
    return first if first in FORMATS else "openai"


def find_route(method: str, target: str) -> Route:
    """The route of a request line's target. Raises NotAllowedError."""
    path, _, query = target.partition("?")
    found = [(rule, match) for rule in _RULES if (match := rule.path.fullmatch(path))]
    if not found:
        raise NotAllowedError(404, f"The gateway does not know {path[:200]!r}.")
    for rule, match in found:
        if rule.method != method:
            continue
        suffix = _query(query)
        return Route(
            rule.vendor,
            rule.operation,
            rule.wire,
            path.removeprefix(rule.prefix) + (f"?{suffix}" if suffix else ""),
            match.groupdict().get("model"),
            streams=":streamGenerateContent" in path,
        )
    raise NotAllowedError(405, f"{method} is not allowed for {path[:200]!r}.")


def _query(query: str) -> str:
    """The parameters that pass; a credential among them is dropped like one in a header."""
    if not query:
        return ""
    try:
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError as error:
        raise NotAllowedError(400, "The query cannot be read.") from error
    foreign = {name for name, _ in given} - _PARAMETERS - _CREDENTIALS
    if foreign:
        raise NotAllowedError(400, f"The parameter {min(foreign)[:100]!r} is not allowed.")
    return urlencode([(name, value) for name, value in given if name in _PARAMETERS])


@dataclass(frozen=True)
class Vendor:
    """Where a vendor is, and the keys for it. The keys never appear in a repr."""

    name: str
    base_url: str
    keys: tuple[str, ...] = field(repr=False)

    def authorisation(self, key: str) -> dict[str, str]:
        """The headers that carry a key."""
        if self.name == "anthropic":
            return {"x-api-key": key}
        if self.name == "gemini":
            return {"x-goog-api-key": key}
        return {"authorization": f"Bearer {key}"}


def vendors(settings: Settings) -> dict[str, Vendor]:
    """The vendors as the settings have them."""
    given = (
        ("anthropic", settings.anthropic_base_url, settings.anthropic_api_key),
        ("openai", settings.openai_base_url, settings.openai_api_key),
        ("gemini", settings.gemini_base_url, settings.gemini_api_key),
    )
    return {
        name: Vendor(name, url.rstrip("/"), tuple(key.get_secret_value() for key in keys))
        for name, url, keys in given
    }


_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}
_GEMINI_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _anthropic_error(status: int, message: str, code: str) -> object:
    kind = _ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "paid_code": code}


def _openai_error(status: int, message: str, code: str) -> object:
    kind = _OPENAI_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _gemini_error(status: int, message: str, code: str) -> object:
    word = _GEMINI_STATUSES.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code}]
    return {"error": {"code": status, "message": message, "status": word, "details": details}}


FORMATS: Mapping[str, Callable[[int, str, str], object]] = {
    "anthropic": _anthropic_error,
    "openai": _openai_error,
    "gemini": _gemini_error,
}


def error_body(vendor: str, status: int, message: str, code: str) -> bytes:
    """An error in the vendor's own form, so that agents understand it."""
    return json.dumps(FORMATS[vendor](status, message, code)).encode()


_PASSED_UP = frozenset(
    {
        "accept",
        "anthropic-beta",
        "anthropic-version",
        "content-type",
        "conversation_id",
        "openai-beta",
        "originator",
        "session_id",
        "user-agent",
        "x-app",
        "x-client-request-id",
        "x-goog-api-client",
    }
)
_KEPT_DOWN = frozenset(
    {
        "alt-svc",
        "anthropic-organization-id",
        "connection",
        "content-encoding",
        "content-length",
        "keep-alive",
        "location",
        "openai-organization",
        "openai-project",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "set-cookie",
        "strict-transport-security",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def headers_up(given: Mapping[str, str]) -> dict[str, str]:
    """What of the client's headers goes to the vendor: a list of the harmless, not of the bad.

    Everything that a `Connection` header could name is left out with the rest, and so is every
    credential, wherever the client put it.
    """
    return {
        name: value
        for name, value in given.items()
        if name.lower() in _PASSED_UP or name.lower().startswith("x-stainless-")
    }


def headers_down(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """What of the vendor's headers goes to the client: not the hop's, not the account's."""
    named = {name.strip().lower() for name in given.get("connection", "").split(",")}
    return [
        (name, value)
        for name, value in given.items()
        if name.lower() not in _KEPT_DOWN and name.lower() not in named
    ]
