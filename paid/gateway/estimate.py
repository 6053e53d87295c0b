"""The most that a request can cost, from its size and its maximum output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from paid.gateway.prices import COUNTRIES, DEARER_TIERS, DEFAULT_CONTEXT_WINDOW, Tariff
from paid.gateway.refusal import RefusedError
from paid.gateway.routes import Route
from paid.gateway.scan import Scan
from paid.gateway.spool import Edit, Spool
from paid.gateway.tools import LARGEST_LATER_BYTES, check_later_tools, check_tools

OVERHEAD_TOKENS = 2_000
"""What vendors put around a request themselves: tool instructions, role marks."""
MEDIA_TOKENS = 6_000
"""The most that a picture costs for each word that marks it, however few bytes it has.

OpenAI's have two such words, and cost up to 12,000 (10,000 patches at 1.2); Anthropic's and
Gemini's may have one, and cost less than 6,000.
"""
MAGNIFIED = "gpt-4o-mini*"
MAGNIFIED_MEDIA_TOKENS = 25_000
"""Pictures there are billed at what they cost with gpt-4o: 2,833 tokens and 5,667 for each of up to
eight tiles, which do not count for the window."""
SMALLEST_OUTPUT = 8_192
"""A request is not squeezed below this: an agent that is cut off in mid-thought wastes it all."""

WANTED: Mapping[str, frozenset[str]] = {
    "messages": frozenset(
        {
            "model",
            "max_tokens",
            "stream",
            "tools",
            "service_tier",
            "speed",
            "mcp_servers",
            "compaction",
            "container",
            "context_management",
            "fallbacks",
            "inference_geo",
            "thread",
        }
    ),
    "chat": frozenset(
        {
            "model",
            "max_tokens",
            "max_completion_tokens",
            "n",
            "stream",
            "stream_options",
            "service_tier",
            "web_search_options",
            "modalities",
            "prediction",
            "tools",
        }
    ),
    "responses": frozenset(
        {
            "model",
            "max_output_tokens",
            "stream",
            "tools",
            "service_tier",
            "background",
            "previous_response_id",
            "context_management",
            "conversation",
            "prompt",
        }
    ),
    "gemini": frozenset(
        {
            "generationConfig",
            "generation_config",
            "tools",
            "cachedContent",
            "cached_content",
            "serviceTier",
            "service_tier",
        }
    ),
}
"""The members of each protocol's requests that say what they may cost."""
_LIMIT = {
    "messages": ("max_tokens",),
    "chat": ("max_completion_tokens", "max_tokens"),
    "responses": ("max_output_tokens",),
}
_SPELLINGS = {
    "generation_config": "generationConfig",
    "cached_content": "cachedContent",
    "service_tier": "serviceTier",
    "max_output_tokens": "maxOutputTokens",
    "candidate_count": "candidateCount",
    "response_modalities": "responseModalities",
}
"""Gemini reads both spellings of a member's name."""
_USUAL_TIERS = frozenset(
    {"auto", "default", "flex", "scale", "standard", "standard_only", "unspecified", "batch"}
)
_UNCAPPED = {
    "background": "answers that come later cannot be metered here",
    "mcp_servers": "the vendor must not call servers for a run",
    "cachedContent": "stored caches are billed apart from requests",
    "prompt": "what is stored at the vendor may bring tools that run there",
    "prediction": "its tokens are charged beyond the maximum output",
    "container": "containers at the vendor are billed apart from requests",
    "fallbacks": "another model has another price; name fall-backs in the project's settings",
}
_PLACES = frozenset({"global", *COUNTRIES})


