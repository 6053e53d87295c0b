"""The places of one socket, and who has them: strangers, who showed no token yet, and runs.

All containers of a host share the socket. So whoever has no token gets a share of the places, for
seconds, and the oldest of them that waits gives way to the next who comes; and where runs have the
rest, none has more than its fair part while another one wants in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from paid.gateway.answers import CLOSE, AnswerError

MOST_CONNECTIONS = 4096
STRANGERS_PART = 4
"""One place in so many is for those without a token; runs have the others, whatever comes."""
HEAD_SECONDS = 10.0
STRANGER_SECONDS = 15.0
"""How long a connection lives without a token; to ask for /health takes a hundredth of that."""
LONGEST_STRANGER_SECONDS = 60.0
"""The same for one that is being answered: PostgreSQL may be slow to say whose token it is."""


@dataclass(eq=False)
class Place:
    """One connection. `run_id` of None means that it showed no good token yet."""

    transport: asyncio.Transport
    came: float
    run_id: int | None = None
    requests: int = 0
    """How many of its requests are being answered."""
    timer: asyncio.TimerHandle | None = None


class Gate:
    """Who may have a connection, and for how long.

    A connection whose first request has no whole head after `head_seconds` is given up. Of `most`
    places `strangers` may be without a token; None means all of them.
    """

    def __init__(
        self,
        *,
        most: int = MOST_CONNECTIONS,
        strangers: int | None = None,
        head_seconds: float = HEAD_SECONDS,
        stranger_seconds: float = STRANGER_SECONDS,
    ) -> None:
        self.most = most
        self.head_seconds = head_seconds
        self._stranger_seconds = stranger_seconds
        self._most_strangers = most + 1 if strangers is None else strangers
        self._most_of_runs = most if strangers is None else most - strangers
        self._places: dict[asyncio.BaseTransport, Place] = {}
        self._strangers: dict[Place, None] = {}
        """In the order in which they came."""
        self._runs: dict[int, dict[Place, None]] = {}
        self._tunnels: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._places)

    def enter(self, transport: asyncio.Transport) -> bool:
        """A connection comes; whether there is a place for it."""
        if self.open >= self.most:
            return False
        if len(self._strangers) >= self._most_strangers and not self._evict(self._strangers):
            return False
        loop = asyncio.get_running_loop()
        place = Place(transport, loop.time())
        place.timer = loop.call_later(self._stranger_seconds, self._expire, place)
        self._places[transport], self._strangers[place] = place, None
        return True

    def leave(self, transport: asyncio.BaseTransport) -> None:
        """A connection is over."""
        place = self._places.pop(transport, None)
        if place is not None:
            self._forget(place)

    def admit(self, transport: asyncio.BaseTransport | None, run_id: int) -> None:
        """A connection showed a run's token. Raises AnswerError when the run has too many."""
        place = self._places.get(transport) if transport is not None else None
        if place is None or place.run_id == run_id:
            return
        count = sum(map(len, self._runs.values()))
        if count >= self._most_of_runs and not self._make_room(run_id):
            raise AnswerError(
                503,
                "This run has as many connections open as it may; close some, or try again soon.",
                "too_many_connections",
                CLOSE,
            )
        self._forget(place)
        place.run_id = run_id
        self._runs.setdefault(run_id, {})[place] = None

    @contextmanager
    def answering(self, transport: asyncio.BaseTransport | None) -> Iterator[None]:
        """Mark a connection as one that is being answered: it does not just wait."""
        place = self._places.get(transport) if transport is not None else None
        if place is None:
            yield
            return
        place.requests += 1
        try:
            yield
        finally:
            place.requests -= 1

    def dig(self, transport: asyncio.Transport, tunnel: Coroutine[Any, Any, None]) -> None:
        """Run a tunnel, which has its connection's place until it ends."""
        task = asyncio.get_running_loop().create_task(tunnel)
        self._tunnels.add(task)

        def filled(task: asyncio.Task[None]) -> None:
            self._tunnels.discard(task)
            self.leave(transport)

        task.add_done_callback(filled)

    async def close(self) -> None:
        """End the tunnels; each still puts on record what went through it."""
        for task in self._tunnels:
            task.cancel()
        await asyncio.gather(*self._tunnels, return_exceptions=True)

    def _forget(self, place: Place) -> None:
        """Let it be nobody's."""
        if place.timer is not None:
            place.timer.cancel()
        self._strangers.pop(place, None)
        if place.run_id is not None:
            places = self._runs[place.run_id]
            places.pop(place, None)
            if not places:
                del self._runs[place.run_id]

    def _evict(self, places: dict[Place, None]) -> bool:
        """Close the oldest that waits; whether there was one."""
        found = next((place for place in places if not place.requests), None)
        if found is not None:
            self._cut(found)
        return found is not None

    def _make_room(self, run_id: int) -> bool:
        """Take a place of the run that has the most, unless that is the one who asks."""
        largest = max(self._runs, key=lambda each: len(self._runs[each]), default=run_id)
        places = self._runs.get(largest, {})
        if largest == run_id or len(places) <= len(self._runs.get(run_id, {})) + 1:
            return False
        if not self._evict(places):
            self._cut(next(reversed(places)))
        return True

    def _cut(self, place: Place) -> None:
        self.leave(place.transport)
        place.transport.abort()

    def _expire(self, place: Place) -> None:
        """Its time without a token is over, but for an answer that is on its way."""
        loop = asyncio.get_running_loop()
        if place.requests and loop.time() - place.came < LONGEST_STRANGER_SECONDS:
            place.timer = loop.call_later(1, self._expire, place)
        else:
            self._cut(place)
