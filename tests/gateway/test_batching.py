from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from paid.gateway.batching import Batches

pytestmark = pytest.mark.anyio


class Calls:
    """Calls that answer when they are told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def double(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.begun.set()
        await self.go_on.wait()
        if any(item < 0 for item in items):
            raise ValueError("below zero")
        return [item * 2 for item in items]


async def test_what_comes_during_a_call_shares_the_next_one() -> None:
    calls = Calls()
    batches = Batches(calls.double, most=4)
    first = asyncio.create_task(batches.submit(1))
    await calls.begun.wait()
    rest = [asyncio.create_task(batches.submit(number)) for number in range(2, 8)]
    await asyncio.sleep(0)  # all of them get to wait
    calls.go_on.set()
    assert await asyncio.gather(first, *rest) == [2, 4, 6, 8, 10, 12, 14]
    assert calls.batches == [[1], [2, 3, 4, 5], [6, 7]]


async def test_an_error_is_everybodys_unless_it_is_one_that_a_single_item_can_cause() -> None:
    for alone, failed in ((None, 3), (ValueError, 1)):
        calls = Calls()
        calls.go_on.set()
        batches = Batches(calls.double, alone_after=alone)
        answers = await asyncio.gather(
            *(batches.submit(number) for number in (1, -1, 2)), return_exceptions=True
        )
        assert sum(isinstance(answer, ValueError) for answer in answers) == failed


async def test_one_that_leaves_does_not_disturb_the_others() -> None:
    calls = Calls()
    batches = Batches(calls.double)
    leaving = asyncio.create_task(batches.submit(1))
    staying = asyncio.create_task(batches.submit(2))
    await calls.begun.wait()
    leaving.cancel()
    calls.go_on.set()
    assert await staying == 4


async def test_patience_ends_when_somebody_is_in_a_hurry() -> None:
    calls = Calls()
    calls.go_on.set()
    batches = Batches(calls.double, patience_seconds=3600)
    first = asyncio.create_task(batches.submit(1))
    await asyncio.sleep(0)
    second = asyncio.create_task(batches.submit(2))
    for _ in range(3):
        await asyncio.sleep(0)
    assert calls.batches == []
    batches.hurry()
    assert await asyncio.gather(first, second) == [2, 4]
    assert calls.batches == [[1, 2]]


async def test_a_full_batch_waits_for_nobody() -> None:
    calls = Calls()
    calls.go_on.set()
    batches = Batches(calls.double, most=2, patience_seconds=3600)
    asked = [asyncio.create_task(batches.submit(number)) for number in range(4)]
    async with asyncio.timeout(30):
        assert await asyncio.gather(*asked) == [0, 2, 4, 6]
    assert calls.batches == [[0, 1], [2, 3]]


async def test_patience_ends_when_the_batch_gets_full() -> None:
    calls = Calls()
    calls.go_on.set()
    batches = Batches(calls.double, most=2, patience_seconds=3600)
    first = asyncio.create_task(batches.submit(1))
    for _ in range(3):
        await asyncio.sleep(0)
    assert calls.batches == []
    async with asyncio.timeout(30):
        assert await batches.submit(2) == 4
        assert await first == 2
