"""`python -m web` as a program: its records, its signals, its refusals, its health."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from paid.embedded import PostgresServer, TemporalServer
from paid.store import sessions
from paid.store.database import Database
from paid.workflows.periodic_job import PeriodicJobWorkflow
from tests.plain_http import NO_TLS
from tests.waiting import HANGS_SECONDS, wait_until
from tests.web.serving import Dashboard, serving


class Program:
    """The dashboard as a process of its own."""

    def __init__(self, database: Database, folder: Path, port: int = 0) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PAID_DATA_DIR": str(folder),
            "PAID_WEB_PORT": str(port),
            "DATABASE_URL": database.url,
            "TEMPORAL_ADDRESS": "127.0.0.1:9",
            "PYTHONUNBUFFERED": "1",
        }
        self.log = folder / "web.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "web"], env=environment, stdout=log, stderr=log
            )

    def url(self) -> str:
        def said() -> list[str]:
            assert self.process.poll() is None, self.log.read_text()
            return [str(one["url"]) for one in self.records() if one["event"] == "listening"]

        wait_until(said, "the dashboard's start")
        return said()[0]

    def records(self) -> list[dict[str, object]]:
        """The log's records; every whole line has to be one, and the last may be half written."""
        whole = self.log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(HANGS_SECONDS)


@pytest.fixture
def program(database: Database, tmp_path: Path) -> Iterator[Program]:
    program = Program(database, tmp_path)
    yield program
    if program.process.poll() is None:
        program.process.kill()
        program.process.wait()


def test_no_request_forges_a_record(program: Program) -> None:
    url = program.url()
    before = len(program.records())
    forged = '\r\n{"event": "forged", "level": "critical"}\r\n\x1b[2K\u2028\u0085'
    with httpx.Client(base_url=url, timeout=60, verify=NO_TLS) as client:
        for path in ("/runs/", "/static/", "/"):
            client.get(httpx.URL(url).copy_with(raw_path=path.encode() + _quoted(forged)))
        client.get("/login", headers={"user-agent": "x", "accept": "a\tb"})
        client.get("/runs?q=" + _quoted(forged).decode())
    assert program.end() == 0
    requests = [one for one in program.records()[before:] if one["event"] == "request"]
    assert len(requests) == 5
    assert all(record["level"] != "critical" for record in program.records())
    assert "\x1b" not in program.log.read_text()


def _quoted(text: str) -> bytes:
    return "".join(f"%{byte:02x}" for byte in text.encode()).encode()


def test_a_login_links_token_is_in_no_record(program: Program, database: Database) -> None:
    url = program.url()
    with database.session() as session:
        token = sessions.new_login_link(session)
    with httpx.Client(base_url=url, headers={"origin": url}, timeout=60, verify=NO_TLS) as client:
        client.get("/login", params={"token": token})
        client.post("/login", data={"token": token})
        cookie = next(iter(client.cookies.values()))
    program.end()
    assert token not in program.log.read_text()
    assert cookie not in program.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_though_people_watch(
    program: Program, database: Database, number: int
) -> None:
    url = program.url()
    with database.session() as session:
        token = sessions.new_login_link(session)
    opened = threading.Event()

    def watch() -> None:
        with httpx.Client(
            base_url=url, headers={"origin": url}, timeout=60, verify=NO_TLS
        ) as client:
            client.post("/login", data={"token": token})
            with client.stream("GET", "/runs/stream") as answer:
                for _ in answer.iter_lines():
                    opened.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert opened.wait(HANGS_SECONDS)
    began = time.monotonic()
    assert program.end(number) == 0
    assert time.monotonic() - began < HANGS_SECONDS / 2, "it waited for those who watch"
    watcher.join(HANGS_SECONDS)


def test_a_taken_port_is_said_in_a_sentence(database: Database, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        program = Program(database, tmp_path, port=other.getsockname()[1])
        assert program.process.wait(HANGS_SECONDS) == 1
    said = program.log.read_text()
    assert "PAID_WEB_PORT" in said
    assert "Traceback" not in said


def test_no_answer_waits_for_a_delayed_acknowledgement(stranger: httpx.Client) -> None:
    """Which takes 40 ms at least, however quick the machine; one quicker answer proves it."""

    def is_quick() -> bool:
        began = time.perf_counter()
        stranger.get("/login")
        return time.perf_counter() - began < 0.035

    wait_until(is_quick, "an answer at once")


def test_health_is_for_machines_and_for_people(
    stranger: httpx.Client, browser: httpx.Client
) -> None:
    assert stranger.get("/health").json() == {"status": "ok", "database": True}
    page = browser.get("/health").text
    assert "PostgreSQL" in page
    assert "does not answer at 127.0.0.1:9" in page


def test_health_answers_the_head_that_load_balancers_send(
    stranger: httpx.Client, browser: httpx.Client
) -> None:
    for client in (stranger, browser):
        answer = client.head("/health")
        assert (answer.status_code, answer.content) == (200, b"")
    assert client.head("/runs").status_code == 405


def test_health_tells_whether_somebody_takes_runs(
    database: Database, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    queue = f"health-{uuid.uuid4()}"
    settings = {"temporal_address": temporal_server.address, "temporal_task_queue": queue}
    with serving(database, tmp_path, **settings) as dashboard, dashboard.client() as browser:

        def is_missed() -> bool:
            return "nobody takes runs" in browser.get("/health").text

        async def with_a_worker() -> None:
            client = await Client.connect(temporal_server.address)
            async with Worker(client, task_queue=queue, workflows=[PeriodicJobWorkflow]):
                await asyncio.to_thread(wait_until, lambda: not is_missed(), "the worker")

        assert is_missed()
        asyncio.run(with_a_worker())


def test_without_the_database_pages_say_so(
    dashboard: Dashboard, browser: httpx.Client, postgres_server: PostgresServer
) -> None:
    name = dashboard.database.url.rpartition("/")[2].partition("?")[0]
    dashboard.database.close()
    postgres_server.drop_database(name)
    answer = browser.get("/runs")
    assert answer.status_code == 503
    assert "PostgreSQL did not answer" in answer.text
    assert browser.get("/health").status_code == 503
    assert browser.head("/health").status_code == 503
    postgres_server.create_database(name, "template_paid")
    assert browser.get("/health").status_code == 200
