"""The way out for dependency installs: CONNECT to the hosts that a project lists, and nothing else.

The name is resolved here and the connection goes to the very address that was checked, so that a
name which changes its mind between the two looks gains nothing.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from paid.errors import DatabaseError
from paid.gateway.access import Access, Grant
from paid.gateway.addresses import is_listed, is_name, is_public, resolve
from paid.gateway.lines import Pool

log = logging.getLogger(__name__)

PORTS = frozenset({443})
CONNECT_SECONDS = 15.0
IDLE_SECONDS = 300.0
CHUNK_BYTES = 1 << 16
MOST_TUNNELS_A_RUN = 64
REPEATED_SECONDS = 60.0
"""The same refusal of the same run is told once a minute: a loop must not fill the record."""
_HEAD = re.compile(rb"CONNECT ([^\s/?#@]{1,261}):(\d{1,5}) HTTP/1\.[01]\r\n")
_AUTHORISATION = re.compile(
    rb"(?im)^proxy-authorization:[ \t]*basic[ \t]+([A-Za-z0-9+/=]+)[ \t]*\r$"
)

Resolver = Callable[[str, int], Awaitable[list[str]]]


class RefusedTunnelError(Exception):
    """Raised when a tunnel is not opened; `status` is what the client is told."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass
class Traffic:
    """What went through one tunnel, and what the run may still move in all its tunnels."""

    up_bytes: int = 0
    down_bytes: int = 0


class Egress:
    """Opens tunnels for runs.

    `registries` gives the hosts of projects that list none of their own; `proxy` is this host's
    own way out, if it has one; then the proxy resolves names, and only the list protects.
    """

    def __init__(
        self,
        *,
        access: Access,
        pool: Pool,
        registries: Callable[[], Sequence[str]],
        most_bytes: int,
        proxy: str | None = None,
        resolver: Resolver = resolve,
        ports: frozenset[int] = PORTS,
        is_allowed_address: Callable[[str], bool] = is_public,
    ) -> None:
        self._access = access
        self._pool = pool
        self._registries = registries
        self._most_bytes = most_bytes
        self._proxy = proxy
        self._resolve = resolver
        self._ports = ports
        self._is_allowed_address = is_allowed_address
        self._moved: dict[int, int] = {}
        self._open: dict[int, int] = {}
        self._told: dict[tuple[int, str, str], float] = {}

    async def tunnel(self, transport: asyncio.Transport, head: bytes) -> None:
        """Serve one connection whose head, which starts with CONNECT, has been read."""
        reader, writer = _streams(transport)
        try:
            await self._serve(reader, writer, head)
        except RefusedTunnelError as error:
            writer.write(_refusal(error))
        except DatabaseError:
            writer.write(_refusal(RefusedTunnelError(503, "The gateway has no database.")))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes
    ) -> None:
        request, _, early = head.partition(b"\r\n\r\n")
        request += b"\r\n"
        grant = await self._access.grant(_token(request))
        if grant is None:
            raise RefusedTunnelError(407, "This run token is not known here, or its run ended.")
        host, port = _target(request)
        with self._access.working(grant.run_id):
            await self._recall(grant.run_id)
            try:
                self._check(grant, host, port)
                there, address = await self._connect(host, port)
            except RefusedTunnelError as error:
                await self._tell_refusal(grant, host, port, str(error))
                raise
            self._open[grant.run_id] = self._open.get(grant.run_id, 0) + 1
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            traffic, began = Traffic(), monotonic()
            try:
                await self._carry(grant.run_id, (reader, writer), there, traffic, early)
            finally:
                self._open[grant.run_id] -= 1
                data = {
                    "host": host,
                    "port": port,
                    "address": address,
                    "up_bytes": traffic.up_bytes,
                    "down_bytes": traffic.down_bytes,
                    "seconds": round(monotonic() - began, 3),
                }
                await asyncio.shield(self._tell(grant, "egress.connection", data))

    async def _recall(self, run_id: int) -> None:
        """What a run moved under an earlier gateway counts too."""
        if run_id in self._moved:
            return
        question = (
            "SELECT sum((data ->> 'up_bytes')::bigint + (data ->> 'down_bytes')::bigint)"
            " AS moved FROM event WHERE run_id = %s AND kind = 'egress.connection'"
        )
        try:
            async with self._pool.connection() as connection:
                row = await (await connection.execute(question, (run_id,))).fetchone()
        except (psycopg.Error, PoolTimeout) as error:
            raise DatabaseError("PostgreSQL does not answer the gateway.") from error
        self._moved.setdefault(run_id, int(row["moved"] or 0) if row else 0)

    def _check(self, grant: Grant, host: str, port: int) -> None:
        listed = self._registries() if grant.egress_hosts is None else grant.egress_hosts
        if port not in self._ports:
            raise RefusedTunnelError(403, f"Port {port} is not open.")
        if not is_name(host) or not is_listed(host, listed):
            raise RefusedTunnelError(403, f"{host} is not on this project's list of hosts.")
        if self._moved.get(grant.run_id, 0) >= self._most_bytes:
            raise RefusedTunnelError(403, "This run has moved as many bytes as it may.")
        if self._open.get(grant.run_id, 0) >= MOST_TUNNELS_A_RUN:
            raise RefusedTunnelError(429, "This run has as many tunnels open as it may.")

    async def _connect(
        self, host: str, port: int
    ) -> tuple[tuple[asyncio.StreamReader, asyncio.StreamWriter], str]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if self._proxy is not None:
                    return await _through(self._proxy, host, port), "proxy"
                addresses = await self._resolve(host, port)
                if not addresses or not all(map(self._is_allowed_address, addresses)):
                    raise RefusedTunnelError(403, f"{host} leads to an address that is not public.")
                return await asyncio.open_connection(addresses[0], port), addresses[0]
        except (OSError, TimeoutError) as error:
            raise RefusedTunnelError(502, f"{host} cannot be reached.") from error

    async def _carry(
        self,
        run_id: int,
        here: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        there: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        traffic: Traffic,
        early: bytes,
    ) -> None:
        """Both ways until one side is done, silent for too long, or over the run's cap."""

        def count(size: int, *, up: bool) -> bool:
            self._moved[run_id] = self._moved.get(run_id, 0) + size
            if up:
                traffic.up_bytes += size
            else:
                traffic.down_bytes += size
            return self._moved[run_id] <= self._most_bytes

        try:
            if early:
                count(len(early), up=True)
                there[1].write(early)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(here[0], there[1], lambda size: count(size, up=True)))
                group.create_task(_pump(there[0], here[1], lambda size: count(size, up=False)))
        except* (OSError, TimeoutError, _CapReachedError):
            pass
        finally:
            there[1].close()

    async def _tell_refusal(self, grant: Grant, host: str, port: int, reason: str) -> None:
        key = (grant.run_id, host, reason)
        if self._told.get(key, 0) > monotonic():
            return
        if len(self._told) > 10_000:
            self._told.clear()
        self._told[key] = monotonic() + REPEATED_SECONDS
        data = {"host": host, "port": port, "reason": reason}
        await self._tell(grant, "egress.denied", data)

    async def _tell(self, grant: Grant, kind: str, data: dict[str, Any]) -> None:
        """Put an event on the run's record; a database that is away does not stop the tunnel."""
        try:
            async with self._pool.connection() as connection:
                await connection.execute(
                    "INSERT INTO event (chain, run_id, project_id, kind, data, at)"
                    " VALUES (%s, %s, %s, %s, %s, clock_timestamp())",
                    (f"run:{grant.run_id}", grant.run_id, grant.project_id, kind, Jsonb(data)),
                )
        except (psycopg.OperationalError, PoolTimeout) as error:
            log.warning("a connection of run %s is not on record: %s", grant.run_id, error)


