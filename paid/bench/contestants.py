"""The ways to a model that `bin/bench gateway` compares, each started and stopped here."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import psycopg
from pydantic import SecretStr

from paid.settings import Settings
from paid.store.budgets import set_limits
from paid.store.database import Database
from paid.store.tokens import issue

CHAT = "/v1/chat/completions"
LITELLM = "litellm[proxy]!=1.82.7,!=1.82.8"
"""Those two releases carried a credential stealer."""
TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 120.0
PROBE = {"model": "gpt-5", "max_tokens": 16, "messages": [{"role": "user", "content": "Hi"}]}


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


@asynccontextmanager
async def child(arguments: Sequence[str], **values: Any) -> AsyncIterator[tuple[int, str]]:
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
async def gateway(folder: Path, vendor: str, database: Database) -> AsyncIterator[Contestant]:
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


async def litellm_command(
    cache: Path, folder: Path, vendor: str
) -> tuple[list[str], dict[str, str]] | None:
    """LiteLLM's command line in a venv of its own; None when it cannot be installed."""
    home = cache / "bench" / "litellm"
    if not (home / "bin" / "litellm").exists():
        print("Installing LiteLLM, which takes a minute …", file=sys.stderr)
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(home)],
            [str(home / "bin" / "pip"), "install", "--quiet", LITELLM],
        ):
            done = await asyncio.to_thread(subprocess.run, command, check=False)
            if done.returncode != 0:
                shutil.rmtree(home, ignore_errors=True)
                print("LiteLLM cannot be installed, and is left out.", file=sys.stderr)
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
        "LITELLM_MASTER_KEY": "sk-" + secrets.token_hex(32),
    }


@asynccontextmanager
async def litellm(
    command: list[str], environment: dict[str, str]
) -> AsyncIterator[Contestant | None]:
    """LiteLLM's proxy; None when it does not come up."""
    port = 40_000 + os.getpid() % 20_000
    child = await asyncio.create_subprocess_exec(
        *command,
        "--port",
        str(port),
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    key = environment["LITELLM_MASTER_KEY"]
    contestant = Contestant(
        "litellm",
        f"http://127.0.0.1:{port}{CHAT}",
        {"authorization": f"Bearer {key}"},
        pid=child.pid,
    )
    try:
        yield contestant if await _comes_up(contestant, child) else None
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


async def _comes_up(contestant: Contestant, child: asyncio.subprocess.Process) -> bool:
    until = monotonic() + START_SECONDS
    async with contestant.session() as session:
        while child.returncode is None and monotonic() < until:
            with suppress(aiohttp.ClientError):
                async with session.post(contestant.url, json=PROBE) as answer:
                    if answer.status == 200:
                        return True
            await asyncio.sleep(0.5)
    return False
