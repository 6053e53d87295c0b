"""Vendors that fail, clients that leave, wrong bodies: the status, and the ledger after it."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic
from typing import Any

import aiohttp
import pytest
from aiohttp import test_utils, web
from sqlalchemy import text

from paid.gateway.intake import IntakeError, take_in
from paid.gateway.scanner import Scanner
from paid.gateway.spool import Spool
from paid.store import budgets, clock, events, holds, tokens
from tests.gateway.conftest import ANTHROPIC, CHAT, GEMINI, KEYS, RESPONSES, Bench
from tests.gateway.test_relay import set_policy
from tests.gateway.vendor import (
    SSE,
    Arrived,
    Play,
    anthropic_message,
    anthropic_stream,
    anthropic_usage,
    chat_stream,
    event,
    responses_stream,
)
from tests.waiting import HANGS_SECONDS, happens

pytestmark = pytest.mark.anyio

SONNET = "claude-sonnet-4-6"
BODY: dict[str, Any] = {"model": SONNET, "max_tokens": 100, "messages": []}
STREAM = BODY | {"stream": True}
GOOD = Play(anthropic_message(SONNET, anthropic_usage(100, 10)))
GOOD_COST = 450
CENT = 10_000


def refusal(status: int, headers: dict[str, str] | None = None) -> Play:
    body = json.dumps({"type": "error", "error": {"type": "x", "message": "vendor's own words"}})
    return Play(
        body.encode(), status=status, headers={"content-type": "application/json"} | (headers or {})
    )


def refusals_on_record(bench: Bench) -> list[Any]:
    with bench.database.session() as session:
        told = events.of_run(session, bench.rows.run_id)
    return [event.data for event in told if event.kind == "model.refused"]


def refusal_on_record(bench: Bench) -> Any:
    (data,) = refusals_on_record(bench)
    return data


async def read_into(answer: aiohttp.ClientResponse, got: bytearray) -> None:
    async for chunk in answer.content.iter_any():
        got += chunk


@pytest.mark.parametrize("status", [400, 403, 404, 408, 413, 429, 500, 503, 529])
async def test_a_vendors_refusal_comes_through_and_costs_nothing(bench: Bench, status: int) -> None:
    bench.vendor.plays = [refusal(status, {"retry-after": "7"})]
    async with bench.post(ANTHROPIC, BODY) as got:
        error = (await got.json())["error"]
        assert (got.status, error["message"]) == (status, "vendor's own words")
        assert got.headers["retry-after"] == "7"
    assert await bench.settled(0) == []


async def test_a_vendors_401_does_not_show_any_of_the_key(bench: Bench) -> None:
    leak = json.dumps({"error": {"message": f"bad key {KEYS['anthropic']}"}}).encode()
    bench.vendor.plays = [Play(leak, status=401)]
    async with bench.post(ANTHROPIC, BODY) as got:
        assert got.status == 401
        assert "canary" not in await got.text()


@pytest.mark.parametrize("status", [400, 404, 413, 422, 429, 500, 529])
async def test_a_refusal_is_passed_on_byte_by_byte_and_is_on_the_runs_record(
    bench: Bench, status: int
) -> None:
    """Agents look for what stands beside the message: a code, a parameter, details."""
    said = b'{"error":  {"message": "no such model", "code": "model_not_found", "param": "model"} }'
    bench.vendor.plays = [Play(said, status=status)]
    async with bench.post(ANTHROPIC, BODY) as got:
        assert (got.status, await got.read()) == (status, said)
    assert refusal_on_record(bench)["message"] == f"anthropic answered {status}: no such model"
    assert await bench.settled(0) == []


@pytest.mark.parametrize("status", [404, 413, 502, 522, 530])
async def test_a_page_of_something_in_between_becomes_an_error_of_the_vendors_form(
    bench: Bench, status: int
) -> None:
    page = {"content-type": "text/html", "cf-ray": "1"}
    bench.vendor.plays = [Play(b"<html>Bad gateway</html>", status=status, headers=page)]
    async with bench.post(ANTHROPIC, BODY) as got:
        assert (got.status, got.content_type, got.headers["cf-ray"]) == (
            status, "application/json", "1",
        )  # fmt: skip
        assert (await got.json())["error"]["message"] == f"anthropic answered {status}."


async def test_an_error_that_quotes_the_key_is_not_passed_on(bench: Bench) -> None:
    quoted = json.dumps({"error": {"message": f"x-api-key was {KEYS['anthropic']}"}}).encode()
    bench.vendor.plays = [Play(quoted, status=404)]
    async with bench.post(ANTHROPIC, BODY) as got:
        assert got.status == 404
        assert "canary" not in await got.text()


async def test_geminis_error_in_an_array_says_when_to_come_back(bench: Bench) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "40s"}]
    error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Slower", "details": details}
    said = json.dumps([{"error": error}]).encode()
    bench.vendor.plays = [Play(said, status=429)]
    path = GEMINI.removesuffix("?alt=sse")
    async with bench.post(path, {"contents": []}) as got:
        assert (got.status, await got.read()) == (429, said)
    async with bench.post(path, {"contents": []}) as got:
        assert 30 < int(got.headers["retry-after"]) <= 41
    assert len(bench.vendor.arrived) == 1


async def test_a_redirect_is_not_followed(bench: Bench) -> None:
    to = {"location": "http://169.254.169.254/latest/meta-data/"}
    bench.vendor.plays = [Play(b"", status=302, headers=to)]
    async with bench.post(ANTHROPIC, BODY, allow_redirects=False) as got:
        assert got.status == 502
        assert "location" not in got.headers
    assert len(bench.vendor.arrived) == 1
    assert await bench.settled(0) == []


@pytest.mark.parametrize("body", [b"no json", b'{"usage": "much"}', b"[" * 100_000, b""])
async def test_nonsense_is_passed_on_and_charged_by_estimate(bench: Bench, body: bytes) -> None:
    bench.vendor.plays = [Play(body)]
    async with bench.post(ANTHROPIC, BODY) as got:
        assert (got.status, await got.read()) == (200, body)
    (entry,) = await bench.settled()
    assert entry.basis == "estimated"
    assert entry.amount_microdollars > 0


async def test_a_stream_without_usage_is_charged_by_what_was_seen(bench: Bench) -> None:
    bench.vendor.plays = [Play(chat_stream("gpt-4o", None, words=100), headers=SSE)]
    body = {"model": "gpt-4o", "stream": True, "max_tokens": 1000, "messages": []}
    async with bench.post(CHAT, body) as got:
        await got.read()
    (entry,) = await bench.settled()
    assert (entry.basis, entry.output_tokens) == ("estimated", 250)
    assert entry.input_tokens >= len(json.dumps(body)) // 2


async def test_a_drop_before_any_answer_is_a_502_and_charged_by_estimate(bench: Bench) -> None:
    bench.vendor.plays = [Play(drop=True)]
    async with bench.post(ANTHROPIC, BODY) as got:
        assert got.status == 502
    (entry,) = await bench.settled()
    assert (entry.basis, entry.output_tokens) == ("estimated", 0)


@pytest.mark.parametrize("status", [101, 999])
async def test_a_status_that_is_none_is_a_502(bench: Bench, status: int) -> None:
    bench.vendor.plays = [Play(b"", status=status)]
    async with bench.post(ANTHROPIC, BODY) as got:
        assert got.status == 502


async def test_a_vendor_that_cannot_be_reached_costs_nothing(bench: Bench) -> None:
    await bench.vendor.stop()
    async with bench.post(ANTHROPIC, BODY) as got:
        assert (got.status, (await got.json())["error"]["type"]) == (502, "api_error")
    assert await bench.settled(0) == []


async def test_a_stream_cut_at_any_byte_is_charged_for_what_was_seen(bench: Bench) -> None:
    """The client sees the cut, no reservation is left, and the input is never forgotten."""
    stream = anthropic_stream(SONNET, anthropic_usage(1000, 50))
    places = [*range(0, len(stream), 23), len(stream) - 1]
    bench.vendor.plays = [Play(stream, headers=SSE, cut_at=place) for place in places]

    async def ask() -> bytes:
        got = bytearray()
        async with bench.post(ANTHROPIC, STREAM) as answer:
            with pytest.raises(aiohttp.ClientError):
                await read_into(answer, got)
        return bytes(got)

    for place in places:
        assert stream.startswith(await ask()), place
    entries = await bench.settled(len(places))
    bases = []
    for entry in entries:
        assert entry.amount_microdollars <= entry.detail["reserved_microdollars"]
        if entry.basis == "vendor":
            assert entry.amount_microdollars == 3 * 1000 + 15 * 50
        elif entry.basis == "partial":
            assert entry.input_tokens == 1000
        assert entry.input_tokens > 0
        bases.append(entry.basis)
    assert bases == sorted(bases), "first estimated, then partial, then the vendor's own count"
    assert set(bases) == {"estimated", "partial", "vendor"}


async def test_a_client_that_leaves_gets_the_rest_back(bench: Bench) -> None:
    begun = asyncio.Event()
    words = event({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "word"}})
    head = anthropic_stream(SONNET, anthropic_usage(1000, 50)).split(b"event: message_delta")[0]
    bench.vendor.plays = [Play(head + words * 10, headers=SSE, hang=begun)]
    async with bench.post(ANTHROPIC, STREAM) as got:
        await got.content.readuntil(b"word")
    (entry,) = await bench.settled()
    assert (entry.basis, entry.input_tokens) == ("partial", 1000)
    begun.set()


async def test_revoking_a_token_cuts_the_streams_under_it(bench: Bench) -> None:
    stream = anthropic_stream(SONNET, anthropic_usage(9, 5), words=50)
    bench.vendor.plays = [Play(stream, headers=SSE, chunk=64, chunk_pause=0.02)]
    async with bench.post(ANTHROPIC, STREAM) as got:
        await got.content.readuntil(b"text_delta")
        with bench.database.session() as session:
            tokens.revoke(session, bench.rows.run_id)
        with pytest.raises(aiohttp.ClientError):
            await asyncio.wait_for(got.read(), HANGS_SECONDS)
    assert (await bench.settled())[0].basis == "vendor"


async def test_a_database_that_goes_away_in_mid_stream_costs_nobody_anything(
    bench: Bench,
) -> None:
    """The stream flows on, and is settled to the micro-dollar when the database is back."""
    ended = asyncio.Event()
    stream = anthropic_stream(SONNET, anthropic_usage(1000, 50))
    bench.vendor.plays = [Play(stream, headers=SSE, hang=ended), GOOD]
    async with bench.post(ANTHROPIC, STREAM) as got:
        await got.content.readuntil(b"text_delta")
        with bench.database.session() as session:
            session.connection().execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        ended.set()
        await got.read()
    (entry,) = await bench.settled()
    assert (entry.basis, entry.amount_microdollars) == ("vendor", 3 * 1000 + 15 * 50)
    async with bench.post(ANTHROPIC, BODY) as got:
        assert got.status == 200


async def test_the_run_is_told_by_the_token_alone(bench: Bench) -> None:
    bench.vendor.plays = [GOOD]
    forged = {"x-paid-run": "1", "x-run-id": "1", "paid-project": "1"}
    async with bench.post(ANTHROPIC, BODY | {"metadata": {"run_id": 1}}, headers=forged) as got:
        assert got.status == 200
    assert (await bench.settled())[0].run_id == bench.rows.run_id
    assert not bench.vendor.arrived[0].headers.keys() & forged.keys()


class TestImpatience:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"vendor_read_seconds": 0.3}

    async def test_a_vendor_that_stays_silent_is_a_504(self, bench: Bench) -> None:
        bench.vendor.plays = [Play(pause=20)]
        async with bench.post(ANTHROPIC, BODY) as got:
            assert (got.status, (await got.json())["error"]["type"]) == (504, "timeout_error")
        assert (await bench.settled())[0].basis == "estimated"


# --- several keys, other models, limits that last -------------------------------------------------


class TestSeveralKeys:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"anthropic_api_key": ["sk-one", "sk-two"], "quota_hold_seconds": 60}

    @pytest.mark.parametrize("status", [401, 429, 500, 522, 529])
    async def test_the_next_key_is_used_and_the_client_sees_nothing(
        self, bench: Bench, status: int
    ) -> None:
        bench.vendor.plays = [refusal(status), GOOD]
        async with bench.post(ANTHROPIC, BODY) as got:
            assert got.status == 200
        assert [a.headers["x-api-key"] for a in bench.vendor.arrived] == ["sk-one", "sk-two"]
        (entry,) = await bench.settled()
        assert entry.amount_microdollars == GOOD_COST

    @pytest.mark.parametrize("status", [401, 429, 500])
    async def test_what_costs_nothing_is_asked_with_the_next_key_too(
        self, bench: Bench, status: int
    ) -> None:
        bench.vendor.plays = [refusal(status), Play(b'{"input_tokens": 5}')]
        async with bench.post(f"{ANTHROPIC}/count_tokens", BODY) as got:
            assert (got.status, await got.read()) == (200, b'{"input_tokens": 5}')
        bench.vendor.plays = [refusal(status), Play(b'{"data": []}')]
        async with bench.get("/anthropic/v1/models") as got:
            assert (got.status, await got.read()) == (200, b'{"data": []}')
        assert [a.headers["x-api-key"] for a in bench.vendor.arrived] == ["sk-one", "sk-two"] * 2

    async def test_a_400_may_mean_that_the_account_is_empty_and_the_next_key_is_used(
        self, bench: Bench
    ) -> None:
        said = "Your credit balance is too low to access the API."
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": said}}
        bench.vendor.plays = [Play(json.dumps(error).encode(), status=400), GOOD, GOOD]
        for _ in range(2):
            async with bench.post(ANTHROPIC, BODY) as got:
                assert got.status == 200
        keys = [arrived.headers["x-api-key"] for arrived in bench.vendor.arrived]
        assert keys == ["sk-one", "sk-two", "sk-two"]

    async def test_a_400_may_mean_that_geminis_key_is_none(self, bench: Bench) -> None:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
        error = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "details": [info]}}
        bench.vendor.plays = [Play(json.dumps(error).encode(), status=400)]
        async with bench.post(GEMINI, {"contents": []}) as got:
            assert (got.status, (await got.json())["error"]["status"]) == (401, "UNAUTHENTICATED")
        assert refusal_on_record(bench)["code"] == "host_key"

    async def test_a_limited_key_rests_for_as_long_as_the_vendor_says(self, bench: Bench) -> None:
        used: list[tuple[float, str]] = []

        def play(arrived: Arrived) -> Play:
            used.append((monotonic(), arrived.headers["x-api-key"]))
            return GOOD if len(used) > 1 else refusal(429, {"retry-after": "3"})

        async def first_key_is_back() -> bool:
            async with bench.post(ANTHROPIC, BODY) as got:
                assert got.status == 200
            return used[-1][1] == "sk-one"

        bench.vendor.default = play
        await happens(first_key_is_back, "the end of the key's rest")
        assert [key for _, key in used] == ["sk-one", *["sk-two"] * (len(used) - 2), "sk-one"]
        assert len(used) > 2
        assert used[-1][0] - used[0][0] >= 3

    @pytest.mark.parametrize("off", [timedelta(0), timedelta(hours=1)])
    async def test_a_limit_of_all_keys_that_lasts_parks_the_run(
        self, bench: Bench, off: timedelta
    ) -> None:
        """Also where the vendor's clock and the gateway's do not agree."""
        vendors_now = datetime.now(UTC) + off
        reset = (vendors_now + timedelta(hours=2)).isoformat()
        limited = refusal(
            429,
            {
                "anthropic-ratelimit-tokens-reset": reset,
                "Date": format_datetime(vendors_now, usegmt=True),
            },
        )
        bench.vendor.plays = [limited, refusal(429, {"retry-after": "9000"})]
        async with bench.post(ANTHROPIC, BODY) as got:
            assert got.status == 429
        with bench.database.session() as session:
            held = holds.current(session, bench.rows.run_id)
        assert held is not None
        assert held.reason == "quota"
        assert held.until is not None
        with bench.database.session() as session:
            waits = held.until - clock.now(session)
        assert abs(waits - timedelta(hours=2)) < timedelta(minutes=1)
        async with bench.post(ANTHROPIC, BODY) as got:
            assert (got.status, int(got.headers["retry-after"]) > 7000) == (429, True)
        assert len(bench.vendor.arrived) == 2, "resting keys are left alone"

    async def test_the_projects_other_model_steps_in(self, bench: Bench) -> None:
        set_policy(bench, fallback_models=["claude-haiku-4-5", "openai/gpt-5"])
        good = Play(anthropic_message("claude-haiku-4-5", anthropic_usage(100, 10)))
        bench.vendor.plays = [refusal(529, {"retry-after": "0"})] * 2 + [good]
        body = b'{"max_tokens": 100, "model" : "claude-sonnet-4-6", "messages": []}'
        async with bench.post(ANTHROPIC, body) as got:
            assert got.status == 200
        assert bench.vendor.arrived[-1].body == body.replace(b"sonnet-4-6", b"haiku-4-5")
        (entry,) = await bench.settled()
        assert (entry.model, entry.amount_microdollars) == ("claude-haiku-4-5", 150)


# --- at the cap -----------------------------------------------------------------------------------


class TestAtTheCap:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"hold_grace_seconds": 2 * HANGS_SECONDS}

    async def test_raising_the_budget_lets_the_waiting_request_go_on(self, bench: Bench) -> None:
        with bench.database.session() as session:
            budgets.set_limits(session, bench.rows.project_id, run_cents=0)
        bench.vendor.plays = [GOOD]

        async def ask() -> int:
            async with bench.post(ANTHROPIC, BODY) as got:
                return int(got.status)

        asking = asyncio.create_task(ask())

        def is_held() -> bool:
            with bench.database.session() as session:
                return holds.current(session, bench.rows.run_id) is not None

        await happens(is_held, "the run's hold")
        assert not asking.done()
        with bench.database.session() as session:
            budgets.raise_run(session, bench.rows.run_id, 500, timedelta(hours=1))
        assert await asyncio.wait_for(asking, HANGS_SECONDS) == 200
        with bench.database.session() as session:
            assert holds.current(session, bench.rows.run_id) is None
        assert (await bench.settled())[0].amount_microdollars == GOOD_COST

    async def test_a_request_without_a_limit_is_squeezed_into_what_is_left(
        self, bench: Bench
    ) -> None:
        with bench.database.session() as session:
            budgets.set_limits(session, bench.rows.project_id, run_cents=40)
        bench.vendor.plays = [Play(responses_stream("gpt-5", 10, 5), headers=SSE)]
        async with bench.post(RESPONSES, {"model": "gpt-5", "stream": True, "input": "x"}) as got:
            assert got.status == 200
        sent = json.loads(bench.vendor.arrived[0].body)
        assert 8192 <= sent["max_output_tokens"] < 40_000
        (entry,) = await bench.settled()
        assert entry.detail["reserved_microdollars"] <= 40 * CENT

    @pytest.mark.parametrize(
        ("path", "given", "name"),
        [
            (RESPONSES, {"model": "gpt-5", "max_output_tokens": None}, "max_output_tokens"),
            (CHAT, {"model": "gpt-5", "max_completion_tokens": None}, "max_completion_tokens"),
            (CHAT, {"model": "gpt-5", "max_tokens": None}, "max_completion_tokens"),
            (GEMINI, {"contents": []}, "maxOutputTokens"),
            (GEMINI, {"generationConfig": None, "contents": []}, "maxOutputTokens"),
            (GEMINI, {"generationConfig": {}, "contents": []}, "maxOutputTokens"),
            (GEMINI, {"generation_config": {"temperature": 1}}, "maxOutputTokens"),
        ],
    )
    async def test_a_squeezed_limit_is_the_only_one_that_a_vendor_reads(
        self, bench: Bench, path: str, given: dict[str, Any], name: str
    ) -> None:
        with bench.database.session() as session:
            budgets.set_limits(session, bench.rows.project_id, run_cents=14)
        async with bench.post(path, given) as got:
            assert got.status == 200
        sent = json.loads(bench.vendor.arrived[0].body)
        config = sent.get("generationConfig") or sent.get("generation_config") or sent
        assert 8192 <= config[name] < 60_000
        assert bench.vendor.arrived[0].body.count(f'"{name}"'.encode()) == 1
        (entry,) = await bench.settled()
        assert entry.detail["reserved_microdollars"] <= 14 * CENT

    async def test_requests_without_a_limit_share_what_is_left(self, bench: Bench) -> None:
        """One alone could reserve it all; squeezed, they run side by side."""
        with bench.database.session() as session:
            budgets.set_limits(session, bench.rows.project_id, run_cents=200)
        ended = asyncio.Event()
        stream = responses_stream("gpt-5", 10, 5)
        bench.vendor.plays = [Play(stream, headers=SSE, hang=ended) for _ in range(3)]

        async def ask() -> int:
            body = {"model": "gpt-5", "stream": True, "input": "x"}
            async with bench.post(RESPONSES, body) as got:
                await got.content.readany()
                if len(bench.vendor.arrived) == 3:
                    ended.set()
                await got.read()
                return int(got.status)

        asked = asyncio.gather(*(ask() for _ in range(3)))
        assert await asyncio.wait_for(asked, HANGS_SECONDS) == [200] * 3
        assert len(await bench.settled(3)) == 3


# --- bodies ---------------------------------------------------------------------------------------

WRONG = {
    "nothing": b"",
    "no object": b"[]",
    "half an object": b'{"model": "claude-sonnet-4-6", "max_tokens": 5',
    "two objects": json.dumps(BODY).encode() * 2,
    "no UTF-8": b'{"model": "claude-sonnet-4-6", "max_tokens": 5, "x": "\xff"}',
    "UTF-16": json.dumps(BODY).encode("utf-16"),
    "a mark in front": b"\xef\xbb\xbf" + json.dumps(BODY).encode(),
    "the model twice": b'{"model": "claude-haiku-4-5", "max_tokens": 5, "model": "gpt-5"}',
    "the model twice, hidden": b'{"model": "claude-haiku-4-5", "max_tokens": 5, "mod\\u0065l": 1}',
    "the model in capitals": b'{"Model": "claude-opus-4-5", "max_tokens": 5}',
    "no model": b'{"max_tokens": 5}',
    "no maximum": b'{"model": "claude-sonnet-4-6"}',
    "a maximum below zero": b'{"model": "claude-sonnet-4-6", "max_tokens": -5}',
    "a maximum without end": b'{"model": "claude-sonnet-4-6", "max_tokens": Infinity}',
    "a maximum in words": b'{"model": "claude-sonnet-4-6", "max_tokens": "many"}',
    "a maximum that is true": b'{"model": "claude-sonnet-4-6", "max_tokens": true}',
    "a model of many names": b'{"model": ["claude-sonnet-4-6"], "max_tokens": 5}',
    "a comment": b'{"model": "claude-sonnet-4-6", /* */ "max_tokens": 5}',
    "a comma too many": b'{"model": "claude-sonnet-4-6", "max_tokens": 5,}',
    "brackets that cross": b'{"model": "claude-sonnet-4-6", "max_tokens": 5, "x": [{]}}',
    "a pit": b'{"model": "claude-sonnet-4-6", "max_tokens": 5, "x": ' + b"[" * 10_000,
    "servers to call": b'{"model": "claude-sonnet-4-6", "max_tokens": 5, "mcp_servers": [{}]}',
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_body_is_a_400_in_the_vendors_words(bench: Bench, name: str) -> None:
    async with bench.post(ANTHROPIC, WRONG[name]) as got:
        error = await got.json()
        assert (got.status, error["error"]["type"]) == (400, "invalid_request_error")
    assert bench.vendor.arrived == []
    assert bench.cost().requests == 0


AT_THE_VENDOR = [
    (RESPONSES, {"background": True}),
    (RESPONSES, {"prompt": {"id": "pmpt_1"}}),
    (RESPONSES, {"tools": [{"type": "mcp"}]}),
    (RESPONSES, {"tools": [{"type": "function"}, {"type": "web_search_preview"}]}),
    (CHAT, {"web_search_options": {}, "messages": []}),
    (CHAT, {"modalities": ["text", "audio"], "messages": []}),
    (CHAT, {"prediction": {"type": "content"}, "messages": []}),
    (GEMINI, {"generationConfig": {"responseModalities": ["IMAGE"]}}),
    (ANTHROPIC, {"max_tokens": 5, "tools": [{"type": "web_fetch_20250910"}]}),
    (GEMINI, {"tools": [{"googleSearch": {}}]}),
    (GEMINI, {"tools": [{"url_context": {}}]}),
    (GEMINI, {"cachedContent": "cachedContents/1"}),
    (GEMINI, {"cached_content": "cachedContents/1"}),
    (GEMINI, {"generation_config": {"response_modalities": ["IMAGE"]}}),
    (GEMINI, {"generation_config": {"candidate_count": 8}, "generationConfig": {}}),
    (GEMINI, {"generationConfig": {"candidateCount": 1, "candidate_count": 8}}),
    (GEMINI, {"tools": [{"functionDeclarations": [], "googleMaps": {}}]}),
    (GEMINI, {"tools": [{"file_search": {}}]}),
    (GEMINI, {"tools": {"googleSearch": {}}}),
    (GEMINI, {"serviceTier": "SERVICE_TIER_PRIORITY"}),
    (RESPONSES, {"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}),
    (RESPONSES, {"tools": [{"type": "shell"}]}),
    (RESPONSES, {"tools": [{"type": "programmatic_tool_calling"}]}),
    (RESPONSES, {"tools": [{"type": "namespace", "tools": [{"type": "web_search"}]}]}),
    (RESPONSES, {"tools": [{"type": "of_next_year"}]}),
    (RESPONSES, {"input": [{"type": "additional_tools", "tools": [{"type": "web_search"}]}]}),
    (RESPONSES, {"input": [{"type": "tool_search_output", "tools": [{"type": "mcp"}]}]}),
    (RESPONSES, {"service_tier": "ultrafast"}),
    (CHAT, {"service_tier": "of_next_year", "messages": []}),
    (ANTHROPIC, {"max_tokens": 5, "tools": [{"type": "advisor_20260301", "model": "x"}]}),
    (ANTHROPIC, {"max_tokens": 5, "fallbacks": [{"model": "claude-opus-4-6"}]}),
    (ANTHROPIC, {"max_tokens": 5, "inference_geo": "moon"}),
    (ANTHROPIC, {"max_tokens": 5, "container": "c_1"}),
    (
        ANTHROPIC,
        {
            "max_tokens": 5,
            "messages": [
                {
                    "role": "system",
                    "content": [
                        {
                            "type": "tool_addition",
                            "tool": {
                                "type": "tool_definition",
                                "definition": {"type": "web_search_20260318"},
                            },
                        }
                    ],
                }
            ],
        },
    ),
]


@pytest.mark.parametrize(("path", "extra"), AT_THE_VENDOR)
async def test_what_the_vendor_would_do_past_our_limits_is_refused(
    bench: Bench, path: str, extra: dict[str, Any]
) -> None:
    async with bench.post(path, {"model": "gpt-5", "input": "x"} | extra) as got:
        assert got.status == 400, await got.text()
    assert bench.vendor.arrived == []


async def test_a_search_among_the_clients_own_tools_is_no_search_of_the_web(bench: Bench) -> None:
    bench.vendor.plays = [Play(responses_stream("gpt-5", 10, 5), headers=SSE)]
    body = {"model": "gpt-5", "stream": True, "input": "x", "max_output_tokens": 9}
    async with bench.post(RESPONSES, body | {"tools": [{"type": "tool_search"}]}) as got:
        assert got.status == 200
    assert (await bench.settled())[0].detail["reserved_microdollars"] < CENT


CLIENTS_OWN: list[tuple[str, dict[str, Any]]] = [
    (RESPONSES, {"tools": [{"type": "shell", "environment": {"type": "local"}}]}),
    (RESPONSES, {"tools": [{"type": "local_shell"}, {"type": "apply_patch"}, {"type": "custom"}]}),
    (RESPONSES, {"tools": [{"type": "namespace", "tools": [{"type": "function"}]}]}),
    (
        RESPONSES,
        {"input": [{"type": "tool_search_output", "tools": [{"type": "function", "name": "mcp"}]}]},
    ),
    (RESPONSES, {"input": 'Say "tool_search_output" and {"tools": [{"type": "mcp"}]}'}),
    (CHAT, {"tools": [{"type": "function", "function": {"name": "web_search"}}], "messages": []}),
    (ANTHROPIC, {"model": "claude-sonnet-4-6", "max_tokens": 9, "tools": [{"name": "web_search"}]}),
    (
        ANTHROPIC,
        {
            "model": "claude-sonnet-4-6",
            "max_tokens": 9,
            "tools": [{"type": "bash_20250124"}, {"type": "text_editor_20250728"}],
            "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
        },
    ),
    (GEMINI, {"tools": [{"function_declarations": [{"name": "google_search"}]}]}),
    (GEMINI, {"generation_config": {"max_output_tokens": 9, "candidate_count": 1}}),
]


@pytest.mark.parametrize(("path", "extra"), CLIENTS_OWN)
async def test_the_clients_own_tools_pass_whatever_they_are_called(
    bench: Bench, path: str, extra: dict[str, Any]
) -> None:
    async with bench.post(path, {"model": "gpt-5", "input": "x"} | extra) as got:
        assert got.status == 200, await got.text()
    assert len(bench.vendor.arrived) == 1


SEARCHING = ["gpt-4o-search-preview", "gpt-5-search-api", "o4-mini-deep-research"]
DRAWING = ["gpt-image-1.5", "gpt-audio", "gpt-4o-audio-preview", "gpt-4o-mini-audio-preview"]


@pytest.mark.parametrize("model", SEARCHING + DRAWING)
async def test_a_model_that_does_more_than_write_has_no_price_here(
    bench: Bench, model: str
) -> None:
    async with bench.post(CHAT, {"model": model, "messages": []}) as got:
        assert (got.status, (await got.json())["error"]["code"]) == (404, "price_unknown")
    assert bench.vendor.arrived == []


RAISED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (CHAT, {"model": "gpt-5", "messages": []}, {"service_tier": "fast"}),
    (CHAT, {"model": "gpt-5", "messages": []}, {"n": 2}),
    (GEMINI, {"contents": []}, {"generation_config": {"candidate_count": 2}}),
    (ANTHROPIC, BODY, {"context_management": {"edits": [{"type": "compact_20260112"}]}}),
    (ANTHROPIC, BODY | {"model": "claude-opus-4-6"}, {"inference_geo": "us"}),
    (ANTHROPIC, BODY | {"model": "claude-opus-5"}, {"speed": "fast"}),
]


@pytest.mark.parametrize(("path", "body", "extra"), RAISED)
async def test_what_costs_more_reserves_more(
    bench: Bench, path: str, body: dict[str, Any], extra: dict[str, Any]
) -> None:
    for each in (body, body | extra):
        async with bench.post(path, each) as got:
            assert got.status == 200, await got.text()
    plain, dearer = (entry.detail["reserved_microdollars"] for entry in await bench.settled(2))
    assert dearer > 1.05 * plain


async def test_pictures_that_are_billed_at_more_than_a_window_are_reserved_for(
    bench: Bench,
) -> None:
    """48,169 tokens each with gpt-4o-mini; three of them are more than it can read."""
    with bench.database.session() as session:
        budgets.set_limits(session, bench.rows.project_id, run_cents=10_000, day_cents=None)
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = [{"role": "user", "content": [picture] * 3}]
    usage = {"prompt_tokens": 3 * 48_169 + 20, "completion_tokens": 10}
    answer = {"object": "chat.completion", "model": "gpt-4o-mini", "choices": [], "usage": usage}
    bench.vendor.plays = [Play(json.dumps(answer).encode())]
    body = {"model": "gpt-4o-mini", "max_tokens": 10, "messages": messages}
    async with bench.post(CHAT, body) as got:
        assert got.status == 200
    (entry,) = await bench.settled()
    assert entry.amount_microdollars <= entry.detail["reserved_microdollars"]


async def test_a_longer_window_is_reserved_for_who_asks_for_one(bench: Bench) -> None:
    with bench.database.session() as session:
        budgets.set_limits(session, bench.rows.project_id, run_cents=10_000, day_cents=None)
    body = BODY | {"model": "claude-sonnet-4-5"}
    body |= {"messages": [{"role": "user", "content": "x" * 600_000}]}
    async with bench.post(ANTHROPIC, body) as got:
        assert got.status == 200
    betas = ["anthropic-beta: fine", "anthropic-beta: context-1m-2025-08-07", "anthropic-beta: z"]
    text = json.dumps(body)
    lines = [f"POST {ANTHROPIC} HTTP/1.1", "host: gateway", f"x-api-key: {bench.token}", *betas,
             f"content-length: {len(text)}", "connection: close", "", text]  # fmt: skip
    assert b" 200 " in await bench.raw("\r\n".join(lines).encode())
    usual, longer = (entry.detail["reserved_microdollars"] for entry in await bench.settled(2))
    assert usual < 200_001 * 3.75 + 2000 < 600_000 * 7.5 < longer
    assert bench.vendor.arrived[1].headers["anthropic-beta"] == "fine, context-1m-2025-08-07, z"


async def test_a_tier_that_the_account_has_anyway_is_reserved_for_from_then_on(
    bench: Bench,
) -> None:
    """OpenAI's projects and Anthropic's workspaces have defaults that no request names."""
    head = {"object": "chat.completion", "model": "gpt-5", "service_tier": "priority"}
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    played = Play(json.dumps(head | {"choices": [], "usage": usage}).encode())
    bench.vendor.plays = [played, played]
    for _ in range(2):
        async with bench.post(CHAT, {"model": "gpt-5", "messages": []}) as got:
            assert got.status == 200
        await bench.settled()
    first, second = await bench.settled(2)
    assert first.amount_microdollars == second.amount_microdollars == 2 * (1250 + 1000)
    reserved = [entry.detail["reserved_microdollars"] for entry in (first, second)]
    assert 1.9 * reserved[0] < reserved[1] < 2.1 * reserved[0]


async def test_a_tier_that_one_run_asked_for_is_neither_charged_nor_reserved_to_others(
    bench: Bench,
) -> None:
    head = {"object": "chat.completion", "model": "gpt-5", "choices": []}
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    fast = json.dumps(head | {"usage": usage, "service_tier": "priority"}).encode()
    silent = json.dumps(head | {"usage": usage}).encode()
    bench.vendor.plays = [Play(silent), Play(fast), Play(silent), Play(fast), Play(silent)]
    tiers = [None, "priority", None, None, None]
    for number, tier in enumerate(tiers):
        asked = {"service_tier": tier} if tier else {}
        async with bench.post(CHAT, {"model": "gpt-5", "messages": []} | asked) as got:
            assert got.status == 200
        await bench.settled(number + 1)
    entries = await bench.settled(len(tiers))
    usual = 1250 + 1000
    assert [e.amount_microdollars for e in entries] == [usual, 2 * usual, usual, 2 * usual, usual]
    reserved = [e.detail["reserved_microdollars"] for e in entries]
    assert reserved[2] == reserved[3] == reserved[0]
    assert reserved[4] > 1.9 * reserved[0], "this one was served to who had not asked"


async def test_a_speed_that_one_run_asked_for_is_not_the_accounts(bench: Bench) -> None:
    body = BODY | {"model": "claude-opus-5"}
    usage = anthropic_usage(1000, 10) | {"speed": "fast"}
    bench.vendor.plays = [
        Play(anthropic_message("claude-opus-5", usage)),
        Play(anthropic_message("claude-opus-5", anthropic_usage(1000, 10))),
    ]
    for number, asked in enumerate(({"speed": "fast"}, {})):
        async with bench.post(ANTHROPIC, body | asked) as got:
            assert got.status == 200
        await bench.settled(number + 1)
    fast, usual = await bench.settled(2)
    assert fast.amount_microdollars > 1.5 * usual.amount_microdollars
    assert fast.detail["reserved_microdollars"] > 1.5 * usual.detail["reserved_microdollars"]


@pytest.mark.parametrize("asked", ["priority", None])
async def test_a_cut_answer_is_charged_in_the_tier_that_was_asked_for_or_is_usual(
    bench: Bench, asked: str | None
) -> None:
    """At its beginning a response repeats the request's `auto`; only its end says the tier."""
    whole = responses_stream("gpt-5", 1000, 50).replace(
        b'"status": "completed"', b'"service_tier": "priority"'
    )
    begun = whole.replace(b'"in_progress"', b'"in_progress", "service_tier": "auto"')
    plays = [Play(whole, headers=SSE)] if asked is None else []
    cut = Play(begun, headers=SSE, cut_at=begun.index(b"response.completed"))
    bench.vendor.plays = [*plays, cut]
    body = {"model": "gpt-5", "stream": True, "max_output_tokens": 500, "input": "x" * 1000}
    for _ in bench.vendor.plays[:]:
        async with bench.post(RESPONSES, body | ({"service_tier": asked} if asked else {})) as got:
            with suppress(aiohttp.ClientError):
                await got.read()
        await bench.settled()
    entry = (await bench.settled(len(plays) + 1))[-1]
    assert entry.basis == "estimated"
    usual = (len(bench.vendor.arrived[-1].body) + 2000) * 1.25 + 500 * 10
    assert entry.amount_microdollars == int(2 * usual + 0.5)


