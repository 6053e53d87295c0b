"""Money, ages, addresses, limits: the small decisions of pages."""

from __future__ import annotations

from datetime import timedelta

import pytest

from paid.errors import BadInputError, ConfigurationError
from paid.settings import Settings
from web.addresses import addresses
from web.rate_limit import AttemptLimit
from web.rendering import count, money, span, web_address
from web.views.budget_raise import cents_of, duration_of


@pytest.mark.parametrize(
    ("microdollars", "shown"),
    [(0, "$0.00"), (1, "$0.0000"), (1_234, "$0.0012"), (99_999, "$0.1"), (5_000_000, "$5.00"),
     (1_234_567_890, "$1,234.57"), (None, "no limit")],
)  # fmt: skip
def test_money_shows_fractions_of_a_cent(microdollars: int | None, shown: str) -> None:
    assert money(microdollars).rstrip("0") == shown.rstrip("0")


@pytest.mark.parametrize(
    ("dollars", "cents"),
    [("0", 0), ("12", 1200), ("$12.50", 1250), (" 7.5 ", 750), ("1,200", 120_000), ("007", 700),
     ("$1,234,567.89", 123_456_789), ("100,000,000.00", 10_000_000_000)],
)  # fmt: skip
def test_dollars_are_read_as_people_write_them(dollars: str, cents: int) -> None:
    assert cents_of(dollars) == cents


@pytest.mark.parametrize(
    "dollars",
    ["", " ", "$", "10,00", "1,2,3", "1,0000", "1200,000", ",100", "1.000,00", "1.005", "1.", ".5",
     "1_000", "+1", "-1", "1e3", "1e1000000", "-1e1000000", "1e-1000000", "NaN", "Infinity",
     "1 000", "$$1", "1$", "\u0661\u0662", "\uff11", "1\n2", "100000000.01", "9" * 5000,
     "1" + ",000" * 9000],
)  # fmt: skip
def test_dollars_that_could_mean_something_else_are_refused(dollars: str) -> None:
    with pytest.raises(BadInputError, match="not an amount of money") as refused:
        cents_of(dollars)
    assert "10 or 10.50" in refused.value.hint


def test_hours_are_whole_and_no_more_than_a_year() -> None:
    assert duration_of(" ") is None
    assert [duration_of(hours) for hours in ("1", " 24 ", "8760")] == [
        timedelta(hours=1), timedelta(days=1), timedelta(days=365),
    ]  # fmt: skip
    for wrong in ("0", "8761", "-1", "1.5", "1_0", "\u0661", "\u00b2", "9" * 5000, "0" * 5000):
        with pytest.raises(BadInputError, match="not a number of hours"):
            duration_of(wrong)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (-5, "0s"), (59.9, "59s"), (60, "1m"), (200, "3m 20s"), (3600, "1h"),
     (7500, "2h 5m"), (86400, "1d"), (90000, "1d 1h")],
)  # fmt: skip
def test_a_span_has_two_units_at_most(seconds: float, shown: str) -> None:
    assert span(seconds) == shown
    assert span(timedelta(seconds=seconds)) == shown


def test_counts_are_short() -> None:
    assert [count(n) for n in (0, 999, 1000, 12_340, 2_000_000)] == [
        "0", "999", "1k", "12.3k", "2M",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "data:text/html,x", "//evil.example", "ftp://x/y", "http:", "https://",
     "https://[", "/runs", "", None, " javascript:x", "JaVaScRiPt:x"],
)  # fmt: skip
def test_only_web_addresses_are_linked(address: str | None) -> None:
    assert web_address(address) is None


def test_a_web_address_is_linked_as_it_is() -> None:
    assert web_address("https://forge.example/a?b#c") == "https://forge.example/a?b#c"


def test_the_dashboard_answers_under_its_own_names_only() -> None:
    here = addresses(Settings(), 8400)
    assert here.hosts == {"127.0.0.1:8400", "localhost:8400", "[::1]:8400"}
    public = addresses(Settings(web_url="https://paid.example.org"), 8400)
    assert {"paid.example.org", "paid.example.org:443"} <= public.hosts
    assert "https://paid.example.org" in public.origins
    assert public.secure
    assert "paid.example.org" not in public.loopback_hosts


@pytest.mark.parametrize("url", ["ftp://x", "paid.example.org", "https://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="PAID_WEB_URL"):
        addresses(Settings(web_url=url), 8400)


def test_attempts_are_counted_by_owner_and_forgotten_with_time() -> None:
    now = [0.0]
    limit = AttemptLimit(attempts=2, window_seconds=60, clock=lambda: now[0])
    assert [limit.retry_after_seconds("10.0.0.1") for _ in range(3)] == [0, 0, 61]
    assert limit.retry_after_seconds("10.0.0.2") == 0
    now[0] = 61
    assert limit.retry_after_seconds("10.0.0.1") == 0


def test_addresses_of_one_network_are_one_owner() -> None:
    limit = AttemptLimit(attempts=1)
    assert limit.retry_after_seconds("2001:db8::1") == 0
    assert limit.retry_after_seconds("2001:db8::2") > 0
    assert limit.retry_after_seconds("2001:db8:0:1::1") == 0


def test_many_addresses_together_are_limited_too() -> None:
    limit = AttemptLimit(attempts=2, most_addresses=50)
    waits = [limit.retry_after_seconds(f"10.0.1.{number}") for number in range(40)]
    assert waits[:20] == [0] * 20
    assert all(waits[20:])