@dataclass(frozen=True)
class Ask:
    """What a generating request asks for, as far as its cost goes."""

    model: str
    streams: bool
    most_output: int | None
    copies: int
    input_bytes: int
    media: int
    unseen_input: bool
    """Whether input counts that is not in the bytes: earlier answers, files, links."""
    hour_cache: bool
    tier: Mapping[str, str]
    passes: int = 1
    """How often the model may read and write for the one answer."""
    long_window: bool = False
    """Whether a window beyond the model's usual one is asked for."""

    def input_tokens(self, tariff: Tariff) -> int:
        """At most: a token has at least one byte, and a model reads no more than its window."""
        window = DEFAULT_CONTEXT_WINDOW if self.long_window else tariff.context_window
        if self.unseen_input:
            return window
        seen = self.input_bytes + OVERHEAD_TOKENS
        if fnmatchcase(tariff.model, MAGNIFIED):
            return min(window, seen) + self.media * MAGNIFIED_MEDIA_TOKENS
        return min(window, seen + self.media * MEDIA_TOKENS)

    def output_tokens(self, tariff: Tariff) -> int:
        """At most, over all copies."""
        most = tariff.max_output_tokens if self.most_output is None else self.most_output
        return most * self.copies

    def worst(self, tariff: Tariff) -> int:
        """Micro-dollars at list price."""
        return self.passes * tariff.worst(
            self.input_tokens(tariff),
            self.output_tokens(tariff),
            self.tier,
            hour_cache=self.hour_cache,
            sound=self.media > 0 or self.unseen_input,
        )


def read_ask(route: Route, scan: Scan, spool: Spool, beta: str = "") -> Ask:
    """What a body asks for, and its `anthropic-beta` header. Raises RefusedError."""
    values = _members(route, scan)
    _refuse_what_cannot_be_capped(values)
    check_tools(route.wire, values.get("tools"))
    if scan.counts.keys() & {"later_tools", "escaped"}:
        check_later_tools(route.wire, spool.whole(()) if spool.size < LARGEST_LATER_BYTES else None)
    config = _object(values, "generationConfig")
    limits = [_count(values, name) for name in _LIMIT.get(route.wire, ())]
    limits.append(_count(config, "maxOutputTokens"))
    given = [limit for limit in limits if limit is not None]
    if route.wire == "messages" and route.operation == "generate" and not given:
        raise RefusedError("max_tokens: Field required")
    return Ask(
        model=route.model or _text(values, "model"),
        streams=route.streams or values.get("stream") is True,
        most_output=max(given) if given else None,
        copies=(_count(values, "n") or 1) * (_count(config, "candidateCount") or 1),
        input_bytes=spool.size,
        media=scan.counts.get("media", 0),
        unseen_input=_reads_elsewhere(values, scan),
        hour_cache="hour_cache" in scan.counts,
        tier=_tier(values),
        passes=2 if _sums_up(values) else 1,
        long_window="context-1m" in beta,
    )


def _members(route: Route, scan: Scan) -> dict[str, Any]:
    """The wanted members, under one spelling."""
    values = {name: member.value for name, member in scan.members.items()}
    if route.wire != "gemini":
        return values
    values = _one_spelling(values)
    config = values.get("generationConfig")
    return values | (
        {"generationConfig": _one_spelling(config)} if isinstance(config, dict) else {}
    )


def _one_spelling(given: Mapping[str, Any]) -> dict[str, Any]:
    found = {_SPELLINGS.get(name, name): value for name, value in given.items()}
    if len(found) != len(given):
        raise RefusedError("a member is there in two spellings")
    return found


def squeeze(
    route: Route, scan: Scan, ask: Ask, tariff: Tariff, room: int
) -> tuple[int, list[Edit]] | None:
    """A smaller maximum output that fits the room, for a request that sets none itself.

    It takes half of the room if that is enough: an agent may ask two things at once.
    None when even the smallest is too much, or when the client has set one: then it is a promise
    that it may rely on.
    """
    if ask.most_output is not None or ask.copies != 1:
        return None
    smallest, largest = SMALLEST_OUTPUT, tariff.max_output_tokens
    costs = [replace(ask, most_output=tokens).worst(tariff) for tokens in (smallest, largest)]
    if costs[0] > room or largest <= smallest:
        return None
    share = max(0.0, room / 2 - costs[0]) / max(1, costs[1] - costs[0])
    tokens = min(largest, int(smallest + share * (largest - smallest)))
    edit = _limit_edit(route, scan, tokens)
    return None if edit is None else (tokens, [edit])


