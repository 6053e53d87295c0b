"""The most that a request can cost, from its size and its maximum output."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paid.gateway.prices import Tariff
from paid.gateway.routes import Route
from paid.gateway.scanner import Scan
from paid.gateway.spool import Edit

OVERHEAD_TOKENS = 2_000
"""What vendors put around a request themselves: tool instructions, role marks."""
MEDIA_TOKENS = 6_000
"""The most that one picture costs, however few bytes it is compressed to."""
SMALLEST_OUTPUT = 8_192
"""A request is not squeezed below this: an agent that is cut off in mid-thought wastes it all."""

WANTED: Mapping[str, frozenset[str]] = {
    "messages": frozenset(
        {"model", "max_tokens", "stream", "tools", "service_tier", "speed", "mcp_servers"}
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
            "conversation",
            "prompt",
        }
    ),
    "gemini": frozenset({"generationConfig", "tools", "cachedContent", "serviceTier"}),
}
"""The members of each protocol's requests that say what they may cost."""
_LIMIT = {
    "messages": ("max_tokens",),
    "chat": ("max_completion_tokens", "max_tokens"),
    "responses": ("max_output_tokens",),
}
_TOOLS_AT_THE_VENDOR = (
    "web_search",
    "web_fetch",
    "file_search",
    "mcp",
    "code_interpreter",
    "code_execution",
    "computer_use",
    "image_generation",
)
_GEMINI_TOOLS_AT_THE_VENDOR = frozenset(
    name
    for word in ("google search", "google search retrieval", "url context", "code execution")
    for name in (word.replace(" ", "_"), re.sub(" (.)", lambda m: m[1].upper(), word))
)
"""Such tools have the vendor reach the web for the run, past the egress list, for a price that no
bound on tokens holds. (`tool_search` is none of them: it looks among the client's own tools.)"""


class RefusedError(Exception):
    """Raised when a request asks for what cannot be capped or is malformed."""


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

    def input_tokens(self, tariff: Tariff) -> int:
        """At most: a token has at least one byte, and a model reads no more than its window."""
        if self.unseen_input:
            return tariff.context_window
        seen = self.input_bytes + OVERHEAD_TOKENS + self.media * MEDIA_TOKENS
        return min(tariff.context_window, seen)

    def output_tokens(self, tariff: Tariff) -> int:
        """At most, over all copies."""
        most = tariff.max_output_tokens if self.most_output is None else self.most_output
        return most * self.copies

    def worst(self, tariff: Tariff) -> int:
        """Micro-dollars at list price."""
        return tariff.worst(
            self.input_tokens(tariff),
            self.output_tokens(tariff),
            self.tier,
            hour_cache=self.hour_cache,
        )


def read_ask(route: Route, scan: Scan, size: int) -> Ask:
    """What a body asks for. Raises RefusedError."""
    values = {name: member.value for name, member in scan.members.items()}
    _refuse_what_cannot_be_capped(values)
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
        input_bytes=size,
        media=scan.counts.get("media", 0),
        unseen_input=_reads_elsewhere(values, scan),
        hour_cache="hour_cache" in scan.counts,
        tier=_tier(values),
    )


def usage_edits(route: Route, scan: Scan, ask: Ask) -> list[Edit]:
    """Chat Completions streams report usage only when asked to; ask, if the client did not."""
    if route.wire != "chat" or not ask.streams:
        return []
    options = scan.members.get("stream_options")
    if options is None or options.value is None:
        member = b'"stream_options":{"include_usage":true}'
        if options is not None:
            return [Edit(options.start, options.end, b'{"include_usage":true}')]
        return [Edit(scan.opening + 1, scan.opening + 1, member + b",")]
    if not isinstance(options.value, dict):
        raise RefusedError("stream_options must be an object")
    if options.value.get("include_usage") is True:
        return []
    inner = ",".join(
        f'"{name}":{str(value).lower()}'
        for name, value in options.value.items()
        if name.isidentifier() and isinstance(value, bool) and name != "include_usage"
    )
    merged = '{"include_usage":true' + (f",{inner}" if inner else "") + "}"
    return [Edit(options.start, options.end, merged.encode())]


def squeeze(
    route: Route, scan: Scan, ask: Ask, tariff: Tariff, room: int
) -> tuple[int, list[Edit]] | None:
    """A smaller maximum output that fits the room, for a request that sets none itself.

    It takes half of the room if that is enough: an agent may ask two things at once.
    None when even the smallest is too much, or when the client has set one: then it is a promise
    that it may rely on.
    """
    if ask.most_output is not None or ask.copies != 1 or route.wire not in _LIMIT:
        return None
    smallest, largest = SMALLEST_OUTPUT, tariff.max_output_tokens
    costs = [
        tariff.worst(ask.input_tokens(tariff), tokens, ask.tier, hour_cache=ask.hour_cache)
        for tokens in (smallest, largest)
    ]
    if costs[0] > room or largest <= smallest:
        return None
    share = max(0.0, room / 2 - costs[0]) / max(1, costs[1] - costs[0])
    tokens = min(largest, int(smallest + share * (largest - smallest)))
    name = _LIMIT[route.wire][0]
    member = f'"{name}":{tokens},'.encode()
    return tokens, [Edit(scan.opening + 1, scan.opening + 1, member)]


def _refuse_what_cannot_be_capped(values: Mapping[str, Any]) -> None:
    if values.get("background"):
        raise RefusedError("background: answers that come later cannot be metered here")
    if values.get("mcp_servers"):
        raise RefusedError("mcp_servers: the vendor must not call servers for a run")
    if values.get("cachedContent"):
        raise RefusedError("cachedContent: stored caches are billed apart from requests")
    if values.get("prediction"):
        raise RefusedError("prediction: its tokens are charged beyond the maximum output")
    if _speaks_or_draws(values):
        raise RefusedError("modalities: only text has a price here")
    if values.get("web_search_options") is not None:
        raise RefusedError("web_search_options: the vendor must not reach the web for a run")
    tools = values.get("tools")
    for tool in tools if isinstance(tools, list) else []:
        name = _at_the_vendor(tool)
        if name is not None:
            raise RefusedError(f"tools: {name} runs at the vendor, past the limits of a run")


def _speaks_or_draws(values: Mapping[str, Any]) -> bool:
    config = values.get("generationConfig")
    asked = [values.get("modalities")]
    asked.append(config.get("responseModalities") if isinstance(config, dict) else None)
    return any(
        str(one).lower() != "text" for given in asked if isinstance(given, list) for one in given
    )


def _at_the_vendor(tool: Any) -> str | None:
    """The name of a tool that the vendor would run itself; None for the client's own."""
    if not isinstance(tool, dict):
        return None
    kind = str(tool.get("type", ""))
    if kind.startswith(_TOOLS_AT_THE_VENDOR):
        return kind[:50]
    return min(tool.keys() & _GEMINI_TOOLS_AT_THE_VENDOR, default=None)


def _reads_elsewhere(values: Mapping[str, Any], scan: Scan) -> bool:
    if any(values.get(name) for name in ("previous_response_id", "conversation", "prompt")):
        return True
    return "elsewhere" in scan.counts or {"document", "source"} <= scan.counts.keys()


def _tier(values: Mapping[str, Any]) -> dict[str, str]:
    named = {"service_tier": values.get("service_tier") or values.get("serviceTier")}
    named["speed"] = values.get("speed")
    return {
        name: value.lower()
        for name, value in named.items()
        if isinstance(value, str) and value not in ("auto", "default", "standard")
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
