"""`bin/bench gateway`: what the gateway adds, beside a direct line, a bare proxy and LiteLLM.

All contestants run in one go, in turns, against one mock vendor, and are asked the same things by
one client. LiteLLM is measured when it can be installed (`--litellm`, into the cache folder).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import aiohttp
import psycopg
import uvloop
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from paid.embedded import PostgresServer
from paid.settings import Settings, load_settings
from paid.store.budgets import set_limits
from paid.store.database import Database
from paid.store.tokens import issue

CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Write one word. " * 64}]
SMALL = {"model": "gpt-5", "max_tokens": 16, "messages": MESSAGES}
STREAM = SMALL | {"stream": True, "stream_options": {"include_usage": True}}
CONNECTIONS = 32
CHUNKS = 100
LITELLM = "litellm[proxy]!=1.82.7,!=1.82.8"
"""Those two releases carried a credential stealer."""
TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 120.0


@dataclass
class Contestant:
    """One way to the vendor. `pid` of None means that there is no process between."""

    name: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    socket: str | None = None
    pid: int | None = None

    def session(self) -> aiohttp.ClientSession:
        """A client for it."""
        connector: aiohttp.BaseConnector = aiohttp.TCPConnector(limit=0)
        if self.socket is not None:
            connector = aiohttp.UnixConnector(self.socket, limit=0)
        headers = {"content-type": "application/json"} | self.headers
        return aiohttp.ClientSession(connector=connector, headers=headers)

    def cpu_seconds(self) -> float:
        """What its process has used so far."""
        if self.pid is None:
            return 0.0
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_bytes(self) -> int:
        """What its process has in memory now."""
        if self.pid is None:
            return 0
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Figures:
    """What was measured of one contestant; times in milliseconds."""

    first_byte_ms: float = 0
    request_ms: float = 0
    requests_a_second: float = 0
    cpu_ms_a_stream: float = 0
    streams_at_once: int = 0
    memory_mb: float = 0
    memory_kb_a_stream: float = 0
    same_body: bool = False


async def first_byte(contestant: Contestant, count: int) -> float:
    """Median time to a stream's first byte, one by one."""
    body, times = _encoded(STREAM), []
    async with contestant.session() as session:
        for number in range(count + 5):
            began = perf_counter()
            headers = {"x-client-request-id": "3,0"}
            async with session.post(contestant.url, data=body, headers=headers) as answer:
                await answer.content.readany()
                times.append(perf_counter() - began)
                await answer.read()
            if number < 5:
                times.clear()
    return median(times) * 1000


async def whole_request(contestant: Contestant, count: int) -> float:
    """Median time of a small request that is not streamed, one by one."""
    body, times = _encoded(SMALL), []
    async with contestant.session() as session:
        for _ in range(count):
            began = perf_counter()
            async with session.post(contestant.url, data=body) as answer:
                await answer.read()
                answer.raise_for_status()
            times.append(perf_counter() - began)
    return median(times) * 1000


async def throughput(contestant: Contestant, seconds: float) -> float:
    """Small requests a second on 32 connections."""
    body, done = _encoded(SMALL), 0
    until = perf_counter() + seconds

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal done
        while perf_counter() < until:
            async with session.post(contestant.url, data=body) as answer:
                await answer.read()
                answer.raise_for_status()
            done += 1

    began = perf_counter()
    async with contestant.session() as session:
        await asyncio.gather(*(work(session) for _ in range(CONNECTIONS)))
    return done / (perf_counter() - began)


async def stream_cpu(contestant: Contestant, count: int) -> float:
    """The process's own CPU time for a stream of 100 chunks, in milliseconds."""
    body, began = _encoded(STREAM), contestant.cpu_seconds()
    async with contestant.session() as session:
        for _ in range(count):
            headers = {"x-client-request-id": f"{CHUNKS},0.0005"}
            async with session.post(contestant.url, data=body, headers=headers) as answer:
                await answer.read()
    return (contestant.cpu_seconds() - began) / count * 1000


async def many_streams(contestant: Contestant, count: int) -> tuple[int, int, int]:
    """Streams that ran at once to their end, memory then, and memory before."""
    body, before, peak = _encoded(STREAM), contestant.memory_bytes(), 0
    open_now, ended = 0, 0

    async def one(session: aiohttp.ClientSession) -> None:
        nonlocal open_now, ended
        headers = {"x-client-request-id": "20,0.5"}
        async with session.post(contestant.url, data=body, headers=headers) as answer:
            await answer.content.readany()
            open_now += 1
            text = await answer.read()
            ended += text.endswith(b"[DONE]\n\n")

    async with contestant.session() as session:
        tasks = [asyncio.create_task(one(session)) for _ in range(count)]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0.25)
            peak = max(peak, contestant.memory_bytes())
        await asyncio.gather(*tasks)
    return min(open_now, ended), peak, before


