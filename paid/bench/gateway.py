"""`bin/bench gateway`: what the gateway adds, beside a direct line, a bare proxy and LiteLLM.

All contestants run in one go, in turns, against one mock vendor, and are asked the same things by
one client. LiteLLM is measured when it can be installed (`--litellm`, into the cache folder).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import aiohttp
import uvloop
from rich.console import Console
from rich.table import Table

from paid.bench.contestants import (
    CHAT,
    Contestant,
    child,
    gateway,
    litellm,
    litellm_command,
)
from paid.bench.figures import machine
from paid.embedded import PostgresServer
from paid.settings import Settings, load_settings
from paid.store.database import Database

MESSAGES = [{"role": "user", "content": "Write one word. " * 64}]
SMALL = {"model": "gpt-5", "max_tokens": 16, "messages": MESSAGES}
STREAM = SMALL | {"stream": True, "stream_options": {"include_usage": True}}
CONNECTIONS = 32
CHUNKS = 100


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


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


async def _run(settings: Settings, *, quick: bool, with_litellm: bool) -> dict[str, Figures]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bg-")))
        python = [sys.executable, "-m"]
        _, port = await stack.enter_async_context(child([*python, "paid.bench.vendor"]))
        vendor = f"http://127.0.0.1:{port}"
        pid, own = await stack.enter_async_context(child([*python, "paid.bench.passthrough", port]))
        postgres = PostgresServer(folder / "pg")
        url = await asyncio.to_thread(postgres.start)
        stack.callback(postgres.destroy)
        database = Database(url)
        stack.callback(database.close)
        await asyncio.to_thread(database.migrate)
        ours = await stack.enter_async_context(gateway(folder, vendor, database))
        contestants = [
            Contestant("direct", f"{vendor}{CHAT}"),
            Contestant("bare proxy", f"http://127.0.0.1:{own}{CHAT}", pid=pid),
            ours,
        ]
        found = await litellm_command(settings.cache_dir, folder, vendor) if with_litellm else None
        if found is not None:
            other = await stack.enter_async_context(litellm(*found))
            contestants += [] if other is None else [other]
        return await measure(contestants, vendor, quick=quick)


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


def _ratios(figures: dict[str, Figures]) -> dict[str, float]:
    """The product by its floors, as the aims have it."""
    direct, bare, ours = (figures[name] for name in ("direct", "bare proxy", "paid"))
    other = figures.get("litellm")

    def added(found: Figures) -> float:
        return max(found.first_byte_ms - direct.first_byte_ms, 0.001)

    ratios = {"added first byte, by the bare proxy's (aim: 2)": added(ours) / added(bare)}
    if other is not None:
        ratios |= {
            "added first byte, by LiteLLM's (aim: 0.25)": added(ours) / added(other),
            "requests a second, by LiteLLM's (aim: 10)": ours.requests_a_second
            / max(other.requests_a_second, 0.001),
        }
    return ratios


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the table, or with `--json` one object of the same figures."""
    parser = argparse.ArgumentParser(prog="bin/bench gateway", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a look, not a measurement")
    parser.add_argument("--no-litellm", action="store_true")
    options = parser.parse_args(arguments)
    before = machine()
    figures = uvloop.run(
        _run(load_settings(), quick=options.quick, with_litellm=not options.no_litellm)
    )
    ratios = _ratios(figures)
    if options.json:
        rows = {name: vars(found) for name, found in figures.items()}
        print(json.dumps({"machine": before, "rows": rows, "details": ratios}))
    else:
        Console(width=140).print(_table(figures))
        for name, ratio in ratios.items():
            print(f"{name}: {ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
