"""Many streams, little money: the cap holds, nothing stays reserved, the sums agree.

`PAID_RACE_EXAMPLES=1000` runs it as often as the promise says; the suite runs it a few times.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paid.store import budgets
from tests.gateway.conftest import ANTHROPIC, Bench
from tests.gateway.vendor import SSE, Arrived, Play, anthropic_stream, anthropic_usage
from tests.ledger.rows import account, add_rows, item, reserve, settle, settlement
from tests.waiting import happens

pytestmark = pytest.mark.anyio

SONNET = "claude-sonnet-4-6"
CENT = 10_000
EXAMPLES = int(os.environ.get("PAID_RACE_EXAMPLES", "6"))
INPUT_PRICE, OUTPUT_PRICE = 3, 15


class Counting:
    """A vendor that answers with what each request asks for, and keeps the bill."""

    def __init__(self) -> None:
        self.bill = 0

    def answer(self, arrived: Arrived) -> Play:
        asked = json.loads(arrived.body)["messages"][0]["content"]
        size, output = (int(number) for number in asked.split()[:2])
        self.bill += size * INPUT_PRICE + output * OUTPUT_PRICE
        stream = anthropic_stream(SONNET, anthropic_usage(size, output), words=output)
        return Play(stream, headers=SSE, chunk=200, chunk_pause=0.0005)


def _body(size: int, output: int, most: int, bytes_per_token: int = 2) -> dict[str, Any]:
    text = f"{size} {output} " + "x" * size * bytes_per_token
    messages = [{"role": "user", "content": text}]
    return {"model": SONNET, "max_tokens": most, "stream": True, "messages": messages}


class TestRace:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"hold_grace_seconds": 0.05, "ahead_seconds": 0.1}

    async def test_fifty_streams_with_one_cent_left_spend_one_requests_worth(
        self, bench: Bench
    ) -> None:
        vendor = Counting()
        bench.vendor.default = vendor.answer
        with bench.database.session() as session:
            budgets.set_limits(session, bench.rows.project_id, run_cents=1)
        dear = _body(600, 50, 50, bytes_per_token=0)  # four of these would pass the cap
        statuses = await asyncio.gather(*(_ask(bench, dear) for _ in range(50)))
        assert statuses.count(200) >= 1
        assert set(statuses) <= {200, 402, 429}
        await _quiet(bench)
        assert bench.cost().spent_microdollars == vendor.bill <= CENT

    @pytest.mark.parametrize("seed", range(EXAMPLES))
    async def test_streams_of_any_size_that_may_be_aborted_never_pass_the_cap(
        self, bench: Bench, seed: int
    ) -> None:
        rng = random.Random(seed)  # noqa: S311 - a test's dice
        vendor = Counting()
        bench.vendor.default = vendor.answer
        cents = rng.randint(1, 30)
        with bench.database.session() as session:
            budgets.set_limits(
                session, bench.rows.project_id, run_cents=cents, day_cents=rng.randint(1, 30)
            )

        async def one() -> int:
            size, output = rng.randint(1, 400), rng.randint(1, 60)
            leaves_after = rng.choice([None, None, None, 0.0, 0.01, 0.05])
            await asyncio.sleep(rng.random() * 0.05)
            return await _ask(
                bench, _body(size, output, output + rng.randint(0, 200)), leaves_after
            )

        statuses = await asyncio.gather(*(one() for _ in range(50)))
        assert set(statuses) <= {200, 402, 429, 0}
        await _quiet(bench)
        with bench.database.session() as session:
            limit = min(cents, budgets.limits(session, bench.rows.project_id)["day"].cents or 0)
            run = account(session, "run", bench.rows.run_id)
            day = account(session, "project", bench.rows.project_id, "day")
        entries = bench.entries()
        assert run.reserved_microdollars == day.reserved_microdollars == 0
        assert run.spent_microdollars == sum(entry.amount_microdollars for entry in entries)
        assert run.spent_microdollars == day.spent_microdollars <= limit * CENT
        whole = [entry for entry in entries if entry.basis == "vendor"]
        if len(whole) == len(entries):
            assert run.spent_microdollars == vendor.bill
        for entry in entries:
            assert entry.amount_microdollars <= entry.detail["reserved_microdollars"]


async def _ask(bench: Bench, body: dict[str, Any], leaves_after: float | None = None) -> int:
    """The status, or 0 when this client left before the end."""
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(leaves_after), bench.post(ANTHROPIC, body) as got:
            await got.read()
            return int(got.status)
    return 0


async def _quiet(bench: Bench) -> None:
    await happens(lambda: bench.cost().reserved_microdollars == 0, "the last settlement")


@settings(
    max_examples=max(25, EXAMPLES),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    limit=st.integers(0, 20),
    asks=st.lists(
        st.tuples(st.integers(0, 8 * CENT), st.floats(0, 1), st.sampled_from("srx")), max_size=50
    ),
)
def test_the_ledger_alone_keeps_the_cap_in_any_order(
    database: Any, limit: int, asks: list[tuple[int, float, str]]
) -> None:
    """Reserve in batches of any size, then settle, release or let expire each of them."""
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, run_cents=limit)
        items = [item(rows.run_id, amount) for amount, _, _ in asks]
        answers = {str(row.request): row.outcome for row in reserve(session, *items)}
        spent = 0
        for asked, (amount, share, end) in zip(items, asks, strict=True):
            if answers[asked["request_id"]] != "reserved":
                continue
            used = {"s": int(amount * share), "r": None, "x": amount}[end]
            spent += used or 0
            settle(session, settlement(asked, used))
        found = account(session, "run", rows.run_id) if asks else None
        if found is not None:
            assert found.spent_microdollars == spent <= limit * CENT
            assert found.reserved_microdollars == 0