async def same_body(contestant: Contestant, vendor: str) -> bool:
    """Whether a body with odd spacing and escapes arrives byte for byte."""
    text = json.dumps(SMALL, indent=3, ensure_ascii=True).replace("Write", "\\u0057rite")
    body = text.encode()
    async with contestant.session() as session:
        async with session.post(contestant.url, data=body) as answer:
            await answer.read()
        async with aiohttp.ClientSession() as direct, direct.get(f"{vendor}/seen") as answer:
            return await answer.text() == hashlib.sha256(body).hexdigest()


async def measure(
    contestants: Sequence[Contestant], vendor: str, *, quick: bool
) -> dict[str, Figures]:
    """All figures. The short ones go round in turns, so that a busy moment hits everybody."""
    figures = {contestant.name: Figures() for contestant in contestants}
    rounds = 2 if quick else 5
    samples: dict[str, list[tuple[float, float, float]]] = {name: [] for name in figures}
    for _ in range(rounds):
        for contestant in contestants:
            samples[contestant.name].append(
                (
                    await first_byte(contestant, 40),
                    await whole_request(contestant, 40),
                    await throughput(contestant, 1.0 if quick else 2.0),
                )
            )
    for contestant in contestants:
        found = figures[contestant.name]
        columns = list(zip(*samples[contestant.name], strict=True))
        found.first_byte_ms, found.request_ms = median(columns[0]), median(columns[1])
        found.requests_a_second = median(columns[2])
        found.cpu_ms_a_stream = await stream_cpu(contestant, 20 if quick else 100)
        streams = 50 if quick or contestant.name == "litellm" else 500
        ended, peak, before = await many_streams(contestant, streams)
        found.streams_at_once, found.memory_mb = ended, peak / 2**20
        found.memory_kb_a_stream = max(0, peak - before) / streams / 1024
        found.same_body = await same_body(contestant, vendor)
    return figures


@asynccontextmanager
async def _process(arguments: Sequence[str], **values: Any) -> AsyncIterator[tuple[int, str]]:
    """A child that prints its port first; its pid and that line."""
    child = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE, **values)
    try:
        assert child.stdout is not None  # noqa: S101 - it is a pipe
        async with asyncio.timeout(START_SECONDS):
            line = (await child.stdout.readline()).decode().strip()
        yield child.pid, line
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


@asynccontextmanager
async def _gateway(folder: Path, vendor: str, database: Database) -> AsyncIterator[Contestant]:
    run_id = await asyncio.to_thread(_seed, database)
    with database.session() as session:
        token = issue(session, run_id)
    settings = Settings(
        data_dir=folder,
        database_url=SecretStr(database.url),
        openai_base_url=f"{vendor}/v1",
        openai_api_key=[SecretStr("bench")],
    )
    (folder / "registries.json").write_text('{"hosts": []}')
    environment = os.environ | settings.as_environment()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "paid.gateway", env=environment, stderr=subprocess.DEVNULL
    )
    path = str(settings.gateway_socket_path)
    try:
        await _until_it_listens(path)
        headers = {"authorization": f"Bearer {token}"}
        yield Contestant("paid", f"http://gateway/openai{CHAT}", headers, path, child.pid)
    finally:
        child.terminate()
        await child.wait()


async def _until_it_listens(path: str) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_unix_connection(path)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            return


def _seed(database: Database) -> int:
    """A run that may spend without end; returns its id."""
    url = "postgresql://" + database.url.partition("://")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        credential, project, issue_id = (
            "INSERT INTO credential (kind, ciphertext, created_at)"
            " VALUES ('github_token', 'x', now()) RETURNING id",
            "INSERT INTO project (api_url, owner, name, github_id, clone_url, default_branch,"
            " credential_id, state, paused_reason, agent, interval_seconds, time_zone, created_at)"
            " VALUES ('https://forge.example', 'bench', 'bench', 1, 'x', 'main', %s, 'active',"
            " '', 'codex', 60, 'UTC', now()) RETURNING id",
            "INSERT INTO issue (project_id, number, github_id, title, html_url, author, state,"
            " generation, seen_at) VALUES (%s, 1, 1, 'x', 'x', 'x', 'open', 0, now()) RETURNING id",
        )
        row = connection.execute(credential).fetchone()
        project_id = _id(connection.execute(project, row).fetchone())
        issue_number = _id(connection.execute(issue_id, (project_id,)).fetchone())
        run = connection.execute(
            "INSERT INTO run (project_id, issue_id, generation, workflow_id, purpose, status,"
            " requested_by, agent, iterations, tokens_used, error_code, error_message,"
            " cancel_reason, created_at) VALUES (%s, %s, 1, 'bench', 'build', 'running', 'x',"
            " 'codex', 0, 0, '', '', '', now()) RETURNING id",
            (project_id, issue_number),
        ).fetchone()
    with database.session() as session:
        set_limits(session, project_id, run_cents=None, day_cents=None)
    return _id(run)


