"""Reservations ahead: used by the next request, kept from nobody, and never forgotten."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from paid.gateway.advances import Advances
from paid.gateway.books import Books, Reservation
from paid.gateway.lines import make_pool
from paid.gateway.taken import TakenFile
from paid.store import budgets, ledger, tokens
from paid.store.database import Database
from tests.gateway.conftest import ANTHROPIC, Bench
from tests.gateway.vendor import Play, anthropic_message, anthropic_usage
from tests.ledger.rows import add_issue, add_rows, add_run, item, reserve
from tests.waiting import happens

pytestmark = pytest.mark.anyio

SONNET = "claude-sonnet-4-6"
BODY = {"model": SONNET, "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}
OUTPUT_PRICE = 15
CENT = 10_000


@pytest.fixture
def options() -> dict[str, Any]:
    return {"ahead_seconds": 60, "hold_grace_seconds": 0.05}


def rows_ahead(database: Database, run_id: int, state: str) -> int:
    question = (
        "SELECT count(*) FROM ledger_reservation WHERE ahead AND run_id = :run AND state = :state"
    )
    with database.session() as session:
        found = session.connection().execute(text(question), {"run": run_id, "state": state})
        return int(found.scalar_one())


async def ask(bench: Bench, body: dict[str, Any] = BODY, **values: Any) -> int:
    async with bench.post(ANTHROPIC, body, **values) as got:
        await got.read()
        return int(got.status)


async def in_full_talk(bench: Bench) -> None:
    """Ask until something is reserved ahead, and all the rest is settled."""
    bench.vendor.default = lambda _: Play(anthropic_message(SONNET, anthropic_usage(10, 5)))

    async def is_ahead() -> bool:
        assert await ask(bench) == 200
        return bool(rows_ahead(bench.database, bench.rows.run_id, "open"))

    await happens(is_ahead, "a reservation ahead")
    await happens(lambda: len(bench.entries()) == len(bench.vendor.arrived), "all settlements")


async def test_a_request_of_a_run_in_full_talk_goes_out_under_what_was_reserved_ahead(
    bench: Bench,
) -> None:
    await in_full_talk(bench)
    for _ in range(20):
        await ask(bench)
    run = bench.rows.run_id
    await happens(lambda: rows_ahead(bench.database, run, "settled"), "a settlement of one")
    await happens(lambda: len(bench.entries()) == len(bench.vendor.arrived), "all settlements")
    assert {entry.amount_microdollars for entry in bench.entries()} == {10 * 3 + 5 * OUTPUT_PRICE}
    assert bench.cost().spent_microdollars == len(bench.vendor.arrived) * 105


async def test_a_single_request_reserves_nothing_ahead(bench: Bench) -> None:
    bench.vendor.plays = [Play(anthropic_message(SONNET, anthropic_usage(10, 5)))]
    await ask(bench)
    await bench.settled()
    assert rows_ahead(bench.database, bench.rows.run_id, "open") == 0


async def test_near_a_cap_nothing_is_reserved_ahead(database: Database) -> None:
    rows = add_rows(database)
    with database.session() as session:
        budgets.set_limits(session, rows.project_id, run_cents=1)
        plain = item(rows.run_id, CENT // 2)
        wishes = [
            item(rows.run_id, CENT // 4, ahead=True, spare=spare) for spare in (CENT // 3, 1, 0)
        ]
        outcomes = [row.outcome for row in reserve(session, plain, *wishes)]
    assert outcomes == ["reserved", "busy", "reserved", "reserved"]


async def test_who_lacks_money_gets_what_others_have_reserved_ahead(bench: Bench) -> None:
    await in_full_talk(bench)
    with bench.database.session() as session:
        project = bench.rows.project_id
        other = add_run(session, project, add_issue(session, project))
        token = tokens.issue(session, other)
        spent = ledger.run_cost(session, bench.rows.run_id).spent_microdollars
        cents = spent // CENT + 5
        budgets.set_limits(session, bench.rows.project_id, run_cents=None, day_cents=cents)
    # About 8,000 are for the input; more than what is left are reserved ahead.
    nearly_all = BODY | {"max_tokens": (cents * CENT - spent - 9_000) // OUTPUT_PRICE}
    assert await ask(bench, nearly_all, token=token) == 200
    run = bench.rows.run_id
    await happens(lambda: rows_ahead(bench.database, run, "released"), "the giving back")


async def test_a_dead_token_has_nothing_ahead_any_more(bench: Bench) -> None:
    await in_full_talk(bench)
    with bench.database.session() as session:
        tokens.revoke(session, bench.rows.run_id)
    run = bench.rows.run_id
    await happens(lambda: not rows_ahead(bench.database, run, "open"), "the giving back")
    assert await ask(bench) == 401


class TestSilence:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"ahead_seconds": 0.3}

    async def test_a_run_that_falls_silent_gives_back(self, bench: Bench) -> None:
        await in_full_talk(bench)
        await happens(lambda: bench.cost().reserved_microdollars == 0, "the giving back")
        assert rows_ahead(bench.database, bench.rows.run_id, "released")


class TestSwitchedOff:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"ahead_seconds": 0}

    async def test_nothing_is_reserved_ahead(self, bench: Bench) -> None:
        bench.vendor.plays = [Play(anthropic_message(SONNET, anthropic_usage(10, 5)))] * 5
        for _ in range(5):
            await ask(bench)
        await bench.settled(5)
        assert rows_ahead(bench.database, bench.rows.run_id, "released") == 0


class Talk:
    """Two reservations ahead of one run, as a gateway of a name has made them."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.rows = add_rows(database)
        with database.session() as session:
            token_hash = tokens.digest(tokens.issue(session, self.rows.run_id))
        self.like = Reservation(self.rows.run_id, token_hash, 800, "anthropic", SONNET)
        self.taken = TakenFile(folder / "taken")
        self.taken.begin()
        self.hears = True
        self.books = self.new_books()
        self.advances = Advances(self.books, self.taken, lambda: self.hears, quick_seconds=60)

    def new_books(self) -> Books:
        url = "postgresql://" + self.database.url.partition("://")[2]
        pool = make_pool(url)
        return Books(pool, url, owner=f"talk-{self.rows.run_id}")

    async def make_two(self) -> None:
        self.advances.ended(self.like)
        assert self.advances.take(self.like) is None
        self.advances.ended(self.like)
        self.advances.ended(self.like)
        self._keeping = asyncio.create_task(self.advances.keep())
        run = self.rows.run_id
        await happens(lambda: rows_ahead(self.database, run, "open") == 2, "two ahead")

    async def end(self) -> None:
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        await self.books.finish(60)
        self.taken.close()


