"""Token counts that are plausible, repeatable and need no vendor's vocabulary."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from paid.demo.scripted_model.conversation import Ask, Call, Reply, Usage

CHARACTERS_PER_TOKEN = 4
CACHE_BLOCK_TOKENS = 128
"""Vendors cache prompts in blocks; the count of cached tokens is a multiple of this."""
TOKENS_PER_TOOL = 60


def count(text: str) -> int:
    """About as many tokens as an English text of this length has; at least 1 for any text."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def pieces(text: str) -> Iterator[str]:
    """The text word by word, white space kept, as a vendor's stream would carry it."""
    yield from re.findall(r"\s*\S+\s*$|\s*\S+", text) or ([text] if text else [])


def arguments_text(call: Call) -> str:
    """The call's arguments as they travel: JSON, or the text of a freeform tool."""
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)


def usage_of(ask: Ask, reply: Reply) -> Usage:
    """What the vendor would report: everything before the last answer is read from the cache."""
    sizes = [count(entry.text) + 4 for entry in ask.entries]
    total = sum(sizes) + TOKENS_PER_TOOL * len(ask.tools)
    answered = [n for n, entry in enumerate(ask.entries) if entry.role == "assistant"]
    cached = 0
    if answered:
        known = sum(sizes[: answered[-1]]) + TOKENS_PER_TOOL * len(ask.tools)
        cached = known // CACHE_BLOCK_TOKENS * CACHE_BLOCK_TOKENS
    reasoning = count(reply.thought)
    spoken = count(reply.text) + sum(count(arguments_text(call)) + 8 for call in reply.calls)
    return Usage(
        input=total,
        output=max(1, reasoning + spoken),
        cached=cached,
        cache_write=(total - cached) // CACHE_BLOCK_TOKENS * CACHE_BLOCK_TOKENS,
        reasoning=reasoning,
    )
