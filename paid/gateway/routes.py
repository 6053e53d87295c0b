"""Which requests pass: a list, and nothing that is not on it.

Paths are compared as the bytes that came, before anything is decoded, so that no other spelling of
a path exists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, urlencode

Operation = Literal["generate", "count", "list", "describe"]

_MODEL = r"(?P<model>[A-Za-z0-9][A-Za-z0-9._-]{0,150})"
_CREDENTIALS = frozenset({"key", "api_key", "access_token"})
_WORD = "[A-Za-z0-9._=/+-]{0,200}"
_PAGES = dict.fromkeys(("after", "after_id", "before_id", "pageToken"), _WORD)
_PAGES |= {"limit": "[0-9]{1,4}", "pageSize": "[0-9]{1,4}", "order": "asc|desc"}
_PARAMETERS: Mapping[tuple[str, Operation], Mapping[str, str]] = {
    ("anthropic", "generate"): {"beta": "true|false"},
    ("anthropic", "count"): {"beta": "true|false"},
    ("anthropic", "list"): _PAGES | {"beta": "true|false"},
    ("anthropic", "describe"): {"beta": "true|false"},
    ("openai", "list"): _PAGES,
    ("gemini", "generate"): {"alt": "json|sse"},
    ("gemini", "count"): {"alt": "json"},
    ("gemini", "list"): _PAGES | {"alt": "json"},
    ("gemini", "describe"): {"alt": "json"},
}
"""Each route's parameters with the values that pass: others would decide how a request is read, as
`alt=proto` does, or Google's `$ct` and `$httpMethod`."""


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
        return _as_route(rule, path, _query(rule, query), match.groupdict().get("model"))
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


def _query(rule: _Rule, query: str) -> str:
    """The parameters that pass; a credential among them is dropped like one in a header."""
    if not query:
        return ""
    try:
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError as error:
        raise NotAllowedError(400, "The query cannot be read.") from error
    passed = [(name, value) for name, value in given if name not in _CREDENTIALS]
    allowed = _PARAMETERS.get((rule.vendor, rule.operation), {})
    for name, value in passed:
        if name not in allowed:
            raise NotAllowedError(400, f"The parameter {name[:100]!r} is not allowed.")
        if not re.fullmatch(allowed[name], value):
            raise NotAllowedError(400, f"{value[:100]!r} is not allowed for {name!r}.")
    if len(dict(passed)) != len(passed):
        raise NotAllowedError(400, "A parameter is there twice.")
    return urlencode(passed)
