"""Which requests pass: a list, and nothing that is not on it.

Paths are compared as the bytes that came, before anything is decoded, so that no other spelling of
a path exists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, urlencode

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


def find_route(method: str, target: str) -> Route:
    """The route of a request line's target. Raises NotAllowedError."""
    path, _, query = target.partition("?")
    plain = _PLAIN.get((method, path))
    if plain is not None and not query:
        return plain
    found = [(rule, match) for rule in _RULES if (match := rule.path.fullmatch(path))]
    if not found:
        raise NotAllowedError(404, f"The gateway does not know {path[:200]!r}.")
    for rule, match in found:
        if rule.method != method:
            continue
        return _as_route(rule, path, _query(query), match.groupdict().get("model"))
    raise NotAllowedError(405, f"{method} is not allowed for {path[:200]!r}.")


def _as_route(rule: _Rule, path: str, query: str = "", model: str | None = None) -> Route:
    return Route(
        rule.vendor,
        rule.operation,
        rule.wire,
        path.removeprefix(rule.prefix) + (f"?{query}" if query else ""),
        model,
        streams=":streamGenerateContent" in path,
    )


_PLAIN = {
    (rule.method, rule.path.pattern): _as_route(rule, rule.path.pattern)
    for rule in _RULES
    if not set("([?") & set(rule.path.pattern)
}
"""The routes whose paths are always the same, which most requests take."""


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
