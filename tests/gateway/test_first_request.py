"""What a person is told of a run's first request before it stands at a cap."""

from __future__ import annotations

from pathlib import Path

import pytest

from paid.gateway.first_request import first_request

NOTHING = Path("no-prices-of-ones-own")


@pytest.mark.parametrize(
    ("agent", "model", "least", "most"),
    [
        # 42,000 tokens read; at least 8,192 written, at most all that the model writes.
        ("codex", "gpt-5", 42_000 * 1.25 + 8192 * 10, 42_000 * 1.25 + 128_000 * 10),
        # Written to a cache, and a maximum that the agent sets.
        ("claude-code", "claude-sonnet-4-5", 42_000 * 3.75 + 32_000 * 15, 42_000 * 3.75 + 480_000),
        ("gemini", None, 42_000 * 1.25 + 81_920, 42_000 * 1.25 + 655_360),
    ],
)
def test_it_reserves_at_least_and_at_most(
    agent: str, model: str | None, least: float, most: float
) -> None:
    found = first_request(NOTHING, agent, model)
    assert found is not None
    assert least <= found.least < 1.3 * least
    assert most <= found.most < 1.3 * most


def test_nothing_is_said_of_what_has_no_price_or_no_model() -> None:
    assert first_request(NOTHING, "codex", "our-own-model") is None
    assert first_request(NOTHING, "command", None) is None


def test_a_warning_names_each_cap_that_is_too_small_and_what_is_enough() -> None:
    found = first_request(NOTHING, "codex", "gpt-5")
    assert found is not None
    needed = -(-found.least // 10_000)
    caps = {"run": needed - 1, "issue": None, "day": needed, "week": 1}
    said = found.warning(caps)
    assert f"--run-cents {needed} --weekly-cents {needed}" in said
    assert found.warning(caps | {"run": needed, "week": None}) == ""