class _CapReachedError(Exception):
    """Raised to end both directions of a tunnel."""


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[int], bool]
) -> None:
    while True:
        async with asyncio.timeout(IDLE_SECONDS):
            chunk = await reader.read(CHUNK_BYTES)
        if not chunk:
            break
        if not count(len(chunk)):
            raise _CapReachedError
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        with suppress(OSError):
            writer.write_eof()


def _streams(
    transport: asyncio.Transport,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=CHUNK_BYTES, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    transport.resume_reading()
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _target(head: bytes) -> tuple[str, int]:
    found = _HEAD.match(head)
    if found is None:
        raise RefusedTunnelError(400, "CONNECT wants HOST:PORT.")
    port = int(found[2])
    if port > 65535:
        raise RefusedTunnelError(400, "There is no such port.")
    return found[1].decode("ascii", "replace").lower(), port


def _token(head: bytes) -> str | None:
    """The password of `Proxy-Authorization: Basic`; the user's name does not matter."""
    found = _AUTHORISATION.findall(head)
    if len(found) != 1:
        return None
    try:
        _, _, password = base64.b64decode(found[0], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password


def _refusal(error: RefusedTunnelError) -> bytes:
    words = {400: "Bad Request", 403: "Forbidden", 407: "Proxy Authentication Required"}
    body = f"{error}\n".encode()
    challenge = "proxy-authenticate: Basic realm=paid\r\n" if error.status == 407 else ""
    return (
        f"HTTP/1.1 {error.status} {words.get(error.status, 'Refused')}\r\n{challenge}"
        f"content-type: text/plain\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    ).encode() + body


async def _through(
    proxy: str, host: str, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A tunnel through this host's own proxy. Raises OSError when the proxy refuses."""
    place = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    reader, writer = await asyncio.open_connection(place.hostname, place.port or 80)
    head = f"CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n"
    if place.username is not None:
        pair = f"{place.username}:{place.password or ''}".encode()
        head += f"proxy-authorization: Basic {base64.b64encode(pair).decode()}\r\n"
    writer.write(head.encode() + b"\r\n")
    try:
        answer = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        writer.close()
        raise OSError("the proxy's answer makes no sense") from error
    if answer.split(b" ", 2)[1:2] != [b"200"]:
        writer.close()
        raise OSError("the proxy refuses")
    return reader, writer
