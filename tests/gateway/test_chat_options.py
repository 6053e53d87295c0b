"""Chat requests whose options pass before it is known whether they are streams."""

from __future__ import annotations

import json
from typing import Any

import pytest

from paid.store import budgets
from tests.gateway.conftest import CHAT, KEYS, Bench
from tests.gateway.test_departure import (
    ASKED,
    LARGE,
    SECOND_KEY,
    Kind,
    Slow,
    came,
    post,
    the_ledger_is_busy,
)
from tests.gateway.test_relay import set_policy
from tests.gateway.vendor import JSON, SSE, Play, chat_stream, chat_usage
from tests.waiting import happens

pytestmark = pytest.mark.anyio

STREAM = Play(chat_stream("gpt-5", chat_usage(100, 10)), headers=SSE)
WHOLE = Play(json.dumps({"model": "gpt-5", "usage": chat_usage(100, 10)}).encode())
TEXT = {"messages": [{"role": "user", "content": "x" * (LARGE + 5000)}]}
TOLD = Kind(CHAT, {}, STREAM)
UNTOLD = Kind(CHAT, {}, STREAM, has_length=False)
either = pytest.mark.parametrize("kind", [TOLD, UNTOLD], ids=["with a length", "without"])
OPTIONS: list[Any] = [
    None,
    {},
    {"include_obfuscation": False},
    {"include_usage": False, "include_obfuscation": False},
    {"include_usage": "a value that is longer than the right one"},
]