def _id(row: tuple[Any, ...] | None) -> int:
    assert row is not None  # noqa: S101 - RETURNING gives a row
    return int(row[0])


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


async def _litellm(
    cache: Path, folder: Path, vendor: str
) -> tuple[list[str], dict[str, str]] | None:
    """LiteLLM's command line in a venv of its own; None when it cannot be installed."""
    home = cache / "bench" / "litellm"
    uv = shutil.which("uv")
    if not (home / "bin" / "litellm").exists():
        if uv is None:
            return None
        for command in (
            [uv, "venv", "-q", str(home)],
            [uv, "pip", "install", "-q", "--python", str(home / "bin" / "python"), LITELLM],
        ):
            done = await asyncio.to_thread(subprocess.run, command, check=False)
            if done.returncode != 0:
                shutil.rmtree(home, ignore_errors=True)
                return None
    config = {
        "model_list": [
            {
                "model_name": "gpt-5",
                "litellm_params": {
                    "model": "openai/gpt-5",
                    "api_base": f"{vendor}/v1",
                    "api_key": "bench",
                },
            }
        ]
    }
    file = folder / "litellm.json"
    file.write_text(json.dumps(config))
    return [str(home / "bin" / "litellm"), "--config", str(file)], {
        "PATH": f"{home / 'bin'}:{os.environ.get('PATH', '')}",
        "LITELLM_LOG": "ERROR",
    }


async def _run(settings: Settings, *, quick: bool, with_litellm: bool) -> dict[str, Figures]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bg-")))
        python = [sys.executable, "-m"]
        _, port = await stack.enter_async_context(_process([*python, "paid.bench.vendor"]))
        vendor = f"http://127.0.0.1:{port}"
        pid, own = await stack.enter_async_context(
            _process([*python, "paid.bench.passthrough", port])
        )
        postgres = PostgresServer(folder / "pg")
        url = await asyncio.to_thread(postgres.start)
        stack.callback(postgres.destroy)
        database = Database(url)
        stack.callback(database.close)
        await asyncio.to_thread(database.migrate)
        gateway = await stack.enter_async_context(_gateway(folder, vendor, database))
        contestants = [
            Contestant("direct", f"{vendor}{CHAT}"),
            Contestant("bare proxy", f"http://127.0.0.1:{own}{CHAT}", pid=pid),
            gateway,
        ]
        found = await _litellm(settings.cache_dir, folder, vendor) if with_litellm else None
        if found is not None:
            contestants.append(await stack.enter_async_context(_started_litellm(*found)))
        return await measure(contestants, vendor, quick=quick)


@asynccontextmanager
async def _started_litellm(
    command: list[str], environment: dict[str, str]
) -> AsyncIterator[Contestant]:
    port = 40_000 + os.getpid() % 20_000
    child = await asyncio.create_subprocess_exec(
        *command,
        "--port",
        str(port),
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        contestant = Contestant("litellm", f"http://127.0.0.1:{port}{CHAT}", pid=child.pid)
        async with asyncio.timeout(START_SECONDS), contestant.session() as session:
            while True:
                try:
                    async with session.post(contestant.url, data=_encoded(SMALL)) as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.5)
        yield contestant
    finally:
        child.terminate()
        await child.wait()


def _table(figures: dict[str, Figures]) -> Table:
    table = Table(title="The gateway beside others (medians; lower is better but for requests/s)")
    heads = ("", "first byte", "added", "request", "added", "requests/s")
    for head in (*heads, "CPU a stream", "streams", "memory", "a stream", "same body"):
        table.add_column(head, justify="left" if head == "" else "right")
    direct = figures["direct"]
    for name, found in figures.items():
        table.add_row(
            name,
            f"{found.first_byte_ms:.2f} ms",
            f"{found.first_byte_ms - direct.first_byte_ms:.2f}",
            f"{found.request_ms:.2f} ms",
            f"{found.request_ms - direct.request_ms:.2f}",
            f"{found.requests_a_second:.0f}",
            f"{found.cpu_ms_a_stream:.1f} ms",
            str(found.streams_at_once),
            f"{found.memory_mb:.0f} MB",
            f"{found.memory_kb_a_stream:.0f} kB",
            "yes" if found.same_body else "no",
        )
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the table, or with `--json` one object of the same figures."""
    parser = argparse.ArgumentParser(prog="bin/bench gateway", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a look, not a measurement")
    parser.add_argument("--no-litellm", action="store_true")
    options = parser.parse_args(arguments)
    figures = uvloop.run(
        _run(load_settings(), quick=options.quick, with_litellm=not options.no_litellm)
    )
    if options.json:
        print(json.dumps({name: vars(found) for name, found in figures.items()}))
    else:
        Console(width=140).print(_table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