@pytest.mark.parametrize(("knows", "spent"), [(True, 900), (False, 1800)])
async def test_after_a_crash_only_what_may_have_been_used_is_charged(
    database: Database, tmp_path: Path, *, knows: bool, spent: int
) -> None:
    talk = Talk(database, tmp_path)
    await talk.make_two()
    await happens(lambda: talk.advances.take(talk.like) is not None, "one to be taken")
    successor = talk.new_books()
    await successor._pool.open()
    await successor.expire_left_behind(talk.taken.left_behind() if knows else None)
    await successor._pool.close()
    with database.session() as session:
        cost = ledger.run_cost(session, talk.rows.run_id)
    assert (cost.spent_microdollars, cost.reserved_microdollars) == (spent, 0)
    await talk.end()


async def test_while_nobody_would_hear_of_a_dead_token_nothing_is_taken(
    database: Database, tmp_path: Path
) -> None:
    talk = Talk(database, tmp_path)
    await talk.make_two()
    talk.hears = False
    assert talk.advances.take(talk.like) is None
    talk.hears = True
    dearer = Reservation(talk.like.run_id, talk.like.token_hash, 901, "anthropic", SONNET)
    foreign = Reservation(talk.like.run_id, b"another", 800, "anthropic", SONNET)
    assert talk.advances.take(dearer) is talk.advances.take(foreign) is None
    await happens(lambda: talk.advances.take(talk.like) is not None, "one to be taken")
    await talk.end()


def test_what_was_taken_is_known_until_the_machine_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "taken"
    assert TakenFile(path).left_behind() is None
    file = TakenFile(path)
    file.begin()
    ids = [Reservation(1, b"", 1, "v", "m").request_id for _ in range(3)]
    for each in ids:
        file.add(each)
    with path.open("ab") as cut:
        cut.write(b"half an id")
    assert TakenFile(path).left_behind() == frozenset(ids)
    file.begin(ids[:1])
    assert TakenFile(path).left_behind() == frozenset(ids[:1])
    file.close()
    path.write_bytes(b"another start\n" + path.read_bytes().partition(b"\n")[2])
    assert TakenFile(path).left_behind() is None


async def test_a_cap_that_is_lowered_in_full_talk_lets_nothing_more_pass(bench: Bench) -> None:
    """What was reserved ahead under the old one is given back as soon as the new one is there."""
    await in_full_talk(bench)
    for _ in range(5):
        await ask(bench)
    with bench.database.session() as session:
        budgets.set_limits(session, bench.rows.project_id, run_cents=0)
    run = bench.rows.run_id
    await happens(lambda: not rows_ahead(bench.database, run, "open"), "the giving back")
    asked = len(bench.vendor.arrived)
    assert [await ask(bench) for _ in range(5)] == [402] * 5
    assert len(bench.vendor.arrived) == asked


@pytest.mark.parametrize("whose", ["project", "organisation"])
async def test_any_cap_that_is_lowered_is_heard_of(bench: Bench, whose: str) -> None:
    await in_full_talk(bench)
    try:
        with bench.database.session() as session:
            if whose == "project":
                budgets.set_limits(session, bench.rows.project_id, week_cents=0)
            else:
                budgets.set_organisation_limits(session, month_cents=0)
        run = bench.rows.run_id
        await happens(lambda: not rows_ahead(bench.database, run, "open"), "the giving back")
        assert await ask(bench) == 402
    finally:
        with bench.database.session() as session:
            budgets.set_organisation_limits(session, month_cents=None)
