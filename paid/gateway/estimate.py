"""The most that a request can cost, from its size and its maximum output."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from paid.gateway.pdf import PAGE_TOKENS
from paid.gateway.prices import COUNTRIES, DEARER_TIERS, DEFAULT_CONTEXT_WINDOW, Tariff
from paid.gateway.refusal import RefusedError
from paid.gateway.routes import Route
from paid.gateway.scan import Scan
from paid.gateway.seen import PICTURES, is_for_an_hour
from paid.gateway.spool import Spool
from paid.gateway.tools import built_in_tools, check_tools
from paid.gateway.wanted import UNCAPPED
from paid.gateway.wanted import WANTED as WANTED

OVERHEAD_TOKENS = 2_000
"""What vendors put around a request themselves: tool instructions, role marks."""
BUILT_IN_TOOL_TOKENS = 1_000
"""The most that Anthropic writes for a tool of its own kinds, of which a request has the name."""
MEDIA_TOKENS = 6_000
"""The most that a picture costs for each of its units, however few bytes it has.

OpenAI's have two units, and cost up to 12,000 (10,000 patches at 1.2); Anthropic's and Gemini's
have one, and cost less than 6,000.
"""
OTHERS_MEDIA_TOKENS = 8_500
"""The same with a price of one's own, which is mostly another server's model: Qwen-VL's pictures
cost up to 16,384."""
MAGNIFIED = "*gpt-4o-mini*"
MAGNIFIED_MEDIA_TOKENS = 25_000
"""Pictures there are billed at what they cost with gpt-4o: 2,833 tokens and 5,667 for each of up to
eight tiles, which do not count for the window."""
MOST_PICTURES = 1_500
"""As many as OpenAI takes in one request: counted where they cannot be seen."""
NARROW_BETA = re.compile(
    r"(?:claude-code|oauth|interleaved-thinking|fine-grained-tool-streaming|prompt-caching"
    r"|prompt-caching-scope|extended-cache-ttl|token-efficient-tools|output-128k|computer-use"
    r"|context-management|compact|advanced-tool-use|tool-search-tool|tool-examples|effort"
    r"|structured-outputs|files-api|pdfs|token-counting|message-batches|redact-thinking|task-budgets"
    r"|fast-mode|max-tokens-3-5-sonnet|adaptive-thinking|model-context-window-exceeded"
    r"|mid-conversation-system|tools)(?:-?20\d\d-?\d\d-?\d\d)?"
)
"""The betas of Anthropic's that leave the window as it is. With any other, a request is reserved
for as if it widened the window, as `context-1m` does: only requests that fill it cost more."""
LIMIT = {
    "messages": ("max_tokens",),
    "chat": ("max_completion_tokens", "max_tokens"),
    "responses": ("max_output_tokens",),
}
MAXIMA = ("max_tokens", "max_completion_tokens", "max_output_tokens", "n_predict")
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
_PLACES = frozenset({"global", *COUNTRIES})


@dataclass(frozen=True)
class Ask:
    """What a generating request asks for, as far as its cost goes."""

    model: str
    streams: bool
    most_output: int | None
    copies: int
    input_bytes: int
    """Of text: pictures and documents are counted apart."""
    media: int
    unseen: str
    """What counts as input and is not in the bytes: a file, a link; empty without any."""
    hour_cache: bool
    tier: Mapping[str, str]
    passes: int = 1
    """How often the model may read and write for the one answer."""
    long_window: bool = False
    """Whether a window beyond the model's usual one may be asked for."""
    document_tokens: int = 0
    sound: bool = False
    addresses: tuple[str, ...] = ()
    """What the vendor would fetch for the run."""
    earlier: str = ""
    """The answer on whose conversation this one goes on."""
    thinks_beside: bool = False
    """Whether it may think as much as the model can, beside the maximum that is set."""
    earlier_tokens: int | None = None
    """How long that conversation was; None when nobody here knows."""

    @property
    def reads_unseen(self) -> str:
        """Why the whole window may be read; empty when the input is bounded."""
        unknown = self.earlier and self.earlier_tokens is None
        return self.unseen or ("previous_response_id" if unknown else "")

    def input_tokens(self, tariff: Tariff) -> int:
        """At most: a token has at least one byte, and a model reads no more than its window."""
        window = tariff.context_window
        if self.long_window:
            window = max(window, DEFAULT_CONTEXT_WINDOW)
        seen = window
        if not self.reads_unseen:
            seen = self.input_bytes + OVERHEAD_TOKENS + self.document_tokens
        earlier = self.earlier_tokens or 0
        if fnmatchcase(tariff.model, MAGNIFIED):
            # Of each page a picture is put in, beside its text; and earlier there were some.
            pages = -(-self.document_tokens // PAGE_TOKENS)
            shown = self.media + pages * PICTURES["chat"]
            pictures = MOST_PICTURES if self.reads_unseen else shown
            return min(window, seen) + earlier + pictures * MAGNIFIED_MEDIA_TOKENS
        each = MEDIA_TOKENS if tariff.rule is None else OTHERS_MEDIA_TOKENS
        return min(window, seen + earlier + self.media * each)

    def output_tokens(self, tariff: Tariff) -> int:
        """At most, over all copies."""
        if self.most_output is None:
            return tariff.max_output_tokens * self.copies
        beside = tariff.max_output_tokens if self.thinks_beside else 0
        return (self.most_output + beside) * self.copies

    def worst(self, tariff: Tariff) -> int:
        """Micro-dollars at list price."""
        # Other servers than the vendor itself may count the input for each answer: Moonshot does.
        times = 1 if tariff.rule is None else self.copies
        return self.passes * tariff.worst(
            self.input_tokens(tariff) * times,
            self.output_tokens(tariff),
            self.tier,
            hour_cache=self.hour_cache,
            sound=self.sound or bool(self.reads_unseen),
        )


def read_ask(route: Route, scan: Scan, spool: Spool, beta: str = "") -> Ask:
    """What a body asks for, and its `anthropic-beta` header. Raises RefusedError."""
    values, seen = _members(route, scan), scan.seen
    _refuse_what_cannot_be_capped(values)
    check_tools(route.wire, values.get("tools"))
    config = _object(values, "generationConfig")
    limits = _limits(route, values, config)
    written = built_in_tools(route.wire, values.get("tools")) * BUILT_IN_TOOL_TOKENS
    repeated = seen.tools_repeated * (_size(scan, "tools") + written)
    return Ask(
        model=route.model or _text(values, "model"),
        streams=route.streams or values.get("stream") is True,
        most_output=max(limits) if limits else None,
        copies=(_count(values, "n") or 1) * (_count(config, "candidateCount", in_words=True) or 1),
        input_bytes=spool.size - seen.data_bytes + scan.growth_bytes + written + repeated,
        media=seen.pictures,
        unseen=_stored(values) or seen.unseen,
        hour_cache=seen.hour_cache or _caches_for_an_hour(values),
        tier=_tier(values),
        passes=2 if _sums_up(values) else 1,
        long_window=_may_widen([beta, values.get("betas"), values.get("anthropic_beta")]),
        document_tokens=seen.document_tokens,
        sound=seen.sound,
        addresses=tuple(seen.addresses),
        earlier=_earlier(values),
        thinks_beside=bool(values.get("enable_thinking")) and not _budget(values),
    )


def _size(scan: Scan, name: str) -> int:
    member = scan.members.get(name)
    return member.end - member.start if member is not None else 0


def _limits(route: Route, values: Mapping[str, Any], config: Mapping[str, Any]) -> list[int]:
    """Every maximum that is set; the largest counts, whichever the vendor reads.

    Anthropic takes a maximum of 0, to fill a cache; elsewhere 0 is refused, or means none. Its
    thoughts may have a budget beyond the maximum.
    """
    least = 0 if route.wire == "messages" else 1
    own = LIMIT.get(route.wire, ())
    limits = [_count(values, name, least=least) for name in own]
    limits.append(_count(config, "maxOutputTokens", in_words=True))
    given = [limit for limit in limits if limit is not None]
    if route.wire == "messages" and route.operation == "generate" and not given:
        raise RefusedError("max_tokens: Field required")
    if given:
        given.extend(_others(values, own))
    if given and route.wire in ("chat", "responses"):
        # There, thoughts with a budget of their own may come beside the maximum.
        return [max(given) + _budget(values)]
    return [*given, _budget(values)] if given else given


def _others(values: Mapping[str, Any], own: Sequence[str]) -> list[int]:
    """Maxima by the names of other protocols, which some servers read as well."""
    names = [name for name in MAXIMA if name not in own]
    return [_count(values, name) or 0 for name in names if values.get(name)]


def _budget(values: Mapping[str, Any]) -> int:
    """The most tokens of thoughts that are asked for, by the names of all servers."""
    thinking, reasoning = _object(values, "thinking"), values.get("reasoning")
    budgets = [
        _count(thinking, "budget_tokens", least=0),
        _count(values, "thinking_budget", least=0),
        _count(reasoning, "max_tokens", least=0) if isinstance(reasoning, dict) else None,
    ]
    return max(budget or 0 for budget in budgets)


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


def _refuse_what_cannot_be_capped(values: Mapping[str, Any]) -> None:
    for name, why in UNCAPPED.items():
        if values.get(name) and not _is_harmless(name, values[name]):
            raise RefusedError(f"{name}: {why}")
    if values.get("cached_content"):
        raise RefusedError(f"cached_content: {UNCAPPED['cachedContent']}")
    if not isinstance(values.get("stream"), bool | None):
        raise RefusedError("stream must be true or false")
    if _speaks_or_draws(values):
        raise RefusedError("modalities: only text has a price here")
    if values.get("web_search_options") is not None:
        raise RefusedError(f"web_search_options: {UNCAPPED['web_search_options']}")
    if values.get("inference_geo") not in (None, *_PLACES):
        raise RefusedError("inference_geo: this place has no price here")
    for name in ("service_tier", "serviceTier", "speed"):
        if str(values.get(name) or "auto").lower() not in _USUAL_TIERS | DEARER_TIERS:
            raise RefusedError(f"{name}: this one has no price here")


def _is_harmless(name: str, value: Any) -> bool:
    """One answer is the usual one, and how Gemini thinks stays within the maximum output."""
    if name == "extra_body" and isinstance(value, dict) and value.keys() == {"google"}:
        google = value["google"]
        return isinstance(google, dict) and google.keys() <= {"thinking_config"}
    return name == "best_of" and value == 1


def _speaks_or_draws(values: Mapping[str, Any]) -> bool:
    """Whether anything but text is asked for, in a list or alone, which some readers take too."""
    config = values.get("generationConfig")
    asked = [values.get("modalities")]
    asked.append(config.get("responseModalities") if isinstance(config, dict) else None)
    return any(
        not isinstance(one, str) or one.lower() != "text"
        for given in asked
        if given is not None
        for one in (given if isinstance(given, list) else [given])
    )


def _sums_up(values: Mapping[str, Any]) -> bool:
    """Whether the vendor may sum the conversation up first, which is a sampling of its own."""
    if values.get("compaction"):
        return True
    given = values.get("context_management")
    edits = given.get("edits", given) if isinstance(given, dict) else given
    each = edits if isinstance(edits, list) else [edits]
    kinds = [str(one.get("type")) for one in each if isinstance(one, dict)]
    return any(kind.startswith("compact") for kind in kinds)


def _stored(values: Mapping[str, Any]) -> str:
    """What of the conversation is stored at the vendor, and nobody here knows how much it is."""
    if isinstance(values.get("instructions"), list):
        return "instructions that are a list"
    return next((name for name in ("conversation", "thread") if values.get(name)), "")


def _earlier(values: Mapping[str, Any]) -> str:
    given = values.get("previous_response_id")
    if given and not isinstance(given, str):
        raise RefusedError("previous_response_id must be the id of a response")
    return given or ""


def _caches_for_an_hour(values: Mapping[str, Any]) -> bool:
    """Of the request itself, and of its tools; the conversation's own is seen there."""
    tools = values.get("tools")
    marked = [values, *(tools if isinstance(tools, list) else [tools])]
    return any(is_for_an_hour(one.get("cache_control")) for one in marked if isinstance(one, dict))


def _may_widen(betas: Sequence[Any]) -> bool:
    """Whether any of them may widen the window: every one that is not known not to."""
    named = ",".join(
        str(name)
        for given in betas
        if given
        for name in (given if isinstance(given, list) else [given])
    )
    return any(not NARROW_BETA.fullmatch(name.strip()) for name in named.split(",") if name.strip())


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
    if isinstance(value, str) and value.endswith(":online"):
        raise RefusedError(f"{name}: this one searches the web; leave `:online` out")
    if isinstance(value, str) and "@preset/" in value:
        raise RefusedError(f"{name}: {UNCAPPED['preset']}")
    if not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isprintable():
        raise RefusedError(f"{name} must be a model's name")
    return value


def _count(
    values: Mapping[str, Any], name: str, *, least: int = 1, in_words: bool = False
) -> int | None:
    """A whole number, however JSON writes it (1000, 1e3); `in_words`: also as a text of digits.

    Gemini's readers take a number in quotes for one.
    """
    value = values.get(name)
    if value is None:
        return None
    if in_words and isinstance(value, str) and re.fullmatch("[0-9]{1,8}", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 10_000_000:
        raise RefusedError(f"{name} must be a whole number of at least {least}")
    return value