def request(options: Any, last: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {"model": "gpt-5", "max_tokens": 100, "stream_options": options} | TEXT | values | last


def body_of(members: dict[str, Any]) -> bytes:
    return json.dumps(members).encode()


@pytest.fixture
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    more = [SECOND_KEY] if "next_key" in request.node.name else []
    return {"openai_api_key": [KEYS["openai"], *more]}


@either
@pytest.mark.parametrize("given", OPTIONS)
async def test_a_stream_that_says_so_at_its_end_follows_its_client(
    bench: Bench, kind: Kind, given: Any
) -> None:
    bench.vendor.plays = [STREAM]
    members = request(given, {"stream": True})
    body = body_of(members)
    seen = body_of(members | {"stream_options": 0}).replace(b'"stream_options": 0,', b"")
    cut_out = len(body) - len(seen)
    async with Slow(bench, body, kind) as client:
        for place in (LARGE, LARGE + 1000, len(body) - 1):
            await client.send(place)
            sent = seen[: place - cut_out - 1]
            await happens(lambda sent=sent: came(bench) == [sent], f"{place} bytes")
        assert bench.vendor.arrived == []
        await client.send(len(body))
        assert await client.status() == 200
    (arrived,) = bench.vendor.arrived
    asked = {"stream_options": (given or {}) | {"include_usage": True}}
    assert json.loads(arrived.body) == members | asked
    assert arrived.body.count(b'"stream_options"') == arrived.body.count(b'"include_usage"') == 1
    assert ("content-length" in arrived.headers) == kind.has_length
    (entry,) = await bench.settled()
    assert (entry.basis, entry.input_tokens, entry.output_tokens) == ("vendor", 100, 10)


@either
async def test_it_does_so_wherever_its_options_are_cut(bench: Bench, kind: Kind) -> None:
    bench.vendor.plays = [STREAM]
    rest = {"stream_options": {"a": 1}, "user": "me", "stream": True}
    body = body_of({"model": "gpt-5", "max_tokens": 100} | TEXT | rest)
    begin, end = body.index(b'"stream_options"'), body.index(b' "user"')
    async with Slow(bench, body, kind) as client:
        for place in range(begin - 1, end + 3):
            await client.send(place)
            sent = body[: min(place - 1, begin)] + body[end : max(end, place - 1)]
            await happens(lambda sent=sent: came(bench) == [sent], f"{place} bytes")
        await client.send(len(body))
        assert await client.status() == 200
    (arrived,) = bench.vendor.arrived
    assert json.loads(arrived.body) == json.loads(body) | {
        "stream_options": {"a": 1, "include_usage": True}
    }


@either
@pytest.mark.parametrize("last", [{"stream": False}, {"stream": None}, {}])
@pytest.mark.parametrize("given", [*OPTIONS, "a text"])
async def test_a_request_that_turns_out_to_be_no_stream_means_what_its_client_said(
    bench: Bench, kind: Kind, given: Any, last: dict[str, Any]
) -> None:
    """OpenAI refuses options then, but for null; that is its word to say."""
    words = b'{"error": {"message": "only with stream", "param": "stream_options"}}'
    bench.vendor.plays = [WHOLE if given is None else Play(words, status=400)]
    members = request(given, last)
    async with post(bench, body_of(members), kind) as answer:
        said = await answer.read()
    assert (answer.status, said) == ((200, WHOLE.body) if given is None else (400, words))
    (arrived,) = bench.vendor.arrived
    assert json.loads(arrived.body) == members
    entries = await bench.settled(1 if given is None else 0)
    assert [entry.output_tokens for entry in entries if entry.amount_microdollars] == (
        [10] if given is None else []
    )


async def test_options_that_ask_already_pass_untouched(bench: Bench) -> None:
    bench.vendor.plays = [STREAM, WHOLE]
    for last in (True, False):
        body = body_of(request({"include_usage": True}, {"stream": last}))
        async with Slow(bench, body, TOLD) as client:
            await client.send(LARGE)
            await happens(lambda body=body: came(bench)[-1:] == [body[: LARGE - 1]], "what came")
            await client.send(len(body))
            assert await client.status() == 200
        assert bench.vendor.arrived[-1].body == body


async def test_what_is_known_in_time_to_be_no_stream_passes_untouched(bench: Bench) -> None:
    bench.vendor.plays = [WHOLE]
    body = body_of({"stream_options": None, "stream": False} | request(None, {}))
    async with post(bench, body, TOLD) as answer:
        assert answer.status == 200
    (arrived,) = bench.vendor.arrived
    assert arrived.body == body


@either
async def test_options_that_are_no_object_or_there_twice_are_refused_and_the_rest_is_cut(
    bench: Bench, kind: Kind
) -> None:
    wrong = [
        body_of(request("a text", {"stream": True})),
        body_of(request([], {"stream": True})),
        body_of(request({}, {"stream": True, "Stream_Options": {}})),
        body_of(request({}, {"stream": True}))[:-1] + b',"stream_options":{}}',
        body_of(request({}, {"stream": False}))[:-1] + b',"stream_options":null}',
        body_of(request({}, {"stream": True}))[:-1] + b',"stream":false}',
        body_of(request({}, {}))[:-1] + b",}",
    ]
    for body in wrong:
        async with post(bench, body, kind) as answer:
            assert answer.status == 400, body[-80:]
    await happens(lambda: bench.vendor.cut == len(wrong), "the cut of all")
    assert bench.vendor.arrived == []
    assert await bench.settled(0) == []


@either
async def test_a_model_that_is_forbidden_is_told_to_nobody_whatever_the_options(
    bench: Bench, kind: Kind
) -> None:
    set_policy(bench, allowed_models=["gpt-4*"])
    body = body_of(request({}, {"stream": True}))
    async with Slow(bench, body, kind) as client:
        await client.send(len(body) - 1)
        await client.send(len(body))
        assert await client.status() == 403
    assert came(bench) == []


@either
async def test_nothing_of_the_end_leaves_before_the_money_is_reserved(
    bench: Bench, kind: Kind
) -> None:
    bench.vendor.plays = [STREAM]
    members = request({}, {"stream": True})
    body = body_of(members)
    most = body.replace(b'"stream_options": {},', b"")[:-1]
    async with the_ledger_is_busy(bench), Slow(bench, body, kind) as client:
        await client.send(len(body))
        await happens(lambda: came(bench) == [most], "most of it")
        assert bench.vendor.arrived == []
    await happens(lambda: bench.vendor.cut + len(bench.vendor.arrived) == 1, "its end")


@either
async def test_a_client_that_leaves_in_the_middle_costs_nothing(bench: Bench, kind: Kind) -> None:
    body = body_of(request({}, {"stream": True}))
    async with Slow(bench, body, kind) as client:
        await client.send(len(body) - 1)
        await happens(lambda: len((came(bench) or [b""])[0]) > LARGE, "most of it")
    await happens(lambda: bench.vendor.cut == 1, "the cut")
    assert bench.vendor.arrived == []
    assert await bench.settled(0) == []


@either
async def test_the_next_key_is_asked_for_the_same(bench: Bench, kind: Kind) -> None:
    limited = Play(b"{}", status=429, headers=JSON | {"retry-after": "9"})
    bench.vendor.plays = [limited, STREAM]
    members = request(None, {"stream": True})
    async with post(bench, body_of(members), kind) as answer:
        assert answer.status == 200
    first, second = bench.vendor.arrived
    assert json.loads(first.body) == json.loads(second.body) == members | ASKED
    assert second.headers["authorization"] == f"Bearer {SECOND_KEY}"


async def test_a_request_that_is_squeezed_is_sent_anew_with_both_changes(bench: Bench) -> None:
    with bench.database.session() as session:
        budgets.set_limits(session, bench.rows.project_id, run_cents=70)
    bench.vendor.plays = [STREAM]
    members = request({"include_obfuscation": True}, {"stream": True})
    del members["max_tokens"]
    async with post(bench, body_of(members), TOLD) as answer:
        assert answer.status == 200
    (arrived,) = bench.vendor.arrived
    sent = json.loads(arrived.body)
    assert 8192 <= sent.pop("max_completion_tokens") < 100_000
    asked = {"stream_options": {"include_obfuscation": True, "include_usage": True}}
    assert sent == members | asked
