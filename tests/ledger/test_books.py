"""What the gateway asks of the ledger, and what it does when a bill cannot be worked out."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from paid.gateway.books import Books, Reservation
from paid.gateway.lines import make_pool
from paid.store import clock, holds, ledger, tokens
from paid.store.database import Database, libpq_url
from tests.ledger.rows import add_rows

pytestmark = pytest.mark.anyio


def _books(database: Database, **options: int) -> Books:
    url = libpq_url(database.url)
    return Books(make_pool(url), url, owner="test", **options)


async def test_a_bill_that_fails_is_charged_whole_and_no_others_fail_with_it(
    database: Database,
) -> None:
    rows = add_rows(database)
    with database.session() as session:
        token = tokens.issue(session, rows.run_id)
    books = _books(database)

    def broken() -> dict[str, Any]:
        raise ZeroDivisionError

    bills = (broken, lambda: {"amount": 7, "basis": "vendor"}, lambda: None)
    for bill in bills:
        wish = Reservation(rows.run_id, tokens.digest(token), 1000, "openai", "gpt-5")
        assert (await books.reserve(wish)).outcome == "reserved"
        books.settle(wish, bill)
    await books.finish(60)
    with database.session() as session:
        found = ledger.entries(session, rows.run_id)
        assert ledger.run_cost(session, rows.run_id).reserved_microdollars == 0
    charged = sorted((entry.amount_microdollars, entry.basis) for entry in found)
    assert charged == [(7, "vendor"), (1000, "estimated")]


@pytest.mark.parametrize(
    "odd",
    [
        {"output_tokens": 10**30},
        {"amount": 10**30},
        {"detail": {"tier": {"service_tier": "\0"}}},
        {"input_tokens": "many"},
    ],
    ids=str,
)
async def test_a_bill_that_postgresql_cannot_hold_leaves_no_reservation_open(
    database: Database, odd: dict[str, Any]
) -> None:
    rows = add_rows(database)
    with database.session() as session:
        token = tokens.issue(session, rows.run_id)
    books = _books(database)
    for bill in ({"amount": 7, "basis": "vendor"}, {"amount": 9, "basis": "vendor"} | odd):
        wish = Reservation(rows.run_id, tokens.digest(token), 1000, "openai", "gpt-5")
        assert (await books.reserve(wish)).outcome == "reserved"
        books.settle(wish, lambda bill=bill: bill)  # type: ignore[misc]
    await books.finish(60)
    with database.session() as session:
        found = ledger.entries(session, rows.run_id)
        assert ledger.run_cost(session, rows.run_id).reserved_microdollars == 0
    charged = sorted((entry.amount_microdollars, entry.basis) for entry in found)
    assert charged == [(7, "vendor"), (1000, "estimated")]


async def test_bills_are_put_off_for_a_burst_alone_and_all_are_charged(
    database: Database,
) -> None:
    """Else a busy gateway would fall behind for good, and hold all that its bills are made from."""
    rows = add_rows(database)
    with database.session() as session:
        token = tokens.issue(session, rows.run_id)
    books = _books(database, most_without_a_bill=3)
    wishes = [
        Reservation(rows.run_id, tokens.digest(token), 1000, "openai", "gpt-5") for _ in range(5)
    ]
    for wish in wishes:
        assert (await books.reserve(wish)).outcome == "reserved"
    await asyncio.wait(set(books._settling))  # their way to the disk
    billed: list[int] = []

    def bill(number: int) -> dict[str, Any]:
        billed.append(number)
        return {"amount": 7, "basis": "vendor"}

    for number, wish in enumerate(wishes):
        books.settle(wish, partial(bill, number))
    assert billed == [3, 4]
    await books.finish(60)
    assert sorted(billed) == [0, 1, 2, 3, 4]
    with database.session() as session:
        assert ledger.run_cost(session, rows.run_id).spent_microdollars == 35


async def test_a_run_waits_for_a_span_from_the_databases_present(database: Database) -> None:
    rows = add_rows(database)
    books = _books(database)
    await books.hold(rows.run_id, "quota", timedelta(hours=5), {"vendor": "openai"})
    await books.finish(60)
    with database.session() as session:
        held = holds.current(session, rows.run_id)
        assert held is not None
        assert held.until is not None
        waits = held.until - clock.now(session)
    assert timedelta(hours=4.9) < waits <= timedelta(hours=5)