async def test_a_tier_that_has_no_price_is_refused(bench: Bench) -> None:
    body = BODY | {"model": "claude-haiku-4-5", "speed": "fast"}
    async with bench.post(ANTHROPIC, body) as got:
        assert got.status == 404
    async with bench.post(GEMINI, {"contents": [], "service_tier": "priority"}) as got:
        assert got.status == 404
    assert bench.vendor.arrived == []


async def test_an_encoded_body_is_not_taken(bench: Bench) -> None:
    async with bench.post(GEMINI, b"\x1f\x8b", headers={"content-encoding": "gzip"}) as got:
        assert (got.status, (await got.json())["error"]["code"]) == (415, 415)


async def test_a_body_of_a_hundred_megabytes_passes_through_a_small_memory(bench: Bench) -> None:
    budget = 10_000
    with bench.database.session() as session:
        budgets.set_limits(session, bench.rows.project_id, run_cents=budget, day_cents=None)
    bench.vendor.plays = [GOOD]
    text = b"x" * (100 << 20)
    body = b'{"messages": [{"role": "user", "content": "%s"}], "max_tokens": 5,' % text
    body += b'"model": "claude-sonnet-4-6"}'
    async with bench.post(ANTHROPIC, io.BytesIO(body)) as got:
        assert got.status == 200
    assert bench.vendor.arrived[0].body == body


