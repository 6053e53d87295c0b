"""Live pages: what arrives, in what order, and how streams end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from paid.contracts import RunStatus
from paid.store import events, runs
from paid.store.database import Database
from paid.store.events import NewEvent
from tests.plain_http import NO_TLS
from tests.waiting import HANGS_SECONDS, wait_until
from tests.web.seed import Seed
from tests.web.serving import Dashboard, csrf_token, serving
from web.services import PING_SECONDS


@dataclass
class Message:
    event: str
    id: str
    data: str


def messages(lines: Iterator[str]) -> Iterator[Message]:
    """The stream's messages, as a browser would dispatch them."""
    fields: dict[str, list[str]] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                event, mark = fields["event"][0], fields.get("id", [""])[0]
                yield Message(event, mark, "\n".join(fields["data"]))
            fields = {}
            continue
        name, _, value = line.partition(": ")
        fields.setdefault(name, []).append(value)


@contextmanager
def stream(client: httpx.Client, path: str, **headers: str) -> Iterator[Iterator[Message]]:
    with client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield messages(answer.iter_lines())


def until(found: Iterator[Message], event: str, *, having: str = "") -> Message:
    return next(one for one in found if one.event == event and having in one.data)


@pytest.fixture
def run_id(database: Database, tmp_path: Path) -> int:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        return seed.run(seed.project())


def say(database: Database, run_id: int, kind: str, **data: str) -> None:
    with database.session() as session:
        run = runs.get(session, run_id)
        events.append_to_run(session, run_id, run.project_id, NewEvent(kind, dict(data)))


def add_output(database: Database, folder: Path, run_id: int, number: int, printed: str) -> None:
    with database.session() as session:
        seed = Seed(session, folder)
        step_id = session.connection().execute(text("SELECT max(id) FROM step")).scalar()
        seed.output(run_id, step_id or seed.step(run_id), number, printed)


def test_what_the_agent_says_arrives_at_once(
    browser: httpx.Client, database: Database, run_id: int
) -> None:
    with stream(browser, f"/runs/{run_id}/stream") as found:
        until(found, "summary")
        began = time.monotonic()
        say(database, run_id, "agent.message", text="I begin.")
        message = until(found, "activity")
    assert "I begin." in message.data
    assert time.monotonic() - began < 5


def test_output_arrives_without_escapes_and_escaped(
    browser: httpx.Client, database: Database, run_id: int, tmp_path: Path
) -> None:
    with stream(browser, f"/runs/{run_id}/stream") as found:
        add_output(database, tmp_path, run_id, 0, "\x1b]52;c;ZXZpbA==\x07<b>bold</b>\x1b[2Jdone")
        message = until(found, "output")
    assert "&lt;b&gt;bold&lt;/b&gt;done" in message.data
    assert "\x1b" not in message.data
    assert "ZXZpbA" not in message.data


def test_a_line_cannot_forge_a_message_of_its_own(
    browser: httpx.Client, database: Database, run_id: int, tmp_path: Path
) -> None:
    with stream(browser, f"/runs/{run_id}/stream") as found:
        forged = "x\r\revent: summary\rdata: forged\n\nevent: summary\ndata: forged"
        add_output(database, tmp_path, run_id, 0, forged)
        message = until(found, "output")
    assert "event: summary\ndata: forged" in message.data


def test_a_reader_goes_on_where_it_was(
    browser: httpx.Client, database: Database, run_id: int, tmp_path: Path
) -> None:
    say(database, run_id, "agent.message", text="first")
    add_output(database, tmp_path, run_id, 0, "line one")
    with stream(browser, f"/runs/{run_id}/stream") as found:
        until(found, "activity", having="first")
        place = until(found, "output", having="line one").id
    say(database, run_id, "agent.message", text="second")
    add_output(database, tmp_path, run_id, 1, "line two")
    with stream(browser, f"/runs/{run_id}/stream", **{"last-event-id": place}) as found:
        activity = until(found, "activity")
        output = until(found, "output")
    assert "second" in activity.data
    assert "first" not in activity.data
    assert "line two" in output.data
    assert "line one" not in output.data


def test_the_page_and_its_stream_meet_without_a_gap(
    browser: httpx.Client, database: Database, run_id: int
) -> None:
    say(database, run_id, "agent.message", text="on the page")
    page = browser.get(f"/runs/{run_id}").text
    address = page.partition('sse-connect="')[2].partition('"')[0]
    say(database, run_id, "agent.message", text="in between")
    with stream(browser, address) as found:
        activity = until(found, "activity")
    assert "on the page" in page
    assert "in between" in activity.data
    assert "on the page" not in activity.data


@pytest.mark.parametrize(
    "place",
    ["", "12", "e1", "e-1.o2", "e1.o1; DROP TABLE run", "e\u0661.o1", "e" + "9" * 30 + ".o1"],
)
def test_a_place_that_is_none_is_refused(browser: httpx.Client, run_id: int, place: str) -> None:
    answer = browser.get(f"/runs/{run_id}/stream", params={"after": place})
    assert answer.status_code == 400


def test_a_stream_of_no_run_is_not_found(browser: httpx.Client) -> None:
    assert browser.get("/runs/999999/stream").status_code == 404


def test_a_stream_ends_with_its_run(browser: httpx.Client, database: Database, run_id: int) -> None:
    with stream(browser, f"/runs/{run_id}/stream") as found:
        until(found, "summary")
        with database.session() as session:
            runs.end(session, run_id, RunStatus.FAILED, "agent", "It gave up.")
        shown = until(found, "summary", having="It gave up.")
        assert until(found, "ended")
        assert list(found) == []
    assert "notice-bad" in shown.data


