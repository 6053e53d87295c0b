"""A gateway for one container that belongs to no run: installs reach the project's hosts, and that.

The real gateway knows runs alone, by their tokens. This one lives in the process that tries a
project's checks, for as long as that takes; models cannot be asked through it.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from paid.gateway.access import Access, Grant
from paid.gateway.egress import Egress
from paid.gateway.front import Front, Gate
from paid.gateway.lines import Pool
from paid.gateway.registries import Registries
from paid.settings import Settings

_REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class Trial:
    """The folder with the socket, the token that is good there, and who was refused."""

    folder: Path
    token: str
    denied: list[str] = field(default_factory=list)


@contextmanager
def trial_gateway(settings: Settings, egress_hosts: Sequence[str] | None) -> Iterator[Trial]:
    """Serve from a thread until the block ends. `egress_hosts` of None means the registries."""
    with tempfile.TemporaryDirectory(prefix="paid-try-") as folder:
        Path(folder).chmod(0o755)
        trial = Trial(Path(folder), f"paid_try_{secrets.token_urlsafe(32)}")
        hosts = None if egress_hosts is None else tuple(egress_hosts)
        server = _Server(settings, trial, hosts)
        server.start()
        try:
            yield trial
        finally:
            server.stop()


class _Server:
    """One event loop in a thread."""

    def __init__(self, settings: Settings, trial: Trial, hosts: tuple[str, ...] | None) -> None:
        self._settings, self._trial, self._hosts = settings, trial, hosts
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin; returns when the socket is there."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """End, with every tunnel."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        registries = Registries(self._settings.data_dir / "registries.json")
        await asyncio.to_thread(registries.discover)
        egress = Egress(
            access=cast(Access, _OneToken(self._trial.token, self._hosts)),
            pool=cast(Pool, _Record(self._trial.denied)),
            registries=registries.hosts,
            most_bytes=self._settings.egress_mib << 20,
            proxy=self._settings.https_proxy,
        )
        gate, path = Gate(), self._trial.folder / "gateway.sock"
        server = await self._loop.create_unix_server(
            lambda: Front(gate, _NoModels, egress.tunnel), path=path
        )
        path.chmod(0o666)  # the container's user is another one
        self._ready.set()
        await self._stop.wait()
        server.close()
        await gate.close()


class _OneToken:
    """Knows one token, in the place of the runs' (`Access`)."""

    def __init__(self, token: str, hosts: tuple[str, ...] | None) -> None:
        self._token = token
        self._grant = Grant(run_id=0, project_id=0, token_hash=b"", egress_hosts=hosts)

    async def grant(self, token: str | None) -> Grant | None:
        """The trial's grant, for its token."""
        known = token is not None and hmac.compare_digest(token.encode(), self._token.encode())
        return self._grant if known else None

    @contextmanager
    def working(self, grant: Grant) -> Iterator[None]:
        """Nothing to cancel: the server ends with the trial."""
        yield


class _Record:
    """Takes what the gateway would put on a run's record, in the place of the database."""

    def __init__(self, denied: list[str]) -> None:
        self._denied = denied

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[_Record]:
        """Itself."""
        yield self

    async def execute(self, statement: str, values: Sequence[Any] = ()) -> _Record:
        """Notice a refusal; everything else is forgotten."""
        if "egress.denied" in values:
            self._denied += [str(value.obj["host"]) for value in values if hasattr(value, "obj")]
        return self

    async def fetchone(self) -> None:
        """Nothing was moved before."""
        return


class _NoModels(asyncio.Protocol):
    """Refuses every request that is no tunnel; whoever asks for health sees that somebody is."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(_REFUSED)
        self._transport.close()
