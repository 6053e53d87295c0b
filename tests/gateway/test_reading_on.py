"""Clients that leave before the vendor has counted: its word, or else the worst case."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from paid.gateway.caller import MOST_READ_ON_A_RUN, Caller, Callers
from paid.store import budgets, runs, tokens
from tests.gateway.conftest import ANTHROPIC, CHAT, GEMINI, RESPONSES, Bench
from tests.gateway.vendor import (
    SSE,
    Play,
    anthropic_message,
    anthropic_stream,
    anthropic_usage,
    chat_stream,
    chat_usage,
    event,
    gemini_stream,
    responses_stream,
)
from tests.waiting import HANGS_SECONDS, happens

pytestmark = pytest.mark.anyio

SONNET = "claude-sonnet-4-6"
MESSAGES: dict[str, Any] = {"model": SONNET, "max_tokens": 100, "messages": []}
STREAMED = MESSAGES | {"stream": True}
CHATS = {"model": "gpt-5", "stream": True, "max_completion_tokens": 900, "messages": []}
RESPONSE = {"model": "gpt-5", "stream": True, "max_output_tokens": 900, "input": "Hi"}
GEMINIS = {"contents": [], "generationConfig": {"maxOutputTokens": 900}}
THOUGHTS = {"completion_tokens_details": {"reasoning_tokens": 800}}

ENDS: dict[str, tuple[str, dict[str, Any], bytes, int]] = {
    "messages": (
        ANTHROPIC, STREAMED, anthropic_stream(SONNET, anthropic_usage(1000, 50)), 3000 + 750,
    ),
    "chat with hidden thoughts": (
        CHAT, CHATS, chat_stream("gpt-5", chat_usage(1000, 850) | THOUGHTS), 1250 + 8500,
    ),
    "responses": (RESPONSES, RESPONSE, responses_stream("gpt-5", 1000, 850), 1250 + 8500),
    "gemini": (GEMINI, GEMINIS, gemini_stream("gemini-2.5-flash", 1000, 80), 300 + 200),
}  # fmt: skip


async def leaves(bench: Bench, path: str, body: Any, when: Callable[[Any], Awaitable[Any]]) -> None:
    """Ask, and hang up when the answer has come so far."""
    async with bench.post(path, body) as got:
        await when(got)


async def first_bytes(got: aiohttp.ClientResponse) -> None:
    await got.content.readany()


async def is_asked(bench: Bench, path: str, body: Any) -> None:
    """Ask, and hang up before there is any answer."""

    async def ask() -> None:
        async with bench.post(path, body):
            pass

    before = len(bench.vendor.arrived)
    asking = asyncio.create_task(ask())
    await happens(lambda: len(bench.vendor.arrived) > before, "the question at the vendor")
    asking.cancel()
    await asyncio.wait([asking])


@pytest.mark.parametrize("name", ENDS)
async def test_who_hangs_up_in_mid_stream_pays_what_the_vendor_counts(
    bench: Bench, name: str
) -> None:
    path, body, stream, cost = ENDS[name]
    bench.vendor.plays = [Play(stream, headers=SSE, chunk=200, chunk_pause=0.02)]
    await leaves(bench, path, body, first_bytes)
    (entry,) = await bench.settled()
    assert (entry.basis, entry.amount_microdollars) == ("vendor", cost)


@pytest.mark.parametrize("name", ENDS)
async def test_who_hangs_up_before_the_first_byte_pays_what_the_vendor_counts(
    bench: Bench, name: str
) -> None:
    path, body, stream, cost = ENDS[name]
    bench.vendor.plays = [Play(stream, headers=SSE, pause=0.3)]
    await is_asked(bench, path, body)
    (entry,) = await bench.settled()
    assert (entry.basis, entry.amount_microdollars) == ("vendor", cost)


async def test_a_time_out_of_who_asked_for_no_stream_is_no_discount(bench: Bench) -> None:
    answer = anthropic_message(SONNET, anthropic_usage(1000, 90))
    bench.vendor.plays = [Play(answer, pause=0.3)]
    await is_asked(bench, ANTHROPIC, MESSAGES)
    (entry,) = await bench.settled()
    assert (entry.basis, entry.amount_microdollars) == ("vendor", 3000 + 90 * 15)


async def test_a_cancelled_run_pays_what_the_vendor_counts(bench: Bench) -> None:
    path, body, stream, cost = ENDS["responses"]
    bench.vendor.plays = [Play(stream, headers=SSE, chunk=100, chunk_pause=0.05)]
    async with bench.post(path, body) as got:
        await got.content.readany()
        with bench.database.session() as session:
            runs.request_cancel(session, bench.rows.run_id, "ann", "")
        with pytest.raises(aiohttp.ClientError):
            await asyncio.wait_for(got.read(), HANGS_SECONDS)
    (entry,) = await bench.settled()
    assert (entry.basis, entry.amount_microdollars) == ("vendor", cost)


async def test_a_dead_token_gets_nothing_more_while_its_answer_is_read_on(bench: Bench) -> None:
    ended = asyncio.Event()
    stream = anthropic_stream(SONNET, anthropic_usage(1000, 50))
    bench.vendor.plays = [Play(stream, headers=SSE, hang=ended)]
    async with bench.post(ANTHROPIC, STREAMED) as got:
        await got.content.readuntil(b"text_delta")
        with bench.database.session() as session:
            tokens.revoke(session, bench.rows.run_id)
        with pytest.raises(aiohttp.ClientError):
            await asyncio.wait_for(got.read(), HANGS_SECONDS)
        assert bench.cost().reserved_microdollars > 0
    ended.set()
    assert (await bench.settled())[0].basis == "vendor"


async def test_who_left_is_not_asked_for_again_with_another_key(bench: Bench) -> None:
    """The first key's refusal costs nothing, and nobody waits for the second one's answer."""
    busy = json.dumps({"error": {"message": "busy"}}).encode()
    bench.vendor.plays = [Play(busy, status=529, pause=0.3)]
    await is_asked(bench, ANTHROPIC, MESSAGES)
    await happens(lambda: bench.cost().reserved_microdollars == 0, "the reservation's release")
    assert (bench.entries(), len(bench.vendor.arrived)) == ([], 1)


class TestSilence:
    """The vendor says nothing more within the time for which the gateway reads on."""

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"read_on_seconds": 0.2, "anthropic_api_key": ["sk-one", "sk-two"]}

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            (CHAT, CHATS),
            (CHAT, CHATS | {"stream": False}),
            (RESPONSES, RESPONSE),
            (RESPONSES, RESPONSE | {"previous_response_id": "resp_0"}),
            (ANTHROPIC, MESSAGES),
            (GEMINI, GEMINIS),
        ],
        ids=str,
    )
    async def test_without_a_word_of_the_vendors_all_that_was_reserved_is_charged(
        self, bench: Bench, path: str, body: dict[str, Any]
    ) -> None:
        with bench.database.session() as session:
            budgets.set_limits(session, bench.rows.project_id, run_cents=10_000, day_cents=None)
        bench.vendor.plays = [Play(hang=asyncio.Event(), pause=60)]
        await is_asked(bench, path, body)
        (entry,) = await bench.settled()
        assert entry.basis == "estimated"
        assert entry.amount_microdollars == entry.detail["reserved_microdollars"]

    async def test_hidden_thoughts_are_charged_at_their_most(self, bench: Bench) -> None:
        head = event({"choices": [{"index": 0, "delta": {"content": "Hm"}}], "model": "gpt-5"})
        bench.vendor.plays = [Play(head, headers=SSE, hang=asyncio.Event())]
        await leaves(bench, CHAT, CHATS, first_bytes)
        (entry,) = await bench.settled()
        assert entry.basis == "estimated"
        assert entry.amount_microdollars == entry.detail["reserved_microdollars"]

    async def test_where_the_vendor_has_counted_the_input_only_the_output_is_the_most(
        self, bench: Bench
    ) -> None:
        stream = anthropic_stream(SONNET, anthropic_usage(1000, 50)).split(b"event: message_d")[0]
        bench.vendor.plays = [Play(stream, headers=SSE, hang=asyncio.Event())]
        await leaves(bench, ANTHROPIC, STREAMED, first_bytes)
        (entry,) = await bench.settled()
        assert (entry.basis, entry.input_tokens) == ("partial", 1000)
        assert entry.amount_microdollars == 1000 * 3 + 100 * 15
        assert entry.amount_microdollars < entry.detail["reserved_microdollars"]

    async def test_a_count_of_the_input_that_is_a_placeholder_is_none(self, bench: Bench) -> None:
        """Some servers begin with a number, and say how much it was at the end."""
        stream = anthropic_stream(SONNET, anthropic_usage(10, 50)).split(b"event: message_d")[0]
        bench.vendor.plays = [Play(stream, headers=SSE, hang=asyncio.Event())]
        text = [{"role": "user", "content": "word " * 2000}]
        await leaves(bench, ANTHROPIC, STREAMED | {"messages": text}, first_bytes)
        (entry,) = await bench.settled()
        assert entry.amount_microdollars == entry.detail["reserved_microdollars"]

    async def test_a_placeholder_is_measured_with_the_pictures(self, bench: Bench) -> None:
        stream = anthropic_stream(SONNET, anthropic_usage(60, 50)).split(b"event: message_d")[0]
        bench.vendor.plays = [Play(stream, headers=SSE, hang=asyncio.Event())]
        source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
        pictures = [{"type": "image", "source": source}] * 3
        body = STREAMED | {"messages": [{"role": "user", "content": pictures}]}
        await leaves(bench, ANTHROPIC, body, first_bytes)
        (entry,) = await bench.settled()
        assert entry.amount_microdollars == entry.detail["reserved_microdollars"]


@pytest.mark.parametrize("cut", [True, False])
async def test_a_stream_without_usage_costs_what_was_seen_only_if_it_ended_and_hid_nothing(
    bench: Bench, cut: bool
) -> None:
    stream = chat_stream("gpt-4o", None, words=100)
    places = [None, None, len(stream) - 200] if cut else [None, None]
    bench.vendor.plays = [Play(stream, headers=SSE, cut_at=place) for place in places]
    for model in ("gpt-4o", "gpt-5", "gpt-4o")[: len(places)]:
        with suppress(aiohttp.ClientError):
            async with bench.post(CHAT, CHATS | {"model": model, "max_tokens": 900}) as got:
                await got.read()
    entries = await bench.settled(len(places))
    assert {entry.basis for entry in entries} == {"estimated"}
    whole = [e.amount_microdollars == e.detail["reserved_microdollars"] for e in entries]
    assert whole == [False, True, True][: len(places)]


async def test_a_drop_before_any_answer_is_charged_whole(bench: Bench) -> None:
    bench.vendor.plays = [Play(drop=True)]
    async with bench.post(ANTHROPIC, MESSAGES) as got:
        assert got.status == 502
    (entry,) = await bench.settled()
    assert entry.amount_microdollars == entry.detail["reserved_microdollars"]


class _Request:
    transport = None


async def test_no_run_leaves_more_answers_behind_than_there_is_room_for() -> None:
    callers = Callers(read_on_seconds=60)
    found: list[str] = []
    together = asyncio.Event()

    async def ask() -> None:
        caller = Caller(_Request(), callers)  # type: ignore[arg-type]
        with caller.at_vendor():
            caller.leave()
            found.append("gone")
            try:
                await together.wait()
                found.append("read on")
            except asyncio.CancelledError:
                found.append("cut")

    asked = [asyncio.create_task(ask()) for _ in range(MOST_READ_ON_A_RUN + 3)]
    await happens(lambda: found.count("cut") == 3, "the cut of those beyond it")
    together.set()
    await asyncio.wait(asked)
    assert found.count("read on") == MOST_READ_ON_A_RUN
