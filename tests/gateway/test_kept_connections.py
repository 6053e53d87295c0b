"""A vendor closes a connection that both sides had kept, just as the next request comes on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from paid.gateway.delivery import MEANWHILE_SECONDS
from paid.store import tokens
from paid.store.database import Database
from tests.gateway.conftest import ANTHROPIC, Bench, gateway_settings, running
from tests.gateway.vendor import FakeVendor, anthropic_message, anthropic_usage
from tests.ledger.rows import add_rows

pytestmark = pytest.mark.anyio

BODY = {"model": "claude-sonnet-4-6", "max_tokens": 100, "messages": []}
COST = 450
SAID = anthropic_message("claude-sonnet-4-6", anthropic_usage(100, 10))
GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
    SAID
)


class Closing:
    """Answers each connection's first request, and closes at the first byte of the next one."""

    def __init__(self) -> None:
        self.answered = 0
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await _request(reader)
        writer.write(GOOD + SAID)
        self.answered += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self.closes(reader)
        writer.close()

    async def closes(self, reader: asyncio.StreamReader) -> None:
        await reader.readexactly(1)


class ClosingAfterAll(Closing):
    async def closes(self, reader: asyncio.StreamReader) -> None:
        await _request(reader)


class ClosingLate(ClosingAfterAll):
    async def closes(self, reader: asyncio.StreamReader) -> None:
        await super().closes(reader)
        await asyncio.sleep(MEANWHILE_SECONDS + 0.1)


async def _request(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    await reader.readexactly(int(lines[b"content-length"]))


@pytest.fixture
def closing() -> Closing:
    return Closing()


@pytest.fixture
async def bench(short_folder: Path, database: Database, closing: Closing) -> AsyncIterator[Bench]:
    server = await asyncio.start_server(closing.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    rows = add_rows(database)
    with database.session() as session:
        token = tokens.issue(session, rows.run_id)
    settings = gateway_settings(short_folder, database.url, url)
    connector = aiohttp.UnixConnector(str(settings.gateway_socket_path))
    async with running(settings), aiohttp.ClientSession(connector=connector) as http:
        yield Bench(settings, database, FakeVendor(), rows, token, http)
    server.close()


async def _asked(bench: Bench, path: str = ANTHROPIC) -> int:
    async with bench.post(path, BODY) as got:
        await got.read()
        return int(got.status)


@pytest.mark.parametrize("closing", [Closing(), ClosingAfterAll()], ids=["at once", "after all"])
async def test_the_request_goes_again_on_another_and_is_charged_once(
    bench: Bench, closing: Closing
) -> None:
    assert [await _asked(bench) for _ in range(3)] == [200] * 3
    assert (closing.answered, closing.connections) == (3, 3)
    entries = await bench.settled(3)
    assert [entry.amount_microdollars for entry in entries] == [COST] * 3


@pytest.mark.parametrize("closing", [Closing(), ClosingAfterAll()], ids=["at once", "after all"])
async def test_a_text_to_be_counted_goes_again_too(bench: Bench, closing: Closing) -> None:
    assert [await _asked(bench, f"{ANTHROPIC}/count_tokens") for _ in range(3)] == [200] * 3
    assert (closing.answered, closing.connections) == (3, 3)


@pytest.mark.parametrize("closing", [ClosingLate()], ids=["late"])
async def test_what_was_read_long_before_the_end_may_have_cost_something(
    bench: Bench, closing: Closing
) -> None:
    assert [await _asked(bench), await _asked(bench)] == [200, 502]
    first, second = await bench.settled(2)
    assert (first.basis, second.basis) == ("vendor", "estimated")
