"""The gateway as a process: killed, stopped, started twice, and given too much to hold."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from paid.settings import Settings
from paid.store import budgets, ledger, tokens
from paid.store.database import Database
from tests.gateway.conftest import ANTHROPIC, CHAT, gateway_settings
from tests.gateway.vendor import (
    SSE,
    FakeVendor,
    Play,
    anthropic_message,
    anthropic_stream,
    anthropic_usage,
)
from tests.ledger.rows import Rows, account, add_rows
from tests.waiting import happens

pytestmark = pytest.mark.anyio

SONNET = "claude-sonnet-4-6"
STREAM = {"model": SONNET, "max_tokens": 500, "stream": True, "messages": []}


class Process:
    """A gateway of its own, a run, and a client for it."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.rows: Rows = add_rows(database)
        with database.session() as session:
            self.token = tokens.issue(session, self.rows.run_id)
            budgets.set_limits(session, self.rows.project_id, run_cents=10_000, day_cents=None)
        self._child: subprocess.Popen[bytes] | None = None

    async def start(self) -> subprocess.Popen[bytes]:
        child = launch(self.settings)
        self._child = child

        async def listens() -> bool:
            assert child.poll() is None, "the gateway ended"
            with suppress(OSError):
                path = str(self.settings.gateway_socket_path)
                _, writer = await asyncio.open_unix_connection(path)
                writer.close()
                return True
            return False

        await happens(listens, "the gateway's start")
        return child

    async def stop(self) -> int:
        assert self._child is not None
        self._child.terminate()
        return await asyncio.to_thread(self._child.wait)

    def client(self) -> aiohttp.ClientSession:
        connector = aiohttp.UnixConnector(str(self.settings.gateway_socket_path))
        headers = {"authorization": f"Bearer {self.token}"}
        return aiohttp.ClientSession("http://gateway", connector=connector, headers=headers)


def launch(settings: Settings) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-m", "paid.gateway"]
    return subprocess.Popen(program, env=os.environ | settings.as_environment())


@pytest.fixture
async def process(short_folder: Path, database: Database, vendor: FakeVendor) -> Any:
    process = Process(gateway_settings(short_folder, database.url, vendor.url), database)
    await process.start()
    yield process
    await process.stop()


async def test_a_gateway_that_is_killed_in_mid_stream_forgets_nothing(
    process: Process, database: Database, vendor: FakeVendor
) -> None:
    """Its successor takes the dead one's socket and charges what it had reserved."""
    hang = asyncio.Event()
    stream = anthropic_stream(SONNET, anthropic_usage(1000, 50))
    vendor.default = lambda _: Play(stream[:-120], headers=SSE, hang=hang)
    child = process._child
    assert child is not None
    async with process.client() as client:
        with suppress(aiohttp.ClientError):
            async with client.post(ANTHROPIC, data=json.dumps(STREAM)) as got:
                await got.content.readuntil(b"text_delta")
                child.send_signal(signal.SIGKILL)
                await asyncio.to_thread(child.wait)
                await got.read()
    assert process.settings.gateway_socket_path.exists(), "a stale socket"
    await process.start()
    hang.set()
    with database.session() as session:
        cost = account(session, "run", process.rows.run_id)
    assert cost.reserved_microdollars == 0
    assert cost.spent_microdollars >= 3 * 1000 + 15 * 50


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    """A body whose length nobody says."""
    for start in range(0, len(body), 1 << 18):
        yield body[start : start + (1 << 18)]


COUNT = f"{ANTHROPIC}/count_tokens"
FIRST = {"model": SONNET, "max_tokens": 5, "messages": []}
CHAT_FIRST = {"model": "gpt-5", "max_tokens": 5}
ASKED = b',"stream_options":{"include_usage":true}'


@pytest.mark.parametrize("framed", [io.BytesIO, pieces])
@pytest.mark.parametrize(
    ("path", "first", "last", "put_in"),
    [
        (ANTHROPIC, FIRST, b"", b""),
        (COUNT, FIRST, b"", b""),
        (CHAT, CHAT_FIRST | {"stream": True}, b"", ASKED),
        (CHAT, {"stream_options": None} | CHAT_FIRST, b',"stream":true', ASKED),
    ],
)
async def test_a_large_body_does_not_fill_its_memory(
    process: Process,
    vendor: FakeVendor,
    path: str,
    first: dict[str, Any],
    last: bytes,
    put_in: bytes,
    framed: Callable[[bytes], Any],
) -> None:
    vendor.plays = [Play(anthropic_message(SONNET, anthropic_usage(1, 1)))] * 2
    begin = json.dumps(first).encode()[:-1]
    small = begin + last + b"}"
    large = begin + b',"x":"%s"' % (b"x" * (100 << 20)) + last + b"}"
    async with process.client() as client:
        for body in (small, large):
            before = _most_memory(process)
            async with client.post(path, data=framed(body)) as got:
                assert got.status == 200
    arrived = vendor.arrived[1].body
    room = b" " * arrived[-50:].count(b" ")
    assert arrived == large.replace(b'"stream_options": null,', b"", 1)[:-1] + put_in + room + b"}"
    assert _most_memory(process) - before < 30 << 20


