"""What the vendor would charge: an account of its own, kept apart from Paid's ledger on purpose.

The prices are the vendors' list prices in November 2026. They are written down here once more, so
that a mistake in Paid's own way of pricing shows as a difference between two bills.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from paid.demo.scripted_model.conversation import Ask, Usage


@dataclass(frozen=True)
class Price:
    """Dollars a million tokens."""

    input: str
    cached: str
    output: str
    cache_write: str = "0"


PRICES = {
    "claude-haiku-4-5": Price("1", "0.1", "5", "1.25"),
    "claude-opus-4-5": Price("5", "0.5", "25", "6.25"),
    "claude-sonnet-4-5": Price("3", "0.3", "15", "3.75"),
    "claude-sonnet-5": Price("2", "0.2", "10", "2.5"),
    "gemini-2.5-flash": Price("0.3", "0.03", "2.5"),
    "gemini-2.5-pro": Price("1.25", "0.125", "10"),
    "gpt-5": Price("1.25", "0.125", "10"),
    "gpt-5-mini": Price("0.25", "0.025", "2"),
    "gpt-5.1": Price("1.25", "0.125", "10"),
    "gpt-5.2": Price("1.75", "0.175", "14"),
    "gpt-5.3-codex": Price("1.75", "0.175", "14"),
    "gpt-5.5": Price("5", "0.5", "30"),
}
MARK = re.compile(r"\bmark:([\w-]+)")
"""In a conversation, what its requests are to be known by on the bill."""
VENDORS = {"claude": "anthropic", "gemini": "gemini", "gpt": "openai"}


@dataclass(frozen=True)
class Entry:
    """One request on the bill; `cost_microdollars` is None for a model without a price here.

    `input_tokens` holds all input; `cached_tokens` and `cache_write_tokens` are parts of it, and
    `reasoning_tokens` is a part of `output_tokens`.
    """

    number: int
    vendor: str
    model: str
    path: str
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_microdollars: int | None
    complete: bool
    mark: str = ""
    """The NAME of a word `mark:NAME` in the conversation; empty where there is none."""

    def as_json(self) -> dict[str, Any]:
        """The entry as `GET /_script/bill` shows it."""
        return asdict(self)


def cost_microdollars(model: str, usage: Usage) -> int | None:
    """List price in micro-dollars, rounded half up; a dollar a million is one a token."""
    price = PRICES.get(model)
    if price is None:
        return None
    fresh = usage.input - usage.cached - usage.cache_write
    exact = (
        fresh * Decimal(price.input)
        + usage.cached * Decimal(price.cached)
        + usage.cache_write * Decimal(price.cache_write)
        + usage.output * Decimal(price.output)
    )
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def mark_of(ask: Ask) -> str:
    """What the requests of a conversation are to be known by."""
    found = (MARK.search(entry.text) for entry in ask.entries if entry.role != "system")
    return next((mark[1] for mark in found if mark), "")


class Bill:
    """The requests that cost something, in order."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def add(
        self,
        vendor: str,
        model: str,
        path: str,
        usage: Usage,
        *,
        complete: bool,
        mark: str = "",
    ) -> None:
        """Write one request down; a stream that was cut has the output that was sent."""
        self._entries.append(
            Entry(
                number=len(self._entries) + 1,
                vendor=vendor,
                model=model,
                path=path,
                input_tokens=usage.input,
                cached_tokens=usage.cached,
                cache_write_tokens=usage.cache_write,
                output_tokens=usage.output,
                reasoning_tokens=usage.reasoning,
                cost_microdollars=cost_microdollars(model, usage),
                complete=complete,
                mark=mark,
            )
        )

    def entries(self) -> list[Entry]:
        """A copy, safe to read while requests go on."""
        return list(self._entries)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