async def test_a_gemini_limit_of_null_is_not_squeezed_because_it_would_be_read_last(
    bench: Bench,
) -> None:
    with bench.database.session() as session:
        budgets.set_limits(session, bench.rows.project_id, run_cents=14)
    async with bench.post(GEMINI, {"generationConfig": {"maxOutputTokens": None}}) as got:
        assert got.status == 402
    assert bench.vendor.arrived == []


class TestSmallLimits:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"largest_body_mib": 1}

    async def test_a_body_over_the_limit_is_a_413_whether_announced_or_not(
        self, bench: Bench
    ) -> None:
        async def pieces() -> Any:
            for _ in range(40):
                yield b" " * (64 << 10)

        async with bench.post(ANTHROPIC, io.BytesIO(b" " * (2 << 20))) as got:
            assert (got.status, (await got.json())["error"]["type"]) == (413, "request_too_large")
        headers = {"authorization": f"Bearer {bench.token}"}
        url = f"http://gateway{ANTHROPIC}"
        async with bench.session.post(url, data=pieces(), headers=headers) as got:
            assert got.status == 413

    async def test_a_run_that_sends_too_much_at_once_is_told_so_until_some_of_it_ended(
        self, bench: Bench
    ) -> None:
        """Each body alone would pass: together they could fill the host's memory and disk."""
        head = f"POST {ANTHROPIC} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bench.token}\r\n"
        begun = f"{head}Content-Length: {1 << 20}\r\n\r\n".encode() + b" " * 900_000
        slow = [await asyncio.open_unix_connection(bench.socket) for _ in range(3)]
        for _, writer in slow:
            writer.write(begun)
        answers = [asyncio.create_task(reader.readline()) for reader, _ in slow]
        done, _ = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result().split()[1] for task in done} == {b"429"}
        # two may be refused, and the second does not wait until the first is on record
        await happens(lambda: refusals_on_record(bench), "the refusal on record")
        assert refusal_on_record(bench)["message"] == "This run sends too much at once."
        for _, writer in slow:
            writer.close()
        await asyncio.gather(*answers, return_exceptions=True)

        async def passes() -> bool:
            async with bench.post(ANTHROPIC, BODY | {"system": "x" * 900_000}) as got:
                return int(got.status) == 200

        bench.vendor.default = lambda _: GOOD
        await happens(passes, "the end of what was under way")


async def test_a_body_that_stops_coming_is_a_408() -> None:
    told: list[int] = []

    async def take(request: web.BaseRequest) -> web.Response:
        scanner = Scanner(frozenset())
        with pytest.raises(IntakeError) as raised:
            await take_in(request, Spool(), scanner, 1000, lambda: None, silent_seconds=0.2)
        told.append(raised.value.status)
        return web.Response()

    async with test_utils.RawTestServer(take) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert told == [408]


async def test_a_client_that_asks_first_is_told_to_go_on(bench: Bench) -> None:
    bench.vendor.plays = [GOOD]
    async with bench.post(ANTHROPIC, BODY, expect100=True) as got:
        assert got.status == 200


async def test_a_settlement_that_the_database_refuses_does_not_stop_the_others(
    bench: Bench,
) -> None:
    bench.vendor.plays = [GOOD] * 4
    with bench.database.session() as session:
        session.connection().execute(
            text(
                "ALTER TABLE ledger_entry ADD CONSTRAINT test_refuses"
                " CHECK (output_tokens <> 77) NOT VALID"
            )
        )
    try:
        odd = Play(anthropic_message(SONNET, anthropic_usage(100, 77)))
        bench.vendor.plays = [GOOD, odd, GOOD, GOOD]
        asked = [bench.post(ANTHROPIC, BODY) for _ in range(4)]
        answers = await asyncio.gather(*(one.__aenter__() for one in asked))
        assert [answer.status for answer in answers] == [200] * 4
        for answer in answers:
            await answer.read()
        await happens(lambda: len(bench.entries()) == 3, "the settlement of the other three")
        assert bench.cost().reserved_microdollars > 0, "the fourth expires at its full amount"
    finally:
        with bench.database.session() as session:
            session.connection().execute(
                text("ALTER TABLE ledger_entry DROP CONSTRAINT test_refuses")
            )
