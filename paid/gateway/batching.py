"""Many callers, one call: what comes while a call is under way goes together in the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batches(Generic[Item, Result]):
    """Hands items to `call` in batches, one batch at a time, and each result to its caller.

    An idle batcher adds nothing to an item's way; a busy one shares a transaction, and with it the
    wait for the disk, among all that queue. `call` returns one result an item, in order. After an
    error of the kind `alone_after` a batch's items are tried one by one: a bad one fails alone.
    With `patience_seconds` the first of a batch waits so long for others, unless the batch is full
    or `hurry` is called.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        most: int = 64,
        alone_after: type[Exception] | None = None,
        patience_seconds: float = 0.0,
    ) -> None:
        self._call = call
        self._most = most
        self._alone_after = alone_after
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._task: asyncio.Task[None] | None = None
        self._patience_seconds = patience_seconds
        self._hurried = asyncio.Event()

    async def submit(self, item: Item) -> Result:
        """The result for one item; raises what the batch's call raised."""
        return await self.ask(item)

    def ask(self, item: Item) -> asyncio.Future[Result]:
        """The same as a future: the item goes its way, whoever waits for it."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if len(self._waiting) >= self._most:
            self._hurried.set()
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return future

    def hurry(self) -> None:
        """Send what waits for company without it: somebody waits for its outcome."""
        if self._waiting:
            self._hurried.set()

    async def _work(self) -> None:
        try:
            while self._waiting:
                if self._patience_seconds and len(self._waiting) < self._most:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._hurried.wait(), self._patience_seconds)
                self._hurried.clear()
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._together(batch)
        finally:
            self._task = None

    async def _together(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._call([item for item, _ in batch])
            pairs = list(zip(batch, results, strict=True))
        except Exception as error:
            if len(batch) > 1 and self._alone_after and isinstance(error, self._alone_after):
                for one in batch:
                    await self._together([one])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in pairs:
            if not future.done():
                future.set_result(result)