async def test_it_ends_cleanly_and_takes_its_socket_with_it(process: Process) -> None:
    assert process.settings.gateway_socket_path.stat().st_mode & 0o777 == 0o666
    assert process.settings.gateway_socket_path.parent.stat().st_mode & 0o777 == 0o711
    assert await process.stop() == 0
    assert not process.settings.gateway_socket_path.exists()


async def test_a_second_one_does_not_take_a_living_ones_socket(process: Process) -> None:
    second = launch(process.settings)
    assert await asyncio.to_thread(second.wait) == 1
    async with process.client() as client, client.get("/health") as got:
        assert got.status == 200


async def test_a_second_one_leaves_the_reservations_of_the_living_one_alone(
    process: Process, database: Database, vendor: FakeVendor
) -> None:
    hang = asyncio.Event()
    stream = anthropic_stream(SONNET, anthropic_usage(1000, 50))
    vendor.default = lambda _: Play(stream[:-120], headers=SSE, hang=hang)
    async with process.client() as client, client.post(ANTHROPIC, data=json.dumps(STREAM)) as got:
        await got.content.readuntil(b"text_delta")
        assert await asyncio.to_thread(launch(process.settings).wait) == 1
        with database.session() as session:
            cost = account(session, "run", process.rows.run_id)
        assert (cost.spent_microdollars, cost.reserved_microdollars > 0) == (0, True)
        hang.set()


async def test_without_a_database_it_says_so_and_ends(short_folder: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"postgresql://nobody@127.0.0.1:{nobody.getsockname()[1]}/nothing"
        values = gateway_settings(short_folder, url, "http://127.0.0.1:1")
        child = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "paid.gateway"],
            env=os.environ | values.as_environment(),
            stderr=subprocess.PIPE,
        )
        _, said = await asyncio.to_thread(child.communicate)
    assert child.returncode == 1
    assert b"PostgreSQL does not answer" in said


def _most_memory(process: Process) -> int:
    assert process._child is not None
    status = Path(f"/proc/{process._child.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


async def test_a_gateway_that_is_told_to_stop_waits_for_what_its_vendors_count(
    process: Process, database: Database, vendor: FakeVendor
) -> None:
    """Nobody's fault: neither who stays to the end nor who left pays an estimate."""
    going_on = asyncio.Event()
    stream = anthropic_stream(SONNET, anthropic_usage(1000, 50))
    vendor.default = lambda _: Play(stream[:-200], headers=SSE, hang=going_on)
    vendor.tail = stream[-200:]
    async with process.client() as client:
        left = await client.post(ANTHROPIC, data=json.dumps(STREAM))
        await left.content.readuntil(b"text_delta")
        left.close()
        async with client.post(ANTHROPIC, data=json.dumps(STREAM)) as got:
            await got.content.readuntil(b"text_delta")
            stopping = asyncio.create_task(process.stop())
            socket_path = process.settings.gateway_socket_path
            await happens(lambda: not is_listening(socket_path), "the end of its listening")
            going_on.set()
            await got.read()
    assert await stopping == 0
    assert bases(database, process) == [("vendor", 3750)] * 2


async def test_what_is_cut_by_the_gateways_own_end_is_an_upper_bound_that_holds_no_run(
    process: Process, database: Database, vendor: FakeVendor
) -> None:
    vendor.default = lambda _: Play(b"", headers=SSE, hang=asyncio.Event())
    async with process.client() as client:
        asking = asyncio.create_task(_ask(client))
        await happens(lambda: vendor.arrived, "the question at the vendor")
        assert await process.stop() == 0
        await asking
    ((basis, amount),) = bases(database, process)
    assert (basis, amount > 500 * 15) == ("expired", True)
    with database.session() as session:
        assert budgets.room(session, process.rows.run_id).microdollars == 10_000 * 10_000


async def _ask(client: aiohttp.ClientSession) -> None:
    with suppress(aiohttp.ClientError):
        async with client.post(ANTHROPIC, data=json.dumps(STREAM)) as got:
            await got.read()


def bases(database: Database, process: Process) -> list[tuple[str, int]]:
    with database.session() as session:
        found = ledger.entries(session, process.rows.run_id)
        return [(entry.basis, entry.amount_microdollars) for entry in found]


def is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as one, suppress(OSError):
        one.connect(str(path))
        return True
    return False
