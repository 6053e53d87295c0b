"""The counts in a vendor's usage: how later ones join earlier ones, and which make no sense.

Many servers speak a vendor's protocol in their own way: they repeat their counts, leave some out,
or send zeros for what they said before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from genai_prices.data_snapshot import get_snapshot

from paid.gateway.prices import PROVIDERS

MOST_TOKENS = 100_000_000
"""More than any model reads or writes for one request: a larger number is a mistake, or a trick."""
_REQUIRED: Mapping[str, tuple[str, str]] = {
    "anthropic": ("input_tokens", "output_tokens"),
    "chat": ("prompt_tokens", "completion_tokens"),
    "responses": ("input_tokens", "output_tokens"),
}
"""What genai-prices insists on: the names of input and output."""
COLUMNS = {
    "input_tokens": "input_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "output_tokens": "output_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
}
"""The ledger's columns, and what genai-prices calls them."""
OUTPUTS = ("completion_tokens", "output_tokens", "candidatesTokenCount")
"""What each protocol calls the output that is not thoughts alone."""
_READ = ("cached_tokens", "cache_read_input_tokens", "prompt_cache_hit_tokens")
_WRITTEN = ("cache_creation_input_tokens", "cache_creation_tokens")
"""What other servers call what was read from a cache, and written to it, in a chat's usage:
Moonshot, LiteLLM, DeepSeek."""
_COUNTS = ("_tokens", "TokenCount", "tokenCount")
"""How the names of counts end."""


def merged(known: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Later usage over earlier usage. Usage counts up, so nothing that is less takes any back."""
    found = dict(known)
    for name, value in told.items():
        before = found.get(name)
        if isinstance(value, dict):
            found[name] = merged(before if isinstance(before, dict) else {}, value)
        elif _is_count(_as_count(value)) and _is_count(_as_count(before)):
            found[name] = max(value, before)
        elif value or not before:
            found[name] = value
    return found


def summed(usages: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The usage of several answers, each of which was counted alone."""
    found: dict[str, Any] = {}
    for usage in usages:
        for name, value in usage.items():
            before = found.get(name)
            if isinstance(value, dict):
                found[name] = summed([before if isinstance(before, dict) else {}, value])
            elif _is_count(_as_count(value)) and _is_count(_as_count(before)):
                found[name] = value + before
            elif value or not before:
                found[name] = value
    return found


def read_counts(
    vendor: str, flavor: str, root: str, model: str | None, usage: Mapping[str, Any]
) -> dict[str, int]:
    """A vendor's usage under genai-prices' names; empty when it makes no sense."""
    if not usage or _has_nonsense(usage):
        return {}
    names = _REQUIRED.get(vendor if flavor == "default" else flavor)
    given = {**dict.fromkeys(names or (), 0), **_without_nulls(usage)}
    if flavor == "chat":
        given = _with_cache(given)
    response = {"model": model or "", "modelVersion": model or "", root: given}
    try:
        provider = get_snapshot().find_provider(None, PROVIDERS[vendor], None)
        _, found = provider.extract_usage(response, api_flavor=flavor)
    except (LookupError, ValueError, TypeError, ArithmeticError):
        return {}
    counts = {name: int(value) for name, value in vars(found).items() if _is_count(value)}
    return _with_thoughts(counts, given.get("total_tokens") or 0)


def _with_cache(usage: Mapping[str, Any]) -> dict[str, Any]:
    """What was read from a cache and written to it, where OpenAI has it.

    Portkey's prompt has none of both, but its total does.
    """
    details = usage.get("prompt_tokens_details")
    details = dict(details) if isinstance(details, dict) else {}
    told = {**{name: details.get(name) for name in _WRITTEN}, **usage}
    read = details.get("cached_tokens") or next(filter(None, map(usage.get, _READ)), 0)
    written = details.get("cache_write_tokens") or next(filter(None, map(told.get, _WRITTEN)), 0)
    prompt, output = usage["prompt_tokens"], usage["completion_tokens"]
    if usage.get("total_tokens") == prompt + output + read + written:
        prompt += read + written
    if not 0 < read + written <= prompt:
        return dict(usage)
    details |= {"cached_tokens": read, "cache_write_tokens": written}
    return {**usage, "prompt_tokens": prompt, "prompt_tokens_details": details}


def _with_thoughts(counts: dict[str, int], total: int) -> dict[str, int]:
    """xAI, and Gemini's endpoint in OpenAI's form, leave thoughts out of all but the total."""
    written = max(
        counts.get("output_tokens", 0),
        counts.get("output_reasoning_tokens", 0),
        total - counts.get("input_tokens", 0) if counts.get("input_tokens") else 0,
    )
    return counts | {"output_tokens": written} if written else counts


def _without_nulls(usage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _without_nulls(value) if isinstance(value, dict) else _as_count(value)
        for name, value in usage.items()
        if value is not None
    }


def _as_count(value: Any) -> Any:
    """Servers written in JavaScript may say 12.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _has_nonsense(usage: Mapping[str, Any]) -> bool:
    """Whether a member that is named like a count is none. What else is there is not read."""
    return any(
        _has_nonsense(value)
        if isinstance(value, dict) and not name.endswith(_COUNTS)
        else name.endswith(_COUNTS) and value is not None and not _is_count(_as_count(value))
        for name, value in usage.items()
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS
