from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from sqlmodel import select

from paid.models import Policy
from paid.store import budgets, holds, tokens
from tests.gateway.conftest import ANTHROPIC, CHAT, GEMINI, KEYS, RESPONSES, Bench
from tests.gateway.vendor import (
    SSE,
    Play,
    anthropic_message,
    anthropic_stream,
    anthropic_usage,
    chat_stream,
    chat_usage,
    gemini_stream,
    responses_stream,
)

pytestmark = pytest.mark.anyio

SONNET = "claude-sonnet-4-6"
BODY = {"model": SONNET, "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}


def set_policy(bench: Bench, **values: Any) -> None:
    with bench.database.session() as session:
        policy = session.get_one(Policy, _policy_id(session, bench.rows.project_id))
        for name, value in values.items():
            setattr(policy, name, value)
        session.add(policy)


def _policy_id(session: Any, project_id: int) -> int:
    return session.exec(select(Policy.id).where(Policy.project_id == project_id)).one()


async def test_it_swaps_the_token_for_the_key_and_passes_the_bytes_untouched(bench: Bench) -> None:
    text = ' {"max_tokens" : 100,"messages":[{"role":"user","content":"\\u00e4 \u00e4"}],\n'
    body = f'{text}"model":"{SONNET}"}} '.encode()
    bench.vendor.plays = [Play(anthropic_message(SONNET, anthropic_usage(10, 5)))]
    headers = {
        "anthropic-version": "2023-06-01",
        "x-api-key": "stolen",
        "cookie": "a=b",
        "x-forwarded-for": "1.2.3.4",
    }
    async with bench.post(ANTHROPIC, body, headers=headers) as got:
        assert got.status == 200
        assert (await got.json())["type"] == "message"
    (arrived,) = bench.vendor.arrived
    assert hashlib.sha256(arrived.body).digest() == hashlib.sha256(body).digest()
    assert arrived.headers["x-api-key"] == KEYS["anthropic"]
    assert arrived.headers["anthropic-version"] == "2023-06-01"
    assert not arrived.headers.keys() & {"authorization", "cookie", "x-forwarded-for"}
    assert bench.token not in json.dumps(arrived.headers)


STREAMS = [
    (ANTHROPIC, BODY, anthropic_stream(SONNET, anthropic_usage(1000, 50, 400, 200)), 4620),
    (
        CHAT,
        {"model": "gpt-5", "stream": True, "max_completion_tokens": 100, "messages": []},
        chat_stream("gpt-5", chat_usage(1000, 50, 400)),
        1300,
    ),
    (
        RESPONSES,
        {"model": "gpt-5", "stream": True, "max_output_tokens": 100, "input": "Hi"},
        responses_stream("gpt-5", 1000, 50, 400),
        1300,
    ),
    (GEMINI, {"contents": []}, gemini_stream("gemini-2.5-flash", 1000, 50), 425),
]


@pytest.mark.parametrize(("path", "body", "stream", "cost"), STREAMS)
async def test_a_stream_arrives_whole_and_is_charged_as_the_vendor_counted(
    bench: Bench, path: str, body: dict[str, Any], stream: bytes, cost: int
) -> None:
    bench.vendor.plays = [Play(stream, headers=SSE, chunk=7)]
    async with bench.post(path, body | ({"stream": True} if path == ANTHROPIC else {})) as got:
        assert (got.status, got.content_type) == (200, "text/event-stream")
        assert await got.read() == stream
    (entry,) = await bench.settled()
    assert (entry.basis, entry.amount_microdollars) == ("vendor", cost)
    assert (entry.output_tokens, entry.run_id) == (50, bench.rows.run_id)


async def test_a_chat_stream_is_asked_for_its_usage(bench: Bench) -> None:
    bench.vendor.plays = [Play(chat_stream("gpt-5", chat_usage(10, 5)), headers=SSE)] * 3
    body = {"model": "gpt-5", "stream": True, "max_tokens": 100, "messages": []}
    for options in ({}, {"stream_options": None}, {"stream_options": {"include_usage": False}}):
        async with bench.post(CHAT, body | options) as got:
            await got.read()
    for arrived in bench.vendor.arrived:
        sent = json.loads(arrived.body)
        assert sent["stream_options"] == {"include_usage": True}
        assert {key: sent[key] for key in body} == body


async def test_a_token_may_come_in_whichever_place_its_vendors_clients_use(bench: Bench) -> None:
    places = [{"authorization": f"Bearer {bench.token}"}, {"x-goog-api-key": bench.token}]
    places += [{"authorization": f"bearer  {bench.token}"}, {"x-api-key": bench.token}, {}]
    for headers in places:
        query = "" if headers else f"&key={bench.token}"
        bench.vendor.plays = [Play(gemini_stream("gemini-2.5-flash", 10, 5), headers=SSE)]
        url = f"http://gateway{GEMINI}{query}"
        async with bench.session.post(url, data=b'{"contents": []}', headers=headers) as got:
            assert got.status == 200, headers
    for arrived in bench.vendor.arrived:
        assert arrived.path.endswith("?alt=sse")
        assert arrived.headers["x-goog-api-key"] == KEYS["gemini"]
        assert bench.token not in json.dumps(arrived.headers)
    async with bench.session.post(f"http://gateway{GEMINI}&key=wrong", data=b"{}") as got:
        assert got.status == 401


async def test_a_wrong_a_revoked_and_no_token_are_told_so_in_the_vendors_words(
    bench: Bench,
) -> None:
    async with bench.post(ANTHROPIC, BODY, token="wrong") as got:
        assert got.status == 401
        assert (await got.json())["error"]["type"] == "authentication_error"
    async with bench.session.post(f"http://gateway{CHAT}", data=b"{}") as got:
        assert (got.status, (await got.json())["error"]["code"]) == (401, "token")
    with bench.database.session() as session:
        tokens.revoke(session, bench.rows.run_id)
    async with bench.post(GEMINI, {"contents": []}) as got:
        assert (got.status, (await got.json())["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert bench.vendor.arrived == []


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [(ANTHROPIC, 402, "billing_error"), (CHAT, 429, "insufficient_quota"), (GEMINI, 402, 402)],
)
async def test_at_the_cap_the_run_is_held_and_the_agent_understands(
    bench: Bench, path: str, status: int, code: object
) -> None:
    with bench.database.session() as session:
        budgets.set_limits(session, bench.rows.project_id, run_cents=0)
    body = BODY | {"model": "gpt-5"} if path == CHAT else BODY
    async with bench.post(path, {"contents": []} if path == GEMINI else body) as got:
        error = (await got.json())["error"]
        assert got.status == status
        assert code in (error.get("type"), error.get("code"))
    with bench.database.session() as session:
        held = _hold(session, bench.rows.run_id)
    assert held is not None
    assert held.detail["scope"] == "run"
    assert bench.vendor.arrived == []


def _hold(session: Any, run_id: int) -> Any:
    return holds.current(session, run_id)


async def test_a_model_that_the_project_forbids_is_refused(bench: Bench) -> None:
    set_policy(bench, allowed_models=["gpt-5*", "anthropic/claude-haiku-*"])
    async with bench.post(ANTHROPIC, BODY) as got:
        assert (got.status, (await got.json())["error"]["type"]) == (403, "permission_error")
    assert bench.vendor.arrived == []


async def test_a_model_without_a_price_is_refused_unless_a_rule_prices_it(bench: Bench) -> None:
    body = BODY | {"model": "house-model-1"}
    async with bench.post(ANTHROPIC, body) as got:
        assert (got.status, (await got.json())["error"]["type"]) == (404, "not_found_error")
    rule = {"models": {"house-*": {"input_mtok": 2, "output_mtok": 4}}}
    (bench.settings.data_dir / "prices.json").write_text(json.dumps(rule))
    bench.vendor.plays = [Play(anthropic_message("house-model-1", anthropic_usage(100, 10)))]
    async with bench.post(ANTHROPIC, body) as got:
        assert got.status == 200
    assert (await bench.settled())[0].amount_microdollars == 240


async def test_models_are_listed_without_those_that_are_forbidden(bench: Bench) -> None:
    set_policy(bench, allowed_models=["gpt-5"])
    listed = json.dumps({"object": "list", "data": [{"id": "gpt-5"}, {"id": "o3"}]}).encode()
    bench.vendor.plays = [Play(listed)]
    async with bench.get("/openai/v1/models") as got:
        assert [entry["id"] for entry in (await got.json())["data"]] == ["gpt-5"]


async def test_counting_tokens_costs_nothing(bench: Bench) -> None:
    bench.vendor.plays = [Play(b'{"input_tokens": 7}')]
    body = {"model": SONNET, "messages": []}
    async with bench.post(f"{ANTHROPIC}/count_tokens", body) as got:
        assert await got.json() == {"input_tokens": 7}
    assert bench.cost().requests == 0
