"""A revoked token ends what runs under it, also when the news of it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from paid.gateway.access import Access, Grant
from paid.gateway.batching import Batches
from paid.store import tokens
from paid.store.database import Database, libpq_url
from tests.ledger.rows import add_rows
from tests.waiting import HANGS_SECONDS, happens

pytestmark = pytest.mark.anyio


@pytest.fixture
async def access(database: Database) -> AsyncIterator[Access]:
    access = Access(libpq_url(database.url))
    yield access
    await access.close()


@asynccontextmanager
async def listening(access: Access) -> AsyncIterator[None]:
    """From when it hears the news until the block ends."""
    before = access._heard
    task = asyncio.create_task(access.listen())
    await happens(lambda: access._heard > before, "the first LISTEN")
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def new_token(database: Database) -> tuple[int, str]:
    run_id = add_rows(database).run_id
    with database.session() as session:
        return run_id, tokens.issue(session, run_id)


def revoke(database: Database, run_id: int) -> None:
    with database.session() as session:
        assert tokens.revoke(session, run_id) == 1


async def begin_work(access: Access, token: str) -> asyncio.Task[None]:
    """A request that goes on until it is cut."""
    grant, begun = await access.grant(token), asyncio.Event()
    assert grant is not None

    async def work() -> None:
        with access.working(grant):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    return task


async def test_a_revocation_that_nobody_heard_cuts_the_work_once_somebody_listens(
    access: Access, database: Database
) -> None:
    (run_id, token), (_, other) = new_token(database), new_token(database)
    dead, alive = await begin_work(access, token), await begin_work(access, other)
    revoke(database, run_id)
    async with listening(access):
        await asyncio.wait([dead], timeout=HANGS_SECONDS)
        assert dead.cancelled()
        assert not alive.done()
    alive.cancel()
    await asyncio.gather(alive, return_exceptions=True)


async def test_a_token_that_dies_while_it_is_looked_up_is_not_remembered(
    access: Access, database: Database
) -> None:
    run_id, token = new_token(database)
    found, go_on, look_up = asyncio.Event(), asyncio.Event(), access._look_up_many

    async def slowly(digests: Sequence[bytes]) -> list[Grant | None]:
        grants = await look_up(digests)
        found.set()
        await go_on.wait()
        return grants

    async with listening(access):
        access._look_up = Batches(slowly)
        asking = asyncio.create_task(access.grant(token))
        await found.wait()
        heard = access._heard
        revoke(database, run_id)
        await happens(lambda: access._heard > heard, "the news of the revocation")
        go_on.set()
        assert await asking is not None
        assert await access.grant(token) is None
