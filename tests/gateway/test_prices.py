from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot

from paid.errors import ConfigurationError, PriceUnknownError
from paid.gateway.estimate import Ask
from paid.gateway.keys import KeyPool, rest_seconds
from paid.gateway.prices import PROVIDERS, Prices, check_prices

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "prices.json"


def write(file: Path, document: Any) -> Prices:
    file.write_text(json.dumps(document))
    return Prices(file)


@pytest.mark.parametrize(
    ("vendor", "model", "counts", "cost"),
    [
        ("anthropic", "claude-sonnet-4-6", {"input_tokens": 1000, "output_tokens": 100}, 4500),
        (
            "anthropic",
            "claude-sonnet-4-6",
            {"input_tokens": 1000, "cache_read_tokens": 1000, "output_tokens": 0},
            300,
        ),
        (
            "anthropic",
            "claude-sonnet-4-6",
            {
                "input_tokens": 1000,
                "cache_write_tokens": 1000,
                "cache_write_1h_tokens": 1000,
                "output_tokens": 0,
            },
            6000,
        ),
        ("openai", "gpt-5", {"input_tokens": 1, "output_tokens": 0}, 1),
        ("openai", "gpt-5", {"input_tokens": 2, "output_tokens": 0}, 3),
        ("gemini", "gemini-2.5-pro", {"input_tokens": 200_000, "output_tokens": 0}, 250_000),
        ("gemini", "gemini-2.5-pro", {"input_tokens": 200_001, "output_tokens": 0}, 500_003),
    ],
)
def test_list_prices_to_the_microdollar(
    file: Path, vendor: str, model: str, counts: dict[str, int], cost: int
) -> None:
    assert Prices(file).tariff(vendor, model).cost(counts) == cost


def test_a_batch_or_a_fast_answer_has_its_own_price(file: Path) -> None:
    counts = {"input_tokens": 10_000, "output_tokens": 1000}
    tariff = Prices(file).tariff("openai", "gpt-5.5")
    plain = tariff.cost(counts)
    assert tariff.cost(counts, {"service_tier": "flex"}) < plain
    assert tariff.cost(counts, {"service_tier": "priority"}) > plain


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "gpt-5.5", "gemini-2.5-pro", "gpt-5.6-sol"])
@pytest.mark.parametrize("size", [1, 199_999, 200_000, 200_001, 272_001, 900_000])
def test_the_worst_case_is_never_below_any_real_one(file: Path, model: str, size: int) -> None:
    vendor = {"c": "anthropic", "g": "openai"}[model[0]] if "gemini" not in model else "gemini"
    tariff = Prices(file).tariff(vendor, model)
    worst = tariff.worst(size, 5000, {}, hour_cache=True)
    for kind in ({}, {"cache_read_tokens": size}, {"cache_write_tokens": size}):
        counts = {"input_tokens": size, "output_tokens": 5000} | kind
        assert tariff.cost(counts) <= worst


TIERS = [{}, {"service_tier": "flex"}, {"service_tier": "fast"}, {"speed": "fast"},
         {"inference_geo": "us"}]  # fmt: skip


@pytest.mark.parametrize("vendor", PROVIDERS)
def test_of_no_listed_model_the_worst_case_is_below_any_real_one(file: Path, vendor: str) -> None:
    prices, seen = Prices(file), 0
    provider = get_snapshot().find_provider(None, PROVIDERS[vendor], None)
    for model in provider.models:
        with suppress(PriceUnknownError):
            tariff = prices.tariff(vendor, model.id)
            for size in (1, 100_001, 272_001):
                for tier in filter(tariff.has_price_for, TIERS):
                    worst = tariff.worst(size, 5000, tier, hour_cache=True, sound=True)
                    for kind in ("cache_read_tokens", "cache_write_tokens", "input_audio_tokens"):
                        counts = {"input_tokens": size, "output_tokens": 5000, kind: size // 2}
                        assert tariff.cost(counts, tier) <= worst, (model.id, tier, size, kind)
                        seen += 1
    assert seen > 300


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("gpt-5-pro", 272_000),
        ("gpt-5-pro-2025-10-06", 272_000),
        ("gpt-5.2-pro", 128_000),
        ("gpt-5", 128_000),
        ("gpt-4.5-preview", 16_384),
        ("gpt-4", 8_192),
    ],
)
def test_a_model_that_writes_more_than_its_family_is_reserved_for_as_such(
    file: Path, model: str, most: int
) -> None:
    tariff = Prices(file).tariff("openai", model)
    assert tariff.max_output_tokens == most
    ask = Ask(model, False, None, 1, 100, 0, "", False, {})
    assert ask.worst(tariff) >= tariff.cost({"input_tokens": 100, "output_tokens": most})


