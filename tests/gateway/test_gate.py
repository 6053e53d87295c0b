"""Who has no token, and whoever has too much, takes nobody's place who has one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from paid.gateway.answers import AnswerError
from paid.gateway.front import Front
from paid.gateway.gate import Gate
from tests.gateway.conftest import ANTHROPIC, Bench
from tests.gateway.test_smuggling import MODEL
from tests.gateway.vendor import Play, anthropic_message, anthropic_usage
from tests.waiting import HANGS_SECONDS, happens

pytestmark = pytest.mark.anyio

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Desk(asyncio.Protocol):
    """Admits `GET /7` as run 7, says `in` or `full`, and keeps the connection."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        run = data.split(b" ")[1][1:]
        try:
            if run.isdigit():
                self.gate.admit(self.transport, int(run))
            self.transport.write(b"in")
        except AnswerError:
            self.transport.write(b"full")


async def _no_tunnel(_transport: asyncio.Transport, _head: bytes) -> None:
    raise AssertionError("a tunnel")


@asynccontextmanager
async def at_the_door(gate: Gate, folder: Path) -> AsyncIterator[str]:
    path = str(folder / "gate.sock")
    server = await asyncio.get_running_loop().create_unix_server(
        lambda: Front(gate, lambda: Desk(gate), _no_tunnel), path
    )
    async with server:
        yield path


async def come(path: str, run: str) -> tuple[bytes, Streams]:
    """A new connection, what it is told, and its streams, which stay open."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET /%b HTTP/1.1\r\n\r\n" % run.encode())
    said = await asyncio.wait_for(reader.read(100), HANGS_SECONDS)
    return said[:4] if said.startswith(b"full") else said[:2], (reader, writer)


async def is_cut(streams: Streams) -> bool:
    """Wait for its end."""
    try:
        return await asyncio.wait_for(streams[0].read(), HANGS_SECONDS) == b""
    except ConnectionError:
        return True


def leave(held: list[Streams]) -> None:
    for _, writer in held:
        writer.close()


async def test_strangers_give_way_to_each_other_and_never_take_a_runs_place(
    short_folder: Path,
) -> None:
    gate = Gate(most=8, strangers=2)
    async with at_the_door(gate, short_folder) as path:
        told, mine = await come(path, "7")
        strangers = [(await come(path, "health"))[1] for _ in range(20)]
        assert told == b"in"
        assert all([await is_cut(each) for each in strangers[:-2]])
        assert gate.open == 3
        told, more = await come(path, "8")
        assert (told, gate.open) == (b"in", 3), "it takes the place of the oldest stranger"
        leave([mine, more, *strangers])
        await happens(lambda: gate.open == 0, "the end of all connections")


async def test_who_shows_no_token_is_gone_after_a_while_and_who_has_one_stays(
    short_folder: Path,
) -> None:
    gate = Gate(most=8, strangers=4, stranger_seconds=0.2)
    async with at_the_door(gate, short_folder) as path:
        _, mine = await come(path, "7")
        _, stranger = await come(path, "health")
        assert await is_cut(stranger)
        assert gate.open == 1
        leave([mine, stranger])


async def test_who_is_being_answered_does_not_give_way(short_folder: Path) -> None:
    gate = Gate(most=8, strangers=1, stranger_seconds=0.2)
    async with at_the_door(gate, short_folder) as path:
        _, first = await come(path, "health")
        (transport,) = gate._places
        with gate.answering(transport):
            told, second = await come(path, "health")
            assert b"HT" in told, "a 503"
        told, third = await come(path, "health")
        assert told == b"in"
        assert await is_cut(first)
        leave([first, second, third])


async def test_a_run_that_has_all_places_gives_one_to_each_other_run_that_comes(
    short_folder: Path,
) -> None:
    gate = Gate(most=8, strangers=2)
    async with at_the_door(gate, short_folder) as path:
        hog = [(await come(path, "7"))[1] for _ in range(6)]
        told, refused = await come(path, "7")
        assert told == b"full"
        others = [await come(path, run) for run in ("8", "9", "8")]
        assert [told for told, _ in others] == [b"in"] * 3
        assert all([await is_cut(each) for each in hog[:3]])
        told, one_more = await come(path, "8")
        assert told == b"full", "no run has more than its part while another one wants in"
        leave([*hog, refused, one_more, *(streams for _, streams in others)])


async def test_idle_questions_for_health_leave_the_runs_their_places(bench: Bench) -> None:
    held = []
    for _ in range(1100):
        reader, writer = await asyncio.open_unix_connection(bench.socket)
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        held.append((reader, writer))
    bench.vendor.plays = [Play(anthropic_message(MODEL, anthropic_usage(1, 1)))]
    body = {"model": MODEL, "max_tokens": 5, "messages": []}
    async with bench.post(ANTHROPIC, body) as got:
        assert got.status == 200
    assert b"200" in await asyncio.wait_for(held[0][0].read(), HANGS_SECONDS), "and then its end"
    leave(held)