def _limit_edit(route: Route, scan: Scan, tokens: int) -> Edit | None:
    """The maximum output put in; in the place of a null, which would be read after it."""
    if route.wire == "gemini":
        return _gemini_limit_edit(scan, tokens)
    name = _LIMIT[route.wire][0]
    given = scan.members.get(name)
    if given is not None:
        return Edit(given.start, given.end, str(tokens).encode())
    return Edit(scan.opening + 1, scan.opening + 1, f'"{name}":{tokens},'.encode())


def _gemini_limit_edit(scan: Scan, tokens: int) -> Edit | None:
    """There the limit is in an inner object, which has its place but not its members'."""
    member = f'"maxOutputTokens":{tokens}'
    names = scan.members.keys() & {"generationConfig", "generation_config"}
    if not names:
        put_in = f'"generationConfig":{{{member}}},'
        return Edit(scan.opening + 1, scan.opening + 1, put_in.encode())
    config = scan.members[names.pop()]
    if not isinstance(config.value, dict):
        return Edit(config.start, config.end, f"{{{member}}}".encode())
    if config.value.keys() & {"maxOutputTokens", "max_output_tokens"}:
        return None
    comma = "," if config.value else ""
    return Edit(config.start + 1, config.start + 1, f"{member}{comma}".encode())


def _refuse_what_cannot_be_capped(values: Mapping[str, Any]) -> None:
    for name, why in _UNCAPPED.items():
        if values.get(name):
            raise RefusedError(f"{name}: {why}")
    if _speaks_or_draws(values):
        raise RefusedError("modalities: only text has a price here")
    if values.get("web_search_options") is not None:
        raise RefusedError("web_search_options: the vendor must not reach the web for a run")
    if values.get("inference_geo") not in (None, *_PLACES):
        raise RefusedError("inference_geo: this place has no price here")
    for name in ("service_tier", "serviceTier", "speed"):
        if str(values.get(name) or "auto").lower() not in _USUAL_TIERS | DEARER_TIERS:
            raise RefusedError(f"{name}: this one has no price here")


def _speaks_or_draws(values: Mapping[str, Any]) -> bool:
    config = values.get("generationConfig")
    asked = [values.get("modalities")]
    asked.append(config.get("responseModalities") if isinstance(config, dict) else None)
    return any(
        str(one).lower() != "text" for given in asked if isinstance(given, list) for one in given
    )


def _sums_up(values: Mapping[str, Any]) -> bool:
    """Whether the vendor may sum the conversation up first, which is a sampling of its own."""
    if values.get("compaction"):
        return True
    given = values.get("context_management")
    edits = given.get("edits") if isinstance(given, dict) else given
    kinds = [str(one.get("type")) for one in edits or () if isinstance(one, dict)]
    return any(kind.startswith("compact") for kind in kinds)


def _reads_elsewhere(values: Mapping[str, Any], scan: Scan) -> bool:
    if any(values.get(name) for name in ("previous_response_id", "conversation", "thread")):
        return True
    if scan.counts.keys() & {"elsewhere", "escaped"}:
        return True
    return {"document", "source"} <= scan.counts.keys()


def _tier(values: Mapping[str, Any]) -> dict[str, str]:
    named = {"service_tier": values.get("service_tier") or values.get("serviceTier")}
    named |= {name: values.get(name) for name in ("speed", "inference_geo")}
    return {
        name: value.lower()
        for name, value in named.items()
        if isinstance(value, str) and value not in ("auto", "default", "standard", "global")
    }


def _object(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = values.get(name)
    if value is not None and not isinstance(value, dict):
        raise RefusedError(f"{name} must be an object")
    return value or {}


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isprintable():
        raise RefusedError(f"{name} must be a model's name")
    return value


def _count(values: Mapping[str, Any], name: str) -> int | None:
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= 10_000_000:
        raise RefusedError(f"{name} must be a positive whole number")
    return value
