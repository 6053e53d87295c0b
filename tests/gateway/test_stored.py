"""Answers that were lost, and that OpenAI still has: its own count takes the worst case's place."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from paid.gateway.stored import Note, NotesFile
from paid.store import budgets, ledger
from paid.store.database import Database
from tests.gateway.conftest import RESPONSES, Bench
from tests.gateway.test_process import Process, process  # noqa: F401
from tests.gateway.vendor import SSE, Arrived, FakeVendor, Play, event
from tests.waiting import happens

pytestmark = pytest.mark.anyio

BODY = {"model": "gpt-5", "stream": True, "max_output_tokens": 900, "input": "Hi"}
RESPONSE = {"id": "resp_67ccd2", "object": "response", "model": "gpt-5-2025-08-07"}
USAGE = {"input_tokens": 1000, "output_tokens": 850}
COST = 1250 + 8500
WORD = event({"type": "response.output_text.delta", "delta": "word "})


def begun(**values: Any) -> bytes:
    response = RESPONSE | {"status": "in_progress", "usage": None, "store": True} | values
    return event({"type": "response.created", "response": response}) + WORD


def kept(status: str = "completed", usage: Any = USAGE) -> Play:
    return Play(json.dumps(RESPONSE | {"status": status, "usage": usage}).encode())


async def ask_and_lose(bench: Bench) -> None:
    with suppress(aiohttp.ClientError):
        async with bench.post(RESPONSES, BODY) as got:
            await got.read()


async def test_an_answer_that_was_lost_on_the_way_is_asked_for_again(bench: Bench) -> None:
    stream = begun() * 2
    cut = Play(stream, headers=SSE, cut_at=len(stream) - 5)
    bench.vendor.plays = [cut, kept("in_progress", None), kept()]
    await ask_and_lose(bench)
    (entry,) = await bench.settled()
    assert (entry.basis, entry.amount_microdollars) == ("vendor", COST)
    asked = [(arrived.method, arrived.path) for arrived in bench.vendor.arrived[1:]]
    assert asked == [("GET", "/v1/responses/resp_67ccd2")] * 2


@pytest.mark.parametrize("answer", [Play(status=404), kept("cancelled", None), Play(b"odd")])
async def test_what_openai_does_not_have_stays_the_worst_case(bench: Bench, answer: Play) -> None:
    stream = begun() * 2
    bench.vendor.plays = [Play(stream, headers=SSE, cut_at=len(stream) - 5), answer]
    await ask_and_lose(bench)
    (entry,) = await bench.settled()
    assert entry.basis == "estimated"
    assert entry.amount_microdollars == entry.detail["reserved_microdollars"]


async def test_what_was_not_to_be_stored_is_not_asked_for(bench: Bench) -> None:
    stream = begun(store=False) * 2
    bench.vendor.plays = [Play(stream, headers=SSE, cut_at=len(stream) - 5)]
    await ask_and_lose(bench)
    await bench.settled()
    assert len(bench.vendor.arrived) == 1


async def test_what_a_killed_gateway_lost_is_corrected_by_its_successor(
    process: Process,  # noqa: F811
    database: Database,
    vendor: FakeVendor,
) -> None:
    """At first the worst case is charged; then the vendor's own count takes its place."""

    def answer(arrived: Arrived) -> Play:
        is_asked_again = arrived.method == "GET"
        return kept() if is_asked_again else Play(begun(), headers=SSE, hang=asyncio.Event())

    vendor.default = answer
    child = process._child
    assert child is not None
    async with process.client() as client:
        with suppress(aiohttp.ClientError):
            async with client.post(RESPONSES, data=json.dumps(BODY)) as got:
                await got.content.readuntil(b"word")
                child.send_signal(signal.SIGKILL)
                await asyncio.to_thread(child.wait)
                await got.read()
    await process.start()

    def entries() -> list[tuple[str, int]]:
        with database.session() as session:
            found = ledger.entries(session, process.rows.run_id)
        return [(entry.basis, entry.amount_microdollars) for entry in found]

    await happens(lambda: entries() == [("vendor", COST)], "the correction")
    with database.session() as session:
        cost = ledger.run_cost(session, process.rows.run_id)
        assert (cost.spent_microdollars, cost.estimated_microdollars) == (COST, 0)
        room = budgets.room(session, process.rows.run_id)
    assert room.microdollars == 10_000 * 10_000 - COST


def test_notes_outlive_their_process_and_stay_few(tmp_path: Path) -> None:
    file = NotesFile(tmp_path / "answers")
    assert file.left_behind() == []
    file.begin()
    notes = [Note(f"request-{n}", n, "gpt-5", f"resp_{n}") for n in range(3)]
    for note in (*notes, notes[0]):
        file.add(note, ())
    with (tmp_path / "answers").open("ab") as cut:
        cut.write(b'{"request_id": "ha')
    assert NotesFile(tmp_path / "answers").left_behind() == notes
    file.begin(notes[:1])
    assert NotesFile(tmp_path / "answers").left_behind() == notes[:1]
    file.close()
