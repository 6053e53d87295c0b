"""What routes work with; made once, in web.app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TypeVar

import anyio
import anyio.to_thread
from litestar.di import NamedDependency
from sqlmodel import Session

from paid.settings import Settings
from paid.store.database import Database
from web.addresses import Addresses
from web.intake import Intake
from web.live import Live
from web.looks import Looks
from web.rate_limit import AttemptLimit
from web.temporal_link import TemporalLink

T = TypeVar("T")

PING_SECONDS = 15.0


@dataclass(frozen=True)
class Services:
    """The settings, the database, and the links to the rest of Paid."""

    settings: Settings
    database: Database
    addresses: Addresses
    live: Live
    temporal: TemporalLink
    login_attempts: AttemptLimit
    intake: Intake
    looks: Looks
    ping_seconds: float = PING_SECONDS
    """How long a live page's stream is silent before it says that it is still there."""

    async def ask(self, question: Callable[[Session], T]) -> T:
        """Run a question or a change in one transaction, on a thread: the store is synchronous."""

        def work() -> T:
            with self.database.session() as session:
                return question(session)

        return await anyio.to_thread.run_sync(work)

    async def stream(self, question: Callable[[Session], Iterator[str]]) -> AsyncIterator[bytes]:
        """The chunks that a question yields, each made on a thread, all in one transaction."""

        def chunks() -> Generator[str]:
            with self.database.session() as session:
                yield from question(session)

        made = chunks()
        try:
            while (chunk := await anyio.to_thread.run_sync(next, made, None)) is not None:
                yield chunk.encode()
        finally:
            with anyio.CancelScope(shield=True):  # also when the reader went away
                await anyio.to_thread.run_sync(made.close)


GivenServices = NamedDependency[Services]
"""How routes ask for the services."""
