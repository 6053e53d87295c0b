from __future__ import annotations

import asyncio
import io
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from paid.embedded import PostgresServer
from paid.gateway.server import serve
from paid.settings import Settings
from paid.store import ledger, tokens
from paid.store.database import Database
from tests.gateway.vendor import FakeVendor
from tests.ledger.rows import Rows, add_rows
from tests.waiting import HANGS_SECONDS, happens

ANTHROPIC = "/anthropic/v1/messages"
CHAT = "/openai/v1/chat/completions"
RESPONSES = "/openai/v1/responses"
GEMINI = "/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
KEYS = {"anthropic": "sk-ant-canary", "openai": "sk-oai-canary", "gemini": "AI-gem-canary"}


@dataclass
class Bench:
    """A gateway, the vendor behind it, and one run in front of it."""

    settings: Settings
    database: Database
    vendor: FakeVendor
    rows: Rows
    token: str
    session: aiohttp.ClientSession
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def socket(self) -> str:
        return str(self.settings.gateway_socket_path)

    def post(self, path: str, body: Any, token: str | None = None, **values: Any) -> Any:
        headers = {"authorization": f"Bearer {token or self.token}"} | values.pop("headers", {})
        is_json = not isinstance(body, bytes | io.IOBase | AsyncIterator)
        data = json.dumps(body).encode() if is_json else body
        headers.setdefault("content-type", "application/json")
        return self.session.post(f"http://gateway{path}", data=data, headers=headers, **values)

    def get(self, path: str) -> Any:
        headers = {"authorization": f"Bearer {self.token}"}
        return self.session.get(f"http://gateway{path}", headers=headers)

    def entries(self) -> list[Any]:
        with self.database.session() as session:
            return ledger.entries(session, self.rows.run_id)

    def cost(self, run_id: int | None = None) -> ledger.RunCost:
        with self.database.session() as session:
            return ledger.run_cost(session, run_id or self.rows.run_id)

    async def settled(self, count: int = 1) -> list[Any]:
        """The entries, once there are so many and nothing is reserved any more."""

        def is_settled() -> bool:
            # In this order: a settlement releases and enters at once.
            return self.cost().reserved_microdollars == 0 and len(self.entries()) >= count

        await happens(is_settled, f"the settlement of {count} requests")
        return self.entries()

    async def raw(self, data: bytes, quiet_seconds: float = 5) -> bytes:
        """What comes back for bytes that no client library would send.

        The first bytes may take as long as they want; then all until the end, or until nothing
        has come for `quiet_seconds` on a connection that stays open.
        """
        reader, writer = await asyncio.open_unix_connection(self.socket)
        writer.write(data)
        answer, seconds = b"", HANGS_SECONDS
        with suppress(TimeoutError, ConnectionError):
            while chunk := await asyncio.wait_for(reader.read(1 << 16), seconds):
                answer += chunk
                seconds = quiet_seconds
        writer.close()
        return answer


def gateway_settings(folder: Path, database_url: str, vendor_url: str, **values: Any) -> Settings:
    defaults = {
        "hold_grace_seconds": 0.3,
        "ahead_seconds": 0.1,
        "read_on_seconds": 5,
        "https_proxy": None,
        "anthropic_api_key": [KEYS["anthropic"]],
        "openai_api_key": [SecretStr(KEYS["openai"])],
    }
    return Settings(
        data_dir=folder,
        database_url=SecretStr(database_url),
        anthropic_base_url=vendor_url,
        openai_base_url=f"{vendor_url}/v1",
        gemini_base_url=vendor_url,
        gemini_api_key=[SecretStr(KEYS["gemini"])],
        **(defaults | values),
    )


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[None]:
    stop, ready = asyncio.Event(), asyncio.Event()
    server = asyncio.create_task(serve(settings, stop, ready=ready))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({server, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if server.done():
        await server
    try:
        yield
    finally:
        stop.set()
        await server


@pytest.fixture(scope="session")
def database(postgres_server: PostgresServer, template_database: str) -> Iterator[Database]:
    """One database for all: every test has a project of its own in it."""
    database = Database(postgres_server.create_database("gateway_tests", template_database))
    yield database
    database.close()


@pytest.fixture
def short_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        (Path(folder) / "registries.json").write_text('{"hosts": ["packages.example"]}')
        yield Path(folder)


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    vendor = FakeVendor()
    await vendor.start()
    yield vendor
    await vendor.stop()


@pytest.fixture
def options() -> dict[str, Any]:
    """Settings that differ; a module or a test overrides this."""
    return {}


@pytest.fixture
async def bench(
    short_folder: Path,
    database: Database,
    vendor: FakeVendor,
    options: dict[str, Any],
) -> AsyncIterator[Bench]:
    rows = add_rows(database)
    with database.session() as session:
        token = tokens.issue(session, rows.run_id)
    settings = gateway_settings(short_folder, database.url, vendor.url, **options)
    connector = aiohttp.UnixConnector(str(settings.gateway_socket_path))
    async with running(settings), aiohttp.ClientSession(connector=connector) as session:
        yield Bench(settings, database, vendor, rows, token, session)
