"""What a request asks for beside text, on its way through a whole gateway."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from paid.gateway.earlier import Earlier
from paid.gateway.lines import make_pool
from paid.gateway.routes import NotAllowedError, find_route
from paid.store import budgets, holds
from paid.store.database import libpq_url
from tests.gateway.conftest import ANTHROPIC, CHAT, GEMINI, RESPONSES, Bench
from tests.gateway.test_conversation import LINK
from tests.gateway.test_documents import pdf
from tests.gateway.test_relay import set_policy
from tests.gateway.vendor import SSE, Play, anthropic_message, anthropic_usage, responses_stream

pytestmark = pytest.mark.anyio

OPUS = "claude-opus-4-6"
CENT = 10_000
FIRST = {"model": "gpt-5.4", "stream": True, "max_output_tokens": 100, "input": "x"}


def good() -> Play:
    return Play(anthropic_message(OPUS, anthropic_usage(10, 5)))


def message(*parts: Any) -> dict[str, Any]:
    return {"model": OPUS, "max_tokens": 10, "messages": [{"role": "user", "content": [*parts]}]}


async def test_a_document_passes_under_the_usual_cap(bench: Bench) -> None:
    bench.vendor.plays = [good()]
    source = {"type": "base64", "media_type": "application/pdf"}
    source["data"] = base64.b64encode(pdf(9)).decode()
    async with bench.post(ANTHROPIC, message({"type": "document", "source": source})) as got:
        assert got.status == 200, await got.text()
    (entry,) = await bench.settled()
    assert 9 * 6000 * 5 < entry.detail["reserved_microdollars"] < 100 * CENT


async def test_a_control_character_costs_nothing_in_a_short_or_a_long_conversation(
    bench: Bench,
) -> None:
    bench.vendor.plays = [good(), good()]
    with bench.database.session() as session:
        budgets.set_limits(session, bench.rows.project_id, run_cents=2000)
    for size in (1000, 1_100_000):
        async with bench.post(
            ANTHROPIC, message({"type": "text", "text": "\x7f" + "x" * size})
        ) as got:
            assert got.status == 200, await got.text()
    first, _ = await bench.settled(2)
    assert first.detail["reserved_microdollars"] < 5 * CENT


async def test_a_cache_is_filled_without_an_answer(bench: Bench) -> None:
    bench.vendor.plays = [Play(anthropic_message(OPUS, anthropic_usage(0, 0, 0, 900)))]
    async with bench.post(ANTHROPIC, message() | {"max_tokens": 0}) as got:
        assert got.status == 200, await got.text()
    (entry,) = await bench.settled()
    assert entry.amount_microdollars <= entry.detail["reserved_microdollars"] < 2 * CENT


async def test_a_request_that_goes_on_from_an_answer_of_its_run_reserves_what_that_was(
    bench: Bench,
) -> None:
    """Its whole window would cost more than the usual cap."""
    bench.vendor.plays = [Play(responses_stream("gpt-5.4", 1000, 50), headers=SSE)] * 3
    async with bench.post(RESPONSES, FIRST) as got:
        await got.read()
    goes_on = FIRST | {"previous_response_id": "r"}
    async with bench.post(RESPONSES, goes_on) as got:
        assert got.status == 200, await got.text()
        await got.read()
    second = (await bench.settled(2))[1]
    assert 1050 * 2.5 < second.detail["reserved_microdollars"] < 3 * CENT
    async with bench.post(RESPONSES, FIRST | {"previous_response_id": "another"}) as got:
        assert got.status == 429


async def test_a_gateway_that_was_started_anew_asks_the_ledger(bench: Bench) -> None:
    bench.vendor.plays = [Play(responses_stream("gpt-5.4", 1000, 50), headers=SSE)]
    async with bench.post(RESPONSES, FIRST) as got:
        await got.read()
    await bench.settled()

    async def nothing_waits() -> None:
        pass

    async with make_pool(libpq_url(bench.database.url)) as pool:
        run_id = bench.rows.run_id
        assert await Earlier(pool).tokens(run_id, "r", nothing_waits) == 1050
        assert await Earlier(pool).tokens(run_id, "another", nothing_waits) is None
        assert await Earlier(pool).tokens(run_id + 1, "r", nothing_waits) is None
        assert await Earlier(pool).tokens(run_id, "r\0", nothing_waits) is None


@pytest.mark.parametrize("hosts", [None, [], ["files.example", "*.pictures.example"]])
async def test_a_vendor_fetches_only_from_the_projects_own_hosts(
    bench: Bench, hosts: list[str] | None
) -> None:
    set_policy(bench, egress_hosts=hosts)
    asked = {
        "https://a.pictures.example/1.png": hosts,
        "https://files.example/1.png": hosts,
        "https://packages.example/logo.png": hosts is None,
        LINK: False,
        "http://files.example/1.png": False,
        "https://files.example:8443/1.png": False,
        "https://a@files.example/1.png": False,
        "https://files.example\\@inside.example/1.png": False,
        "https://127.0.0.1/1.png": False,
        "//files.example/1.png": False,
        "file:///etc/passwd": False,
    }
    bench.vendor.default = lambda _: good()
    for address, is_allowed in asked.items():
        part = {"type": "image", "source": {"type": "url", "url": address}}
        async with bench.post(ANTHROPIC, message(part)) as got:
            said = await got.json()
            assert got.status == (200 if is_allowed else 403), address
        if not is_allowed:
            assert "--egress" in said["error"]["message"]
    assert len(bench.vendor.arrived) == sum(map(bool, asked.values()))


async def test_a_body_is_sent_as_what_it_was_read_as(bench: Bench) -> None:
    bench.vendor.plays = [good()] * 2
    odd = {
        "content-type": "application/x-protobuf",
        "accept": "application/x-protobuf",
        "anthropic-version": "2023-01-01",
        "openai-beta": "realtime=v1",
        "x-http-method-override": "GET",
        "x-goog-fieldmask": "candidates",
        "x-goog-user-project": "another",
        "openai-organization": "org",
        "openai-project": "proj",
        "idempotency-key": "k",
        "content-encoding": "identity",
    }
    async with bench.post(ANTHROPIC, message(), headers=odd) as got:
        assert got.status == 200
    plain = {"accept": "text/event-stream", "openai-beta": "responses=experimental"}
    async with bench.post(CHAT, {"model": "gpt-5", "messages": []}, headers=plain) as got:
        assert got.status == 200
    first, second = (arrived.headers for arrived in bench.vendor.arrived)
    assert first["content-type"] == second["content-type"] == "application/json"
    assert (first["accept"], first["anthropic-version"]) == ("*/*", "2023-06-01")
    assert not first.keys() & (odd.keys() - {"content-type", "accept", "anthropic-version"})
    assert {name: second[name] for name in plain} == plain


STREAMED = GEMINI.partition("?")[0]
QUERIES = {
    f"{STREAMED}?alt=proto": False,
    f"{STREAMED}?alt=media": False,
    f"{STREAMED}?alt=sse&alt=proto": False,
    f"{STREAMED}?$alt=proto": False,
    f"{STREAMED}?%24alt=proto": False,
    f"{STREAMED}?$ct=application/x-protobuf": False,
    f"{STREAMED}?ALT=sse": False,
    f"{STREAMED}?alt=sse&beta=true": False,
    f"{STREAMED}?fields=candidates": False,
    f"{STREAMED}?alt=sse": True,
    f"{STREAMED}?alt=sse&key=k": True,
    f"{STREAMED.replace('streamGenerate', 'generate')}?alt=json": True,
    f"{ANTHROPIC}?beta=true": True,
    f"{ANTHROPIC}?alt=sse": False,
    f"{ANTHROPIC}/count_tokens?beta=true": True,
    f"{CHAT}?limit=5": False,
    f"{CHAT}?api-version=2": False,
}


@pytest.mark.parametrize("target", QUERIES)
def test_each_route_takes_its_own_parameters_and_values_only(target: str) -> None:
    if QUERIES[target]:
        assert find_route("POST", target).upstream.count("key=") == 0
    else:
        with pytest.raises(NotAllowedError):
            find_route("POST", target)


async def test_a_run_waits_for_the_least_that_lets_its_request_pass(bench: Bench) -> None:
    """Not for all that a model may write: raised to this, the request is squeezed and goes on."""
    with bench.database.session() as session:
        budgets.set_limits(session, bench.rows.project_id, run_cents=1)
    body = {"model": "gpt-5", "input": "x"}
    async with bench.post(RESPONSES, body) as got:
        assert got.status == 429
        said = (await got.json())["error"]["message"]
    with bench.database.session() as session:
        held = holds.current(session, bench.rows.run_id)
    assert held is not None
    needed = held.detail["needed_microdollars"]
    assert 8192 * 10 < needed < 9 * CENT
    assert f"up to USD {needed / 1_000_000:.2f}" in said
    with bench.database.session() as session:
        budgets.set_limits(session, bench.rows.project_id, run_cents=-(-needed // CENT))
    async with bench.post(RESPONSES, body) as got:
        assert got.status == 200, await got.text()


async def test_a_refusal_for_want_of_money_says_what_may_fill_the_window(bench: Bench) -> None:
    body = message({"type": "document", "source": {"type": "file", "file_id": "file_1"}})
    async with bench.post(ANTHROPIC, body) as got:
        assert got.status == 402
        assert "'file_id'" in (await got.json())["error"]["message"]