def test_a_rule_for_a_claude_of_another_server_knows_what_it_writes(file: Path) -> None:
    prices = write(file, {"models": {"claude-*": {"input_mtok": 3, "output_mtok": 15}}})
    assert prices.tariff("openai", "claude-3-7-sonnet-latest").max_output_tokens == 128_000
    assert prices.tariff("openai", "claude-3-5-sonnet-latest").max_output_tokens == 8_192


@pytest.mark.parametrize(
    ("vendor", "model", "window"),
    [
        ("openai", "gpt-4.1", 1_047_576),
        ("openai", "gpt-5.5", 1_050_000),
        ("gemini", "gemini-3.5-flash", 1_048_576),
        ("gemini", "gemini-pro-1.5", 2_097_152),
        ("anthropic", "claude-sonnet-4-6", 1_000_000),
    ],
)
def test_a_window_that_the_list_rounds_off_is_reserved_for_whole(
    file: Path, vendor: str, model: str, window: int
) -> None:
    tariff = Prices(file).tariff(vendor, model)
    ask = Ask(model, False, 1, 1, 5_000_000, 0, "", False, {})
    assert window <= ask.input_tokens(tariff) <= 1.01 * window
    assert ask.worst(tariff) >= tariff.cost({"input_tokens": window, "output_tokens": 1})


def test_an_unknown_model_has_no_price_until_a_rule_gives_it_one(file: Path) -> None:
    with pytest.raises(PriceUnknownError) as error:
        Prices(file).tariff("openai", "house-1")
    assert "prices.json" in str(error.value)
    rule = {"input_mtok": 2, "output_mtok": 10, "max_output_tokens": 500, "context_window": 9000}
    tariff = write(file, {"models": {"openai/house-*": rule}}).tariff("openai", "house-1")
    assert tariff.cost({"input_tokens": 100, "output_tokens": 10}) == 300
    assert (tariff.max_output_tokens, tariff.context_window) == (500, 9000)
    with pytest.raises(PriceUnknownError):
        Prices(file).tariff("anthropic", "house-1")


def test_a_rule_goes_before_the_list_and_the_last_resort_after_it(file: Path) -> None:
    document = {
        "models": {"gpt-5": {"input_mtok": 0, "output_mtok": 1}},
        "unknown": {"input_mtok": 50, "output_mtok": 200},
    }
    prices = write(file, document)
    counts = {"input_tokens": 100, "output_tokens": 100}
    assert prices.tariff("openai", "gpt-5").cost(counts) == 100
    assert prices.tariff("openai", "gpt-5-mini").cost(counts) == 225
    assert prices.tariff("openai", "whatever").cost(counts) == 25_000


def test_a_change_is_seen_and_a_slip_leaves_the_old_rules(file: Path) -> None:
    prices = write(file, {"models": {"m": {"input_mtok": 1, "output_mtok": 1}}})
    counts = {"input_tokens": 100, "output_tokens": 0}
    assert prices.tariff("openai", "m").cost(counts) == 100
    file.write_text("{broken")
    assert prices.tariff("openai", "m").cost(counts) == 100
    file.write_text(json.dumps({"models": {"m": {"input_mtok": 20, "output_mtok": 1}}}))
    assert prices.tariff("openai", "m").cost(counts) == 2000
    file.unlink()
    with pytest.raises(PriceUnknownError):
        prices.tariff("openai", "m")


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"models": []},
        {"models": {"m": {"input_mtok": 1}}},
        {"models": {"m": {"input_mtok": -1, "output_mtok": 1}}},
        {"models": {"m": {"input_mtok": "dear", "output_mtok": 1}}},
        {"models": {"m": {"input_mtok": "NaN", "output_mtok": 1}}},
        {"models": {"m": {"input_mtok": 1, "output_mtok": 1, "colour": 3}}},
        {"unknown": 5},
    ],
)
def test_a_prices_file_that_cannot_be_meant_is_refused(file: Path, document: Any) -> None:
    file.write_text(json.dumps(document))
    with pytest.raises(ConfigurationError):
        check_prices(file)


# --- keys -----------------------------------------------------------------------------------------


def _limit(headers: dict[str, str], body: Any = None, status: int = 429) -> float:
    return rest_seconds(status, headers, body, NOW)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "17"}, 17),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "-5"}, 0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2),
        ({"retry-after": "nan"}, 10),
        ({"retry-after": "1e300"}, 35 * 86400),
        ({"retry-after": "soon"}, 10),
        ({}, 10),
        ({"anthropic-ratelimit-tokens-reset": "2026-11-20T13:00:00Z"}, 3600),
        ({"anthropic-ratelimit-unified-reset": "1795176600"}, 600),
        ({"x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-reset-tokens": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"x-ratelimit-reset-requests": "later"}, 10),
        (
            {
                "x-ratelimit-remaining-requests": "59",
                "x-ratelimit-reset-requests": "8h0m0s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "17s",
            },
            17,
        ),
    ],
)
def test_a_vendor_says_in_many_ways_when_to_come_back(
    headers: dict[str, str], seconds: float
) -> None:
    assert _limit(headers) == seconds


