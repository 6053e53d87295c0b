"""What the first request of a run reserves, told before a run stands at its cap for it.

A request reserves its worst case until the vendor has counted. A run is likely to cost cents and
may still hold dollars for a moment; and a cap below what one request reserves lets none pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from paid.agents import registry
from paid.errors import PriceUnknownError
from paid.gateway.estimate import OVERHEAD_TOKENS
from paid.gateway.prices import Prices, Tariff
from paid.gateway.squeeze import SMALLEST_OUTPUT

FIRST_BYTES = 40_000
"""Of an agent's instructions, its tools and the task: codex sends as much, claude-code more."""
SET_OUTPUT = 32_000
"""The maximum that claude-code sets: Anthropic's API wants one, and it is not squeezed then."""
MICRODOLLARS_PER_CENT = 10_000
_OPTIONS = {"run": "run", "issue": "issue", "day": "daily", "week": "weekly", "month": "monthly"}


@dataclass(frozen=True)
class FirstRequest:
    """What it reserves in micro-dollars: at least, squeezed into what is left, and at most."""

    model: str
    least: int
    most: int

    def said(self, money: Callable[[int], str]) -> str:
        """`one request of gpt-5.5 reserves up to $4.05 until its vendor has counted`."""
        return f"one request of {self.model} reserves up to {money(self.most)} until it is counted"

    def warning(self, caps_cents: Mapping[str, int | None]) -> str:
        """Which of the caps let no request pass, and what would; empty when all of them do."""
        least = -(-self.least // MICRODOLLARS_PER_CENT)
        small = {
            period: cents
            for period, cents in caps_cents.items()
            if cents is not None and cents < least
        }
        if not small:
            return ""
        named = " and ".join(f"{name} limit of ${cents / 100:.2f}" for name, cents in small.items())
        options = " ".join(f"--{_OPTIONS[name]}-cents {least}" for name in small)
        return (
            f"No request of {self.model} fits under the {named}: one reserves about"
            f" ${least / 100:.2f} before it is sent, and gives back what it did not use."
            f" Set it to ${least / 100:.2f} or more ({options}), or choose a cheaper model."
        )


def first_request(prices: Path, agent: str, model: str | None) -> FirstRequest | None:
    """Of a project's agent and model; None where nobody knows the model or its price."""
    known = registry.get(agent)
    name = model or known.default_model
    for vendor in sorted({wire.vendor for wire in known.wires}) if name else ():
        try:
            tariff = Prices(prices).tariff(vendor, name)
        except PriceUnknownError:
            continue
        return _reserved(tariff, sets_output=vendor == "anthropic")
    return None


def _reserved(tariff: Tariff, *, sets_output: bool) -> FirstRequest:
    read = FIRST_BYTES + OVERHEAD_TOKENS
    least = min(SET_OUTPUT if sets_output else SMALLEST_OUTPUT, tariff.max_output_tokens)
    most = least if sets_output else tariff.max_output_tokens
    worst = [tariff.worst(read, written, {}, hour_cache=False) for written in (least, most)]
    return FirstRequest(tariff.model, *worst)
