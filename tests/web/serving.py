"""The dashboard on a free port of loopback, served by a thread of the test's process."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr

from paid.settings import Settings
from paid.store import sessions
from paid.store.database import Database
from tests.plain_http import NO_TLS
from web import server as web_server
from web.server import serve
from web.services import PING_SECONDS

START_SECONDS = 60
NOBODY = "127.0.0.1:9"
"""Pages must not need Temporal."""


@dataclass
class Dashboard:
    """A running dashboard, and how to sign in to it."""

    url: str
    database: Database
    settings: Settings
    stop: threading.Event

    def login_link(self) -> str:
        with self.database.session() as session:
            token = sessions.new_login_link(session)
        return f"{self.url}/login?token={token}"

    @contextmanager
    def client(self, *, signed_in: bool = True) -> Iterator[httpx.Client]:
        """A browser-like client: it keeps cookies and says where its changes come from."""
        headers = {"origin": self.url, "accept": "text/html"}
        with httpx.Client(
            base_url=self.url, headers=headers, timeout=60, trust_env=False, verify=NO_TLS
        ) as client:
            if signed_in:
                token = self.login_link().partition("token=")[2]
                answer = client.post("/login", data={"token": token})
                assert answer.status_code == 303, answer.text
            yield client


def csrf_token(page: str) -> str:
    """The token that a page's forms carry."""
    found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', page)
    assert found, "the page has no form"
    return found[1]


@contextmanager
def serving(
    database: Database, folder: Path, *, ping_seconds: float = PING_SECONDS, **settings: object
) -> Iterator[Dashboard]:
    chosen = Settings(
        data_dir=folder,
        web_port=0,
        database_url=SecretStr(database.url),
        **{"temporal_address": NOBODY} | settings,  # type: ignore[arg-type]
    )
    thread = _Thread(chosen, ping_seconds)
    thread.start()
    try:
        port = thread.wait_for_port()
        yield Dashboard(f"http://127.0.0.1:{port}", database, chosen, threading.Event())
    finally:
        thread.end()


class _Thread(threading.Thread):
    def __init__(self, settings: Settings, ping_seconds: float) -> None:
        super().__init__(name="dashboard", daemon=True)
        self._settings = settings
        self._ping_seconds = ping_seconds
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._ready = asyncio.Event()
        self._known = threading.Event()
        self._port = 0
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # shown by the test that waits
            self._error = error
        finally:
            self._known.set()
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def wait_for_port(self) -> int:
        assert self._known.wait(START_SECONDS), "the dashboard did not start"
        if self._error is not None:
            raise self._error
        return self._port

    def end(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ending.set)
        self.join(START_SECONDS)
        assert not self.is_alive(), "the dashboard did not stop"

    async def _serve(self) -> None:
        listener = web_server.listen(self._settings)
        self._port = int(listener.getsockname()[1])
        serving_task = asyncio.create_task(
            serve(
                self._settings,
                self._ending,
                ready=self._ready,
                listener=listener,
                ping_seconds=self._ping_seconds,
            )
        )
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait([serving_task, ready], return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if not serving_task.done():
            self._known.set()
        await serving_task
