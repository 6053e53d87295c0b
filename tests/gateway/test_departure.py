"""What leaves before it is paid for: never a whole request, never to where it may not go."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from paid.gateway.spool import IN_MEMORY_BYTES
from paid.store import budgets, tokens
from tests.gateway.conftest import ANTHROPIC, CHAT, KEYS, Bench
from tests.gateway.test_relay import set_policy
from tests.gateway.vendor import (
    JSON,
    SSE,
    FakeVendor,
    Play,
    anthropic_message,
    anthropic_usage,
    chat_stream,
    chat_usage,
)
from tests.waiting import happens

pytestmark = pytest.mark.anyio

SONNET = "claude-sonnet-4-6"
GOOD = Play(anthropic_message(SONNET, anthropic_usage(100, 10)))
SECOND_KEY = "sk-second"
LARGE = 3 * IN_MEMORY_BYTES
ASKED = {"stream_options": {"include_usage": True}}


@dataclass(frozen=True)
class Kind:
    """A protocol, and whether the client says how long its body is."""

    path: str
    members: dict[str, Any]
    good: Play
    has_length: bool = True
    is_asked: bool = False

    def body(self, size: int = 10, **values: Any) -> bytes:
        content = [{"role": "user", "content": "x" * size}]
        return json.dumps(self.members | values | {"messages": content}).encode()

    def check(self, arrived: bytes, body: bytes) -> None:
        """Whether the vendor has what the client sent, with no more than the change in it."""
        if not self.is_asked:
            assert arrived == body
            return
        assert arrived.startswith(body.rstrip()[:-1])
        assert arrived.count(b'"stream_options"') == 1
        assert json.loads(arrived) == json.loads(body) | ASKED


_MESSAGES: Any = (ANTHROPIC, {"model": SONNET, "max_tokens": 100}, GOOD)
_STREAM = Play(chat_stream("gpt-5", chat_usage(100, 10)), headers=SSE)
_CHAT: Any = (CHAT, {"model": "gpt-5", "max_tokens": 100, "stream": True}, _STREAM)
KINDS = {
    "messages": Kind(*_MESSAGES),
    "messages without a length": Kind(*_MESSAGES, has_length=False),
    "chat": Kind(*_CHAT, is_asked=True),
    "chat without a length": Kind(*_CHAT, has_length=False, is_asked=True),
}
MESSAGES = KINDS["messages"]
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


def message(size: int = 10, **values: Any) -> bytes:
    return MESSAGES.body(size, **values)


@asynccontextmanager
async def the_ledger_is_busy(bench: Bench) -> AsyncIterator[None]:
    """Nobody gets to reserve while this lasts."""
    url = "postgresql://" + bench.database.url.partition("://")[2]
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("SELECT ledger_lock()")
        yield


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 100_000):
        yield body[start : start + 100_000]


def post(bench: Bench, body: bytes, kind: Kind = MESSAGES) -> Any:
    if not kind.has_length:
        return bench.post(kind.path, pieces(body))
    return bench.post(kind.path, io.BytesIO(body) if len(body) > IN_MEMORY_BYTES else body)


class Slow:
    """A client that sends its body in pieces, when it is told to.

    Without a length, it sends chunks with all that the standard allows around them.
    """

    def __init__(self, bench: Bench, body: bytes, kind: Kind = MESSAGES) -> None:
        self._bench, self._kind, self._body, self._sent = bench, kind, body, 0

    async def __aenter__(self) -> Slow:
        bench = self._bench
        self.reader, self.writer = await asyncio.open_unix_connection(bench.socket)
        chunked = "transfer-encoding: chunked\r\ntrailer: x-evil\r\nte: trailers"
        head = (
            f"POST {self._kind.path} HTTP/1.1\r\nhost: gateway\r\n"
            f"authorization: Bearer {bench.token}\r\n"
            "content-type: application/json\r\n"
            f"{f'content-length: {len(self._body)}' if self._kind.has_length else chunked}\r\n\r\n"
        )
        self.writer.write(head.encode())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def send(self, up_to: int) -> None:
        piece, self._sent = self._body[self._sent : up_to], up_to
        if not self._kind.has_length:
            piece = b"%x;evil=chunk\r\n%b\r\n" % (len(piece), piece)
            if up_to >= len(self._body):
                piece += b"0;evil=last\r\nx-evil: trailer\r\n\r\n"
        self.writer.write(piece)
        await self.writer.drain()

    async def status(self) -> int:
        return int((await self.reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1])


@pytest.fixture
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    name = request.node.name
    more = [SECOND_KEY] if "next_key" in name else []
    return {
        "body_silent_seconds": 0.5 if "stops_coming" in name else 20,
        "anthropic_api_key": [KEYS["anthropic"], *more],
        "openai_api_key": [KEYS["openai"], *more],
        "largest_body_mib": 4 if "too_large" in name else 100,
    }


def came(bench: Bench) -> list[bytes]:
    return [bytes(body) for body in bench.vendor.coming]


@every_kind
@pytest.mark.parametrize("size", [10, LARGE])
async def test_all_but_the_end_is_with_the_vendor_before_the_money_is_reserved(
    bench: Bench, size: int, kind: Kind
) -> None:
    bench.vendor.plays = [kind.good]
    body = kind.body(size) + b" \n"
    most = body.rstrip()[:-1]
    async with the_ledger_is_busy(bench):
        asking = asyncio.ensure_future(post(bench, body, kind))
        await happens(lambda: [one[: len(most)] for one in came(bench)] == [most], "most of it")
        assert bench.vendor.arrived == []
    async with await asking as answer:
        assert answer.status == 200
    (arrived,) = bench.vendor.arrived
    kind.check(arrived.body, body)
    (entry,) = await bench.settled()
    assert entry.basis == "vendor"


@every_kind
async def test_a_large_body_follows_its_client(bench: Bench, kind: Kind) -> None:
    bench.vendor.plays = [kind.good]
    body = kind.body(2 * LARGE)
    async with Slow(bench, body, kind) as client:
        for place in (LARGE, LARGE + 400_000, LARGE + 400_001, len(body) - 1):
            await client.send(place)
            await happens(lambda at=place: came(bench) == [body[: at - 1]], f"{place} bytes")
        assert bench.entries() == []
        await client.send(len(body))
        assert await client.status() == 200
    (arrived,) = bench.vendor.arrived
    kind.check(arrived.body, body)
    assert ("content-length" in arrived.headers) == kind.has_length
    (entry,) = await bench.settled()
    assert (entry.basis, entry.output_tokens) == ("vendor", 10)


@every_kind
async def test_a_large_body_that_names_its_model_late_leaves_when_it_does(
    bench: Bench, kind: Kind
) -> None:
    bench.vendor.plays = [kind.good]
    members = kind.members | {"model": None}
    late = b', "model": %b, "x": "' % json.dumps(kind.members["model"]).encode()
    head = json.dumps(members | {"y": "y" * LARGE}).encode().replace(b'"model": null, ', b"")[:-1]
    body = head + late + b"x" * LARGE + b'"}'
    async with Slow(bench, body, kind) as client:
        await client.send(len(head))
        await asyncio.sleep(0.2)
        assert came(bench) == []
        seen = len(head) + len(late) + 1
        await client.send(seen)
        await happens(lambda: came(bench) == [body[: seen - 1]], "all that came")
        await client.send(len(body))
        assert await client.status() == 200
    (arrived,) = bench.vendor.arrived
    kind.check(arrived.body, body)


@every_kind
async def test_what_no_cap_has_room_for_is_cut_before_it_is_whole(bench: Bench, kind: Kind) -> None:
    with bench.database.session() as session:
        budgets.set_limits(session, bench.rows.project_id, run_cents=1)
    for size in (10, LARGE):
        async with post(bench, kind.body(size, max_tokens=100_000), kind) as answer:
            assert answer.status == (429 if kind.path == CHAT else 402)
    await happens(lambda: bench.vendor.cut == 2, "the cut of both")
    assert bench.vendor.arrived == []
    assert await bench.settled(0) == []


@every_kind
async def test_a_body_that_turns_out_wrong_at_its_end_is_cut(bench: Bench, kind: Kind) -> None:
    ends = [b"}}", b"", b',"model":"claude-opus-4-6"}', b',"tools":[{"type":"next_year"}]}']
    if kind.is_asked:
        ends += [b',"stream_options":[]}', b',"stream_options":{},"Stream_Options":{}}']
    for end in ends:
        async with post(bench, kind.body(LARGE)[:-1] + end, kind) as answer:
            assert answer.status == 400
    await happens(lambda: bench.vendor.cut == len(ends), "the cut of all")
    assert bench.vendor.arrived == []
    assert await bench.settled(0) == []


@pytest.mark.parametrize("kind", [KINDS["messages without a length"]])
async def test_a_body_that_turns_out_too_large_or_stops_coming_is_cut(
    bench: Bench, kind: Kind
) -> None:
    body = kind.body(2 * LARGE)
    for place, status in ((LARGE, 408), (len(body) - 1, 413)):
        async with Slow(bench, body, kind) as client:
            await client.send(place)
            assert await client.status() == status
    await happens(lambda: bench.vendor.cut == 2, "the cut of both")
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


OPTIONS: list[tuple[str, Any]] = [
    ("first", None),
    ("first", {}),
    ("first", {"include_usage": False, "include_obfuscation": False}),
    ("first", {"include_usage": True}),
    ("last", None),
    ("last", {"include_obfuscation": True}),
    ("last", {"include_usage": True}),
]


@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize(("place", "options_given"), OPTIONS)
async def test_a_chat_stream_that_must_be_asked_for_its_usage_follows_its_client_too(
    bench: Bench, place: str, options_given: Any, *, has_length: bool
) -> None:
    kind = Kind(*_CHAT, has_length=has_length)
    bench.vendor.plays = [kind.good]
    given = {"stream_options": options_given}
    text = {"messages": [{"role": "user", "content": "x" * LARGE}]}
    first = kind.members | given | text if place == "first" else kind.members | text | given
    body = json.dumps(first).encode()
    async with Slow(bench, body, kind) as client:
        await client.send(LARGE)
        await happens(lambda: len((came(bench) or [b""])[0]) > LARGE - 100, "most of what came")
        await client.send(len(body))
        assert await client.status() == 200
    (arrived,) = bench.vendor.arrived
    asked = (options_given or {}) | {"include_usage": True}
    assert json.loads(arrived.body) == first | {"stream_options": asked}
    assert arrived.body.count(b'"include_usage"') == 1
    if given == ASKED and place == "first":
        assert arrived.body == body
    (entry,) = await bench.settled()
    assert entry.basis == "vendor"


@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize("late", [{"stream": True}, {"stream": False}, {}])
async def test_a_chat_request_may_say_at_its_end_whether_it_is_a_stream(
    bench: Bench, late: dict[str, Any], *, has_length: bool
) -> None:
    kind = Kind(CHAT, {"model": "gpt-5"}, _STREAM, has_length=has_length)
    bench.vendor.plays = [kind.good]
    body = json.dumps(json.loads(kind.body(LARGE)) | late).encode()
    async with Slow(bench, body, kind) as client:
        await client.send(LARGE)
        await happens(lambda: came(bench) == [body[: LARGE - 1]], "what came")
        await client.send(len(body))
        assert await client.status() == 200
    (arrived,) = bench.vendor.arrived
    put_in = b',"stream_options":{"include_usage":true}'
    room = b" " * len(put_in) if has_length else b""
    assert arrived.body == body[:-1] + (put_in if late.get("stream") else room) + b"}"


async def test_a_large_chat_request_that_is_no_stream_passes_untouched(bench: Bench) -> None:
    kind = Kind(CHAT, {"model": "gpt-5", "stream": False}, Play(b"{}"))
    for body in (kind.body(LARGE), kind.body(LARGE, stream_options=None)):
        async with post(bench, body, kind) as answer:
            assert answer.status == 200
        assert bench.vendor.arrived[-1].body == body


async def test_a_large_chat_request_that_is_squeezed_is_sent_anew_with_both_changes(
    bench: Bench,
) -> None:
    with bench.database.session() as session:
        budgets.set_limits(session, bench.rows.project_id, run_cents=70)
    kind = Kind(CHAT, {"model": "gpt-5", "stream": True}, _STREAM)
    bench.vendor.plays = [kind.good]
    body = kind.body(LARGE)
    async with post(bench, body, kind) as answer:
        assert answer.status == 200
    (arrived,) = bench.vendor.arrived
    sent = json.loads(arrived.body)
    assert 8192 <= sent.pop("max_completion_tokens") < 100_000
    assert sent == json.loads(body) | ASKED


@every_kind
@pytest.mark.parametrize("status", [408, 411, 429, 200])
async def test_an_answer_to_a_part_is_no_answer_so_it_is_sent_again(
    bench: Bench, status: int, kind: Kind
) -> None:
    bench.vendor.early = [Play(b"{}", status=status, headers=dict(JSON))]
    bench.vendor.plays = [kind.good]
    body = kind.body(LARGE)
    async with Slow(bench, body, kind) as client:
        await client.send(len(body) - 1)
        await happens(lambda: not bench.vendor.early, "the early answer")
        await asyncio.sleep(0.2)
        await client.send(len(body))
        assert await client.status() == 200
    (arrived,) = bench.vendor.arrived
    kind.check(arrived.body, body)
    assert "content-length" in arrived.headers
    (entry,) = await bench.settled()
    assert entry.basis == "vendor"


@every_kind
@pytest.mark.parametrize("size", [10, LARGE])
async def test_the_next_key_gets_the_same_request(bench: Bench, size: int, kind: Kind) -> None:
    limited = Play(b"{}", status=429, headers=JSON | {"retry-after": "9"})
    bench.vendor.plays = [limited, kind.good]
    body = kind.body(size)
    async with post(bench, body, kind) as answer:
        assert answer.status == 200
    first, second = bench.vendor.arrived
    for arrived in (first, second):
        kind.check(arrived.body, body)
    name = "x-api-key" if kind.path == ANTHROPIC else "authorization"
    assert first.headers[name] != second.headers[name]
    assert second.headers[name].endswith(SECOND_KEY)


@every_kind
async def test_a_client_that_leaves_before_the_end_costs_nothing(bench: Bench, kind: Kind) -> None:
    body = kind.body(LARGE)
    async with Slow(bench, body, kind) as client:
        await client.send(len(body) - 1)
        await happens(lambda: came(bench) == [body[:-2]], "most of it")
    await happens(lambda: bench.vendor.cut == 1, "the cut")
    bench.vendor.plays = [kind.good]
    async with post(bench, kind.body(), kind) as answer:
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


class TestOnTheWire:
    """What the vendor is sent, byte by byte."""

    @pytest.fixture
    async def vendor(self, vendor: FakeVendor) -> AsyncIterator[FakeVendor]:
        host, _, port = vendor.url.removeprefix("http://").partition(":")
        self.wire = bytearray()

        async def tap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            back, on = await asyncio.open_connection(host, int(port))
            answers = asyncio.create_task(copy(back, writer))
            await copy(reader, on, self.wire)
            await answers

        async with await asyncio.start_server(tap, "127.0.0.1", 0) as server:
            vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield vendor

    async def test_nothing_of_the_clients_chunks_passes_but_what_is_in_them(
        self, bench: Bench
    ) -> None:
        kind = KINDS["messages without a length"]
        bench.vendor.plays = [kind.good]
        body = kind.body(LARGE)
        async with Slow(bench, body, kind) as client:
            await client.send(LARGE)
            await happens(lambda: came(bench) == [body[: LARGE - 1]], "what came")
            await client.send(len(body))
            assert await client.status() == 200
        head, _, framed = bytes(self.wire).partition(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in head.split(b"\r\n")
        assert not any(word in head.lower() for word in (b"content-length", b"trailer", b"\nte:"))
        assert unframed(framed) == body
        assert b"evil" not in self.wire

    @pytest.mark.parametrize("has_length", [True, False])
    async def test_options_that_are_put_last_go_out_once_and_all_else_is_the_clients(
        self, bench: Bench, *, has_length: bool
    ) -> None:
        kind = Kind(CHAT, {"model": "gpt-5"}, _STREAM, has_length=has_length)
        bench.vendor.plays = [kind.good]
        rest = kind.body(LARGE)[1:-1] + b', "stream": true'
        body = b'{"stream_options" : {}, %b}\n' % rest
        async with Slow(bench, body, kind) as client:
            await client.send(LARGE)
            await happens(lambda: came(bench) == [(b"{ " + rest)[: LARGE - 23]], "what came")
            await client.send(len(body))
            assert await client.status() == 200
        head, _, framed = bytes(self.wire).partition(b"\r\n\r\n")
        last = b',"stream_options":{"include_usage":true}'
        if not has_length:
            assert unframed(framed) == b"{ " + rest + last + b"}\n"
            return
        length = len(body) + len(b'"include_usage":true')
        assert b"content-length: %d" % length in head.split(b"\r\n")
        room = b" " * (length - len(b"{ " + rest + last + b"}\n"))
        assert framed == b"{ " + rest + last + room + b"}\n"

    async def test_a_small_body_gets_a_length(self, bench: Bench) -> None:
        kind = KINDS["messages without a length"]
        bench.vendor.plays = [kind.good]
        async with Slow(bench, kind.body(), kind) as client:
            await client.send(len(kind.body()))
            assert await client.status() == 200
        head, _, sent = bytes(self.wire).partition(b"\r\n\r\n")
        assert b"content-length: %d" % len(kind.body()) in head.split(b"\r\n")
        assert sent == kind.body()


async def copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: bytearray | None = None
) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(1 << 16):
            if seen is not None:
                seen += chunk
            writer.write(chunk)
            await writer.drain()
    writer.close()


def unframed(chunks: bytes) -> bytes:
    """The content of chunks that have nothing but their size around them, up to the very end."""
    content = b""
    while True:
        size, _, chunks = chunks.partition(b"\r\n")
        piece, mark = chunks[: int(size, 16)], chunks[int(size, 16) :][:2]
        assert mark == b"\r\n"
        chunks = chunks[len(piece) + 2 :]
        if not piece:
            assert chunks == b""
            return content
        content += piece