def test_money_shows_as_it_is_spent(
    browser: httpx.Client, database: Database, run_id: int, tmp_path: Path
) -> None:
    with stream(browser, f"/runs/{run_id}/stream") as found:
        until(found, "meters", having="$0.00")
        with database.session() as session:
            Seed(session, tmp_path).spend(run_id, 1_230_000)
        until(found, "meters", having="$1.23")


def test_a_wait_for_money_shows_with_its_form(
    browser: httpx.Client, database: Database, run_id: int, tmp_path: Path
) -> None:
    with stream(browser, f"/runs/{run_id}/stream") as found:
        until(found, "summary")
        with database.session() as session:
            Seed(session, tmp_path).hold(
                run_id,
                scope="run",
                period="total",
                limit_microdollars=1_000_000,
                spent_microdollars=900_000,
                needed_microdollars=9_000_000,
            )
        hold = until(found, "hold", having="Raise and go on")
    assert csrf_token(hold.data)


def test_the_list_and_its_stream_meet_without_a_gap(
    browser: httpx.Client, database: Database, run_id: int
) -> None:
    address = browser.get("/runs").text.partition('sse-connect="')[2].partition('"')[0]
    say(database, run_id, "run.host", host="in between")
    with stream(browser, address) as found:
        told = until(found, "runs")
    say(database, run_id, "run.host", host="while the connection was lost")
    with stream(browser, address, **{"last-event-id": told.id}) as found:
        assert int(until(found, "runs").id) > int(told.id)


def test_a_list_that_is_up_to_date_is_not_read_twice(restless: httpx.Client, run_id: int) -> None:
    address = restless.get("/runs").text.partition('sse-connect="')[2].partition('"')[0]
    with restless.stream("GET", address) as answer:
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(3)] == [": listening", "", ": ping"]


def test_the_list_hears_of_every_change(
    browser: httpx.Client, database: Database, run_id: int
) -> None:
    with browser.stream("GET", "/runs/stream") as answer:
        lines = answer.iter_lines()
        assert next(lines) == ": listening"
        say(database, run_id, "run.host", host="h")
        assert until(messages(lines), "runs")


@pytest.fixture
def restless(database: Database, tmp_path: Path) -> Iterator[httpx.Client]:
    """Somebody who is signed in to a dashboard whose quiet streams are heard of soon."""
    with serving(database, tmp_path, ping_seconds=0.3) as running, running.client() as client:
        yield client


def test_quiet_streams_are_kept_open_by_comments(restless: httpx.Client, run_id: int) -> None:
    with restless.stream("GET", f"/runs/{run_id}/stream") as answer:
        pings = (line for line in answer.iter_lines() if line == ": ping")
        assert next(pings)
        assert next(pings)


def test_a_stream_ends_when_its_person_signs_out(restless: httpx.Client, run_id: int) -> None:
    token = csrf_token(restless.get("/runs").text)
    with restless.stream("GET", f"/runs/{run_id}/stream") as answer:
        lines = answer.iter_lines()
        next(lines)
        with httpx.Client(
            base_url=str(restless.base_url), cookies=restless.cookies, timeout=60, verify=NO_TLS
        ) as other:
            headers = {"origin": restless.headers["origin"]}
            other.post("/logout", data={"csrf_token": token}, headers=headers)
        list(lines)


def test_a_lost_connection_to_the_database_loses_no_news(
    browser: httpx.Client, database: Database, run_id: int
) -> None:
    with stream(browser, f"/runs/{run_id}/stream") as found:
        until(found, "summary")
        wait_until(lambda: listening(database), "the dashboard's LISTEN")
        before = listening(database)
        with database.session() as session:
            for pid in before:
                session.connection().execute(text("SELECT pg_terminate_backend(:p)"), {"p": pid})
        began = time.monotonic()
        wait_until(lambda: not listening(database) & before, "the end of the connection")
        say(database, run_id, "agent.message", text="while nobody listened")
        assert until(found, "activity", having="while nobody listened")
        assert time.monotonic() - began < PING_SECONDS - 5


def listening(database: Database) -> set[int]:
    """The processes of PostgreSQL that the dashboard listens on."""
    with database.session() as session:
        found = session.connection().execute(
            text(
                "SELECT pid FROM pg_stat_activity"
                " WHERE application_name = 'paid-web-live' AND datname = current_database()"
            )
        )
        return set(found.scalars())


def test_a_hundred_viewers_share_one_listening_connection(
    dashboard: Dashboard, database: Database, run_id: int
) -> None:
    with dashboard.client() as browser:
        opened = [browser.stream("GET", "/runs/stream") for _ in range(100)]
        answers = [one.__enter__() for one in opened]
        try:
            for answer in answers:
                assert next(answer.iter_raw()).startswith(b": listening")
            assert len(listening(database)) == 1
        finally:
            for one in opened:
                one.__exit__(None, None, None)


def test_stopping_does_not_wait_for_those_who_watch(
    database: Database, tmp_path: Path, run_id: int
) -> None:
    ended = threading.Event()

    def watch(dashboard: Dashboard, begun: Callable[[], None]) -> None:
        with dashboard.client() as browser, browser.stream("GET", "/runs/stream") as answer:
            lines = answer.iter_lines()
            next(lines)
            begun()
            list(lines)
        ended.set()

    with serving(database, tmp_path / "web") as dashboard:
        begun = threading.Event()
        thread = threading.Thread(target=watch, args=(dashboard, begun.set))
        thread.start()
        assert begun.wait(HANGS_SECONDS)
    thread.join(HANGS_SECONDS)
    assert ended.is_set(), "the stream was cut off after the time for open requests"
