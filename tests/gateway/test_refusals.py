"""Refusals are on the record of their run, and the host's worker learns which keys there are."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from paid.gateway.known_vendors import vendors_with_keys
from paid.models import Event
from paid.store import events
from tests.gateway.conftest import ANTHROPIC, CHAT, Bench

pytestmark = pytest.mark.anyio

BODY: dict[str, Any] = {"model": "claude-sonnet-4-6", "max_tokens": 100, "messages": []}


@pytest.fixture
def options() -> dict[str, Any]:
    return {"anthropic_api_key": []}


def _refused(bench: Bench) -> list[Event]:
    with bench.database.session() as session:
        found = events.of_run(session, bench.rows.run_id)
    return [event for event in found if event.kind == "model.refused"]


async def test_a_missing_key_is_on_the_runs_record_once(bench: Bench) -> None:
    for _ in range(3):
        async with bench.post(ANTHROPIC, BODY) as got:
            assert got.status == 503
    (event,) = _refused(bench)
    assert (event.data["vendor"], event.data["code"]) == ("anthropic", "no_key")
    assert "no key for anthropic" in event.data["message"]


async def test_each_reason_is_on_record(bench: Bench) -> None:
    async with bench.post(ANTHROPIC, BODY), bench.post(CHAT, b"no JSON"):
        pass
    assert {event.data["code"] for event in _refused(bench)} == {"no_key", "body"}


async def test_the_hosts_worker_learns_which_vendors_have_keys(bench: Bench) -> None:
    known = await asyncio.to_thread(vendors_with_keys, Path(bench.socket))
    assert known == {"openai", "gemini"}


def test_a_gateway_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert vendors_with_keys(tmp_path / "none.sock") is None
