"""What leaves before it is paid for: never a whole request, never to where it may not go."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from paid.gateway.spool import IN_MEMORY_BYTES
from paid.store import budgets, tokens
from tests.gateway.conftest import ANTHROPIC, CHAT, KEYS, Bench
from tests.gateway.test_relay import set_policy
from tests.gateway.vendor import JSON, Play, anthropic_message, anthropic_usage
from tests.waiting import happens

pytestmark = pytest.mark.anyio

SONNET = "claude-sonnet-4-6"
GOOD = Play(anthropic_message(SONNET, anthropic_usage(100, 10)))
SECOND_KEY = "sk-ant-second"
LARGE = 3 * IN_MEMORY_BYTES


def message(size: int = 10, **values: Any) -> bytes:
    members = {"model": SONNET, "max_tokens": 100} | values
    content = [{"role": "user", "content": "x" * size}]
    return json.dumps(members | {"messages": content}).encode()


@asynccontextmanager
async def the_ledger_is_busy(bench: Bench) -> AsyncIterator[None]:
    """Nobody gets to reserve while this lasts."""
    url = "postgresql://" + bench.database.url.partition("://")[2]
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("SELECT ledger_lock()")
        yield


def post(bench: Bench, body: bytes, path: str = ANTHROPIC) -> Any:
    return bench.post(path, io.BytesIO(body) if len(body) > IN_MEMORY_BYTES else body)


class Slow:
    """A client that sends its body in pieces, when it is told to."""

    def __init__(self, bench: Bench, body: bytes, path: str = ANTHROPIC) -> None:
        self._bench, self._path, self._body, self._sent = bench, path, body, 0

    async def __aenter__(self) -> Slow:
        bench = self._bench
        self.reader, self.writer = await asyncio.open_unix_connection(bench.socket)
        head = (
            f"POST {self._path} HTTP/1.1\r\nhost: gateway\r\n"
            f"authorization: Bearer {bench.token}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(self._body)}\r\n\r\n"
        )
        self.writer.write(head.encode())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def send(self, up_to: int) -> None:
        self.writer.write(self._body[self._sent : up_to])
        self._sent = up_to
        await self.writer.drain()

    async def status(self) -> int:
        return int((await self.reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1])


@pytest.fixture
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    keys = [KEYS["anthropic"], SECOND_KEY] if "key" in request.node.name else [KEYS["anthropic"]]
    return {"anthropic_api_key": keys}


def came(bench: Bench) -> list[bytes]:
    return [bytes(body) for body in bench.vendor.coming]


@pytest.mark.parametrize("size", [10, LARGE])
async def test_all_but_the_end_is_with_the_vendor_before_the_money_is_reserved(
    bench: Bench, size: int
) -> None:
    bench.vendor.plays = [GOOD]
    body = message(size) + b" \n"
    async with the_ledger_is_busy(bench):
        asking = asyncio.ensure_future(post(bench, body))
        await happens(lambda: came(bench) == [body.rstrip()[:-1]], "all but the end")
        assert bench.vendor.arrived == []
    async with await asking as answer:
        assert answer.status == 200
    assert [arrived.body for arrived in bench.vendor.arrived] == [body]
    (entry,) = await bench.settled()
    assert entry.basis == "vendor"


async def test_a_large_body_follows_its_client(bench: Bench) -> None:
    bench.vendor.plays = [GOOD]
    body = message(2 * LARGE)
    async with Slow(bench, body) as client:
        for place in (LARGE, LARGE + 400_000, LARGE + 400_001, len(body) - 1):
            await client.send(place)
            await happens(lambda at=place: came(bench) == [body[: at - 1]], f"{place} bytes")
        assert bench.entries() == []
        await client.send(len(body))
        assert await client.status() == 200
    assert [arrived.body for arrived in bench.vendor.arrived] == [body]


async def test_what_no_cap_has_room_for_is_cut_before_it_is_whole(bench: Bench) -> None:
    with bench.database.session() as session:
        budgets.set_limits(session, bench.rows.project_id, run_cents=1)
    for size in (10, LARGE):
        async with post(bench, message(size, max_tokens=100_000)) as answer:
            assert answer.status == 402
    assert bench.vendor.arrived == []
    assert await bench.settled(0) == []


async def test_a_body_that_turns_out_wrong_at_its_end_is_cut(bench: Bench) -> None:
    for end in (b"}}", b',"model":"claude-opus-4-6"}', b',"mcp_servers":[{"url":"https://x"}]}'):
        async with post(bench, message(LARGE)[:-1] + end) as answer:
            assert answer.status == 400
    assert bench.vendor.arrived == []
    assert await bench.settled(0) == []


async def test_nothing_leaves_early_whose_model_is_not_known_and_allowed(bench: Bench) -> None:
    set_policy(bench, allowed_models=["openai/*"])
    body = message(LARGE)
    async with Slow(bench, body) as client:
        await client.send(len(body) - 1)
        await client.send(len(body))
        assert await client.status() == 403
    assert came(bench) == []
    unnamed = body[:-1].replace(b'"model": "%s", ' % SONNET.encode(), b"")
    async with Slow(bench, unnamed + b', "model": "%s"}' % SONNET.encode()) as client:
        await client.send(len(unnamed))
        await client.send(len(unnamed) + 100)
        assert await client.status() == 403
    assert came(bench) == []


async def test_a_chat_stream_that_may_have_to_be_changed_leaves_as_a_whole(bench: Bench) -> None:
    body = message(LARGE, model="gpt-5", stream=True)
    async with Slow(bench, body, CHAT) as client:
        await client.send(len(body) - 1)
        await asyncio.sleep(0.2)
        assert came(bench) == []
        await client.send(len(body))
        assert await client.status() == 200
    (arrived,) = bench.vendor.arrived
    assert json.loads(arrived.body) == json.loads(body) | {
        "stream_options": {"include_usage": True}
    }


@pytest.mark.parametrize("status", [408, 429, 200])
async def test_an_answer_to_a_part_is_no_answer_so_it_is_sent_again(
    bench: Bench, status: int
) -> None:
    bench.vendor.early = [Play(b"{}", status=status, headers=dict(JSON))]
    bench.vendor.plays = [GOOD]
    body = message(LARGE)
    async with Slow(bench, body) as client:
        await client.send(len(body) - 1)
        await happens(lambda: not bench.vendor.early, "the early answer")
        await asyncio.sleep(0.2)
        await client.send(len(body))
        assert await client.status() == 200
    assert [arrived.body for arrived in bench.vendor.arrived] == [body]
    (entry,) = await bench.settled()
    assert entry.basis == "vendor"


@pytest.mark.parametrize("size", [10, LARGE])
async def test_the_next_key_gets_the_same_bytes(bench: Bench, size: int) -> None:
    bench.vendor.plays = [Play(b"{}", status=429, headers=JSON | {"retry-after": "9"}), GOOD]
    body = message(size)
    async with post(bench, body) as answer:
        assert answer.status == 200
    assert [arrived.body for arrived in bench.vendor.arrived] == [body, body]
    sent = [arrived.headers["x-api-key"] for arrived in bench.vendor.arrived]
    assert sent == [KEYS["anthropic"], SECOND_KEY]


async def test_a_client_that_leaves_before_the_end_costs_nothing(bench: Bench) -> None:
    body = message(LARGE)
    async with Slow(bench, body) as client:
        await client.send(len(body) - 1)
        await happens(lambda: came(bench) == [body[:-2]], "most of it")
    bench.vendor.plays = [GOOD]
    async with post(bench, message()) as answer:
        assert answer.status == 200
    assert len(await bench.settled()) == 1
    assert len(bench.vendor.arrived) == 1


async def test_a_token_that_dies_while_the_ledger_is_asked_ends_the_request_before_its_end(
    bench: Bench,
) -> None:
    async with the_ledger_is_busy(bench):
        asking = asyncio.ensure_future(post(bench, message()))
        await happens(lambda: came(bench) == [message()[:-1]], "all but the end")
        with bench.database.session() as session:
            tokens.revoke(session, bench.rows.run_id)
    try:
        async with await asking as answer:
            assert answer.status == 401
    except Exception:
        assert asking.done()  # the connection was cut, which is an end as well
    assert bench.vendor.arrived == []
    assert await bench.settled(0) == []
