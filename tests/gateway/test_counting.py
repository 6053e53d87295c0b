"""Counting tokens: free, and a large text follows its client as one does that is paid for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paid.store import tokens
from tests.gateway.conftest import ANTHROPIC, GEMINI, KEYS, RESPONSES, Bench
from tests.gateway.test_departure import (
    LARGE,
    SECOND_KEY,
    SONNET,
    Kind,
    Slow,
    came,
    post,
    the_ledger_is_busy,
)
from tests.gateway.test_relay import set_policy
from tests.gateway.vendor import JSON, Play
from tests.waiting import happens

pytestmark = pytest.mark.anyio

GOOD = Play(b'{"input_tokens": 7}')
ROUTES: dict[str, Any] = {
    "anthropic": (f"{ANTHROPIC}/count_tokens", {"model": SONNET}, GOOD),
    "openai": (f"{RESPONSES}/input_tokens", {"model": "gpt-5"}, GOOD),
    "gemini": (GEMINI.partition(":")[0] + ":countTokens", {}, GOOD),
}
KINDS = {name: Kind(*given) for name, given in ROUTES.items()}
KINDS["anthropic without a length"] = Kind(*ROUTES["anthropic"], has_length=False)
MESSAGES = KINDS["anthropic"]
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
LIMITED = Play(b"{}", status=429, headers=JSON | {"retry-after": "900"})


@pytest.fixture
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    more = [SECOND_KEY] if "next_key" in request.node.name else []
    is_silent = "stops_coming" in request.node.name
    return {
        "body_silent_seconds": 0.5 if is_silent else 20,
        "anthropic_api_key": [KEYS["anthropic"], *more],
    }


@every_kind
async def test_a_large_text_to_be_counted_follows_its_client(bench: Bench, kind: Kind) -> None:
    bench.vendor.plays = [kind.good]
    body = kind.body(2 * LARGE) + b" \n"
    async with Slow(bench, body, kind) as client:
        for place in (LARGE, LARGE + 400_000, LARGE + 400_001, len(body) - 3):
            await client.send(place)
            await happens(lambda at=place: came(bench) == [body[: at - 1]], f"{place} bytes")
        assert bench.vendor.arrived == []
        await client.send(len(body))
        assert await client.status() == 200
        assert await client.reader.readexactly(len(GOOD.body)) == GOOD.body
    (arrived,) = bench.vendor.arrived
    assert [arrived.body] == came(bench) == [body]
    assert ("content-length" in arrived.headers) == kind.has_length
    assert bench.cost().requests == 0


async def test_counting_does_not_ask_the_ledger(bench: Bench) -> None:
    bench.vendor.plays = [GOOD, GOOD]
    async with post(bench, MESSAGES.body(LARGE)) as answer:
        assert answer.status == 400, "a request of the other kind needs max_tokens"
    async with the_ledger_is_busy(bench):
        for size in (10, LARGE):
            async with post(bench, MESSAGES.body(size), MESSAGES) as answer:
                assert answer.status == 200


@every_kind
async def test_a_text_for_a_model_that_is_forbidden_is_told_to_nobody(
    bench: Bench, kind: Kind
) -> None:
    set_policy(bench, allowed_models=["another-*"])
    body = kind.body(LARGE)
    async with Slow(bench, body, kind) as client:
        await client.send(len(body) - 1)
        await client.send(len(body))
        assert await client.status() == 403
    assert came(bench) == []


async def test_a_text_whose_model_comes_last_leaves_when_that_is_known(bench: Bench) -> None:
    bench.vendor.plays = [GOOD]
    named = b', "model": "%s", "x": "' % SONNET.encode()
    head = MESSAGES.body(LARGE).replace(b'"model": "%s", ' % SONNET.encode(), b"")[:-1]
    body = head + named + b'x"}'
    async with Slow(bench, body, MESSAGES) as client:
        await client.send(len(head))
        await asyncio.sleep(0.2)
        assert came(bench) == []
        await client.send(len(head) + len(named))
        await happens(lambda: came(bench) == [(head + named)[:-1]], "all that came")
        await client.send(len(body))
        assert await client.status() == 200
    (arrived,) = bench.vendor.arrived
    assert arrived.body == body


@every_kind
async def test_a_client_that_leaves_in_the_middle_takes_its_text_with_it(
    bench: Bench, kind: Kind
) -> None:
    body = kind.body(LARGE)
    async with Slow(bench, body, kind) as client:
        await client.send(len(body) - 1)
        await happens(lambda: came(bench) == [body[:-2]], "most of it")
    await happens(lambda: bench.vendor.cut == 1, "the cut")
    assert bench.vendor.arrived == []


async def test_a_text_that_stops_coming_or_turns_out_wrong_is_cut(bench: Bench) -> None:
    body = MESSAGES.body(LARGE)
    async with Slow(bench, body, MESSAGES) as client:
        await client.send(len(body) - 1)
        assert await client.status() == 408
    for end in (b"}}", b"", b',"model":"other"}', b',"tools":[{"type":"next_year"}]}'):
        async with post(bench, body[:-1] + end, MESSAGES) as answer:
            assert answer.status == 400
    await happens(lambda: bench.vendor.cut == 5, "the cut of all")
    assert bench.vendor.arrived == []


async def test_a_token_that_dies_cuts_the_text_on_its_way(bench: Bench) -> None:
    body = MESSAGES.body(LARGE)
    async with Slow(bench, body, MESSAGES) as client:
        await client.send(len(body) - 1)
        await happens(lambda: came(bench) == [body[:-2]], "most of it")
        with bench.database.session() as session:
            tokens.revoke(session, bench.rows.run_id)
        await happens(lambda: bench.vendor.cut == 1, "the cut")
    assert bench.vendor.arrived == []


@every_kind
@pytest.mark.parametrize("status", [411, 429, 200])
async def test_an_answer_to_a_part_of_a_text_is_no_count_so_it_is_sent_again(
    bench: Bench, status: int, kind: Kind
) -> None:
    bench.vendor.early = [Play(b'{"input_tokens": 1}', status=status)]
    bench.vendor.plays = [kind.good]
    body = kind.body(LARGE)
    async with Slow(bench, body, kind) as client:
        await client.send(len(body) - 1)
        await happens(lambda: not bench.vendor.early, "the early answer")
        await asyncio.sleep(0.2)
        await client.send(len(body))
        assert await client.status() == 200
        assert await client.reader.readexactly(len(GOOD.body)) == GOOD.body
    (arrived,) = bench.vendor.arrived
    assert arrived.body == body


@pytest.mark.parametrize("size", [10, LARGE])
async def test_the_next_key_gets_the_same_text(bench: Bench, size: int) -> None:
    bench.vendor.plays = [LIMITED, GOOD]
    body = MESSAGES.body(size)
    async with post(bench, body, MESSAGES) as answer:
        assert await answer.read() == GOOD.body
    first, second = bench.vendor.arrived
    assert first.body == second.body == body
    assert (first.headers["x-api-key"], second.headers["x-api-key"]) == (
        KEYS["anthropic"],
        SECOND_KEY,
    )


async def test_a_text_follows_its_client_also_with_a_key_that_rests(bench: Bench) -> None:
    """What is free has limits of its own."""
    bench.vendor.plays = [LIMITED, GOOD]
    paid = Kind(ANTHROPIC, {"model": SONNET, "max_tokens": 5}, GOOD)
    async with post(bench, paid.body(), paid) as answer:
        assert answer.status == 429
    async with post(bench, paid.body(), paid) as answer:
        assert answer.status == 429
    assert len(came(bench)) == 1, "the key rests"
    body = MESSAGES.body(LARGE)
    async with Slow(bench, body, MESSAGES) as client:
        await client.send(LARGE)
        await happens(lambda: came(bench)[1:] == [body[: LARGE - 1]], "what came")
        await client.send(len(body))
        assert await client.status() == 200
    assert bench.vendor.arrived[1].body == body