@pytest.mark.parametrize(
    "vendors_clock", ["Fri, 20 Nov 2026 11:00:00 GMT", "Sun, 01 Jan 2034 00:00:00 GMT"]
)
def test_a_moment_counts_from_the_vendors_own_clock(vendors_clock: str) -> None:
    now = parsedate_to_datetime(vendors_clock)
    headers = {"date": vendors_clock}
    reset = (now + timedelta(minutes=10)).isoformat()
    assert _limit({**headers, "anthropic-ratelimit-tokens-reset": reset}) == 600
    assert _limit({**headers, "retry-after": format_datetime(now + timedelta(seconds=5))}) == 5
    assert _limit({**headers, "retry-after": "17"}) == 17
    assert _limit({"date": "today", "retry-after": "17"}) == 17


def test_an_account_without_money_is_asked_again_in_an_hour() -> None:
    unpaid = {"error": {"code": "insufficient_quota", "type": "insufficient_quota"}}
    assert _limit({}, unpaid) == 3600
    assert _limit({}, None, status=402) == 3600
    assert _limit({"retry-after": "60"}, unpaid) == 60


def test_geminis_delay_is_in_the_body() -> None:
    details = [
        {"@type": "x"},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"},
    ]
    assert _limit({}, {"error": {"details": details}}) == 37
    assert _limit({}, {"error": {"details": [{"retryDelay": 5}]}}) == 10


def test_a_refused_key_rests_for_minutes_and_the_first_good_one_is_used() -> None:
    seconds = 0.0
    pool = KeyPool(("a", "b"), lambda: seconds)
    assert pool.usable() == ["a", "b"]
    pool.rest("a", rest_seconds(401, {}, None, NOW))
    assert pool.usable() == ["b"]
    seconds = 360.0
    assert pool.usable() == ["a", "b"]
    assert "a" not in repr(pool).replace("KeyPool", "")


REGIONS = [
    "https://eu.api.openai.com/v1",
    "https://us.api.openai.com/v1",
    "https://JP.api.openai.com",
]
ELSEWHERE = ["https://api.openai.com/v1", "https://openrouter.example/v1",
             "https://eu.api.openai.com.example/v1"]  # fmt: skip
LATER = ["gpt-5.4", "gpt-5.4-mini", "gpt-5.5", "gpt-6-sol", "gpt-6.1-terra"]
EARLIER = ["gpt-5", "gpt-5-mini", "gpt-5.1", "gpt-5.2", "gpt-5.3-codex", "gpt-4.1", "gpt-4o", "o3"]
TOKENS = {"input_tokens": 100_000, "cache_read_tokens": 40_000, "output_tokens": 10_000}


@pytest.mark.parametrize("model", LATER)
@pytest.mark.parametrize("url", REGIONS)
def test_openais_regional_addresses_cost_a_tenth_more_for_later_models(
    file: Path, url: str, model: str
) -> None:
    usual, regional = (
        Prices(file, openai_url=each).tariff("openai", model) for each in (ELSEWHERE[0], url)
    )
    assert regional.cost(TOKENS) == pytest.approx(1.1 * usual.cost(TOKENS), abs=1)
    worst = [each.worst(1000, 1000, {}, hour_cache=False) for each in (usual, regional)]
    assert worst[1] == pytest.approx(1.1 * worst[0], abs=1)


@pytest.mark.parametrize(
    ("url", "models"), [(REGIONS[0], EARLIER), *((u, LATER) for u in ELSEWHERE)]
)
def test_nothing_is_added_for_earlier_models_or_at_other_addresses(
    file: Path, url: str, models: list[str]
) -> None:
    for model in models:
        usual = Prices(file).tariff("openai", model)
        assert Prices(file, openai_url=url).tariff("openai", model).cost(TOKENS) == usual.cost(
            TOKENS
        )


def test_nothing_is_added_to_a_price_of_ones_own_or_to_another_vendors(file: Path) -> None:
    write(file, {"models": {"gpt-5.4": {"input_mtok": 1, "output_mtok": 2}}})
    regional = Prices(file, openai_url=REGIONS[0])
    assert regional.tariff("openai", "gpt-5.4").cost(TOKENS) == 100_000 + 20_000
    sonnet = regional.tariff("anthropic", "claude-sonnet-4-6")
    assert sonnet.cost(TOKENS) == Prices(file).tariff("anthropic", "claude-sonnet-4-6").cost(TOKENS)
