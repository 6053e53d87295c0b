"""Bodies of strangers come one behind the other, and reasons to look come to few looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from web.intake import LARGE_AT_ONCE, SMALL_AT_ONCE, Intake, TooLargeError, TooSlowError
from web.looks import Looks

pytestmark = pytest.mark.anyio
MOST = 25 * 1024 * 1024
LARGE = {"content-length": str(20 * 1024 * 1024)}


class Sender:
    """A client that sends when it is told to."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks, self.may_send, self.began = chunks, asyncio.Event(), asyncio.Event()

    async def stream(self) -> AsyncIterator[bytes]:
        self.began.set()
        await self.may_send.wait()
        for chunk in self.chunks:
            yield chunk


async def taken(intake: Intake, headers: dict[str, str], sender: Sender) -> int:
    async with intake.body(headers, sender.stream()) as body:
        return len(body)


@pytest.mark.parametrize("headers", [LARGE, {}, {"content-length": "odd"}])
async def test_so_many_large_bodies_are_held_at_once_and_the_others_wait(
    headers: dict[str, str],
) -> None:
    intake, senders = Intake(MOST), [Sender(b"x" * 1000) for _ in range(LARGE_AT_ONCE + 2)]
    async with asyncio.TaskGroup() as group:
        for sender in senders:
            group.create_task(taken(intake, headers, sender))
        for sender in senders[:LARGE_AT_ONCE]:
            await sender.began.wait()
        assert not any(sender.began.is_set() for sender in senders[LARGE_AT_ONCE:])
        for sender in senders:
            sender.may_send.set()
    assert all(sender.began.is_set() for sender in senders)


async def test_large_bodies_keep_no_small_one_waiting() -> None:
    intake, slow = Intake(MOST), [Sender() for _ in range(LARGE_AT_ONCE + 1)]
    waiting = [asyncio.create_task(taken(intake, LARGE, sender)) for sender in slow]
    await slow[LARGE_AT_ONCE - 1].began.wait()
    quick = Sender(b"x" * 300)
    quick.may_send.set()
    assert await taken(intake, {"content-length": "300"}, quick) == 300
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_who_does_not_send_gives_its_place_back() -> None:
    intake, idle = Intake(MOST, seconds=0.05), Sender()
    for _ in range(SMALL_AT_ONCE + 1):
        idle = Sender()
        with pytest.raises(TooSlowError):
            await taken(intake, {"content-length": "9"}, idle)


async def test_no_more_is_kept_than_was_told_or_may_be() -> None:
    told, untold = Sender(*[b"x" * 100_000] * 3), Sender(*[b"x" * 1_000_000] * 27)
    told.may_send.set()
    untold.may_send.set()
    with pytest.raises(TooLargeError):
        await taken(Intake(MOST), {"content-length": "5"}, told)
    with pytest.raises(TooLargeError):
        await taken(Intake(MOST), {}, untold)
    with pytest.raises(TooLargeError):
        await taken(Intake(MOST), {"content-length": str(MOST + 1)}, Sender())


async def test_a_crowd_of_reasons_makes_a_project_look_twice() -> None:
    told: list[int] = []

    async def tell(project_id: int) -> None:
        told.append(project_id)

    looks = Looks(tell, spacing_seconds=0.1)
    await asyncio.gather(*(looks.ask(7) for _ in range(150)), looks.ask(8))
    assert sorted(told) == [7, 7, 8]
    assert told[0] == 7
    await looks.ask(7)
    assert told.count(7) == 3
