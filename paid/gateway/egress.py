"""The way out for dependency installs: CONNECT to the hosts that a project lists, and nothing else.

The name is resolved here and the connection goes to the very address that was checked, so that a
name which changes its mind between the two looks gains nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from time import monotonic

import psycopg
from psycopg_pool import PoolTimeout

from paid.errors import DatabaseError
from paid.gateway.access import Access, Grant
from paid.gateway.addresses import is_listed, is_name, is_public, resolve
from paid.gateway.answers import AnswerError
from paid.gateway.lines import Pool
from paid.gateway.private_hosts import PrivateHosts
from paid.gateway.run_record import put_on_record
from paid.gateway.tunnels import (
    CapReachedError,
    RefusedTunnelError,
    Streams,
    pump,
    refusal,
    streams,
    target,
    through,
    token,
)

PORTS = frozenset({443})
"""Open on every listed host; another one has to be listed with it."""
CONNECT_SECONDS = 15.0
MOST_TUNNELS_A_RUN = 64
REGISTRIES = "registries"
"""As in `paid.store.setting_rules`, which is not loaded here: this process is small. No host has
such a name, without a dot."""
REPEATED_SECONDS = 60.0
"""The same refusal of the same run is told once a minute: a loop must not fill the record."""
MOST_REFUSALS_TOLD_A_RUN = 200
"""Nor must a loop over names."""
NO_PRIVATE_HOSTS = PrivateHosts()
_NOT_PUBLIC = (
    "{} leads to an address that is not public. Where this is meant, the operator names host "
)
_NOT_PUBLIC += "and network in PAID_EGRESS_PRIVATE."
Resolver = Callable[[str, int], Awaitable[list[str]]]


@dataclass
class Traffic:
    """What went through one tunnel, and where to."""

    host: str
    port: int
    address: str
    up_bytes: int = 0
    down_bytes: int = 0


class Egress:
    """Opens tunnels for runs.

    `registries` gives the hosts of projects that list none of their own; `proxy` is this host's
    own way out, if it has one; then the proxy resolves names, and only the list protects. `private`
    names hosts inside; they are reached without that proxy, at the addresses that it allows.
    """

    def __init__(
        self,
        *,
        access: Access,
        pool: Pool,
        registries: Callable[[], Sequence[str]],
        admit: Callable[[asyncio.BaseTransport | None, int], None] = lambda _, __: None,
        most_bytes: int,
        proxy: str | None = None,
        resolver: Resolver = resolve,
        ports: frozenset[int] = PORTS,
        is_allowed_address: Callable[[str], bool] = is_public,
        private: PrivateHosts = NO_PRIVATE_HOSTS,
    ) -> None:
        self._access = access
        self._pool = pool
        self._registries = registries
        self._admit = admit
        self._most_bytes = most_bytes
        self._proxy = proxy
        self._resolve = resolver
        self._ports = ports
        self._is_allowed_address = is_allowed_address
        self._private = private
        self._moved: dict[int, int] = {}
        self._open: dict[int, int] = {}
        self._told: dict[tuple[int, str, str], float] = {}
        self._refusals_told: dict[int, int] = {}

    async def tunnel(self, transport: asyncio.Transport, head: bytes) -> None:
        """Serve one connection whose head, which starts with CONNECT, has been read."""
        reader, writer = streams(transport)
        try:
            await self._serve(reader, writer, head)
        except RefusedTunnelError as error:
            writer.write(refusal(error))
        except AnswerError as error:
            writer.write(refusal(RefusedTunnelError(error.status, str(error))))
        except DatabaseError:
            writer.write(refusal(RefusedTunnelError(503, "The gateway has no database.")))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes
    ) -> None:
        request, _, early = head.partition(b"\r\n\r\n")
        request += b"\r\n"
        grant = await self._grant(request)
        self._admit(writer.transport, grant.run_id)
        host, port = target(request)
        with self._access.working(grant):
            await self._recall(grant.run_id)
            await self._grant(request)  # as of now: a revocation is heard of from here on
            self._open[grant.run_id] = self._open.get(grant.run_id, 0) + 1
            try:
                there, address = await self._open_way(grant, host, port)
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                traffic = Traffic(host, port, address)
                await self._carry(grant, (reader, writer), there, traffic, early)
            finally:
                self._open[grant.run_id] -= 1

    async def _grant(self, request: bytes) -> Grant:
        grant = await self._access.grant(token(request))
        if grant is None:
            raise RefusedTunnelError(407, "This run token is not known here, or its run ended.")
        return grant

    async def _open_way(self, grant: Grant, host: str, port: int) -> tuple[Streams, str]:
        try:
            self._check(grant, host, port)
            return await self._connect(host, port)
        except RefusedTunnelError as error:
            await self._tell_refusal(grant, host, port, str(error))
            raise

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
        listed = self._listed(grant)
        if not is_name(host) or not is_listed(host, port, listed, self._ports):
            named = host if port in self._ports else f"{host}:{port}"
            raise RefusedTunnelError(403, f"{named} is not on this project's list of hosts.")
        if self._moved.get(grant.run_id, 0) >= self._most_bytes:
            raise RefusedTunnelError(403, "This run has moved as many bytes as it may.")
        if self._open.get(grant.run_id, 0) > MOST_TUNNELS_A_RUN:
            raise RefusedTunnelError(429, "This run has as many tunnels open as it may.")

    def _listed(self, grant: Grant) -> Sequence[str]:
        """The hosts of the run's project; the word for the registries stands for theirs."""
        if grant.egress_hosts is None:
            return self._registries()
        if REGISTRIES not in grant.egress_hosts:
            return grant.egress_hosts
        return [*self._registries(), *grant.egress_hosts]

    async def _connect(self, host: str, port: int) -> tuple[Streams, str]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if self._proxy is not None and not self._private.names(host):
                    return await through(self._proxy, host, port), "proxy"
                addresses = await self._resolve(host, port)
                if not addresses or not all(self._may_be_at(host, it) for it in addresses):
                    raise RefusedTunnelError(403, _NOT_PUBLIC.format(host))
                return await _first_that_answers(addresses, port)
        except (OSError, TimeoutError) as error:
            raise RefusedTunnelError(502, f"{host} cannot be reached.") from error

    def _may_be_at(self, host: str, address: str) -> bool:
        return self._is_allowed_address(address) or self._private.allows(host, address)

    async def _carry(
        self, grant: Grant, here: Streams, there: Streams, traffic: Traffic, early: bytes
    ) -> None:
        """Both ways until one side is done, silent for too long, or over the run's cap."""
        run_id, began = grant.run_id, monotonic()

        def up(size: int) -> bool:
            traffic.up_bytes += size
            return self._may_move(run_id, size)

        def down(size: int) -> bool:
            traffic.down_bytes += size
            return self._may_move(run_id, size)

        try:
            if early:
                up(len(early))
                there[1].write(early)
            async with asyncio.TaskGroup() as group:
                group.create_task(pump(here[0], there[1], up))
                group.create_task(pump(there[0], here[1], down))
        except* (OSError, TimeoutError, CapReachedError):
            pass
        finally:
            there[1].close()
            data = asdict(traffic) | {"seconds": round(monotonic() - began, 3)}
            told = put_on_record(self._pool, grant, "egress.connection", data)
            await asyncio.shield(told)

    def _may_move(self, run_id: int, size: int) -> bool:
        self._moved[run_id] = self._moved.get(run_id, 0) + size
        return self._moved[run_id] <= self._most_bytes

    async def _tell_refusal(self, grant: Grant, host: str, port: int, reason: str) -> None:
        key = (grant.run_id, host, reason)
        told = self._refusals_told.get(grant.run_id, 0)
        if self._told.get(key, 0) > monotonic() or told >= MOST_REFUSALS_TOLD_A_RUN:
            return
        if len(self._told) > 10_000:
            self._told.clear()
        self._told[key] = monotonic() + REPEATED_SECONDS
        self._refusals_told[grant.run_id] = told + 1
        data = {"host": host, "port": port, "reason": reason}
        await put_on_record(self._pool, grant, "egress.denied", data)


async def _first_that_answers(addresses: Sequence[str], port: int) -> tuple[Streams, str]:
    """A connection to one of them, in their order, each with its share of the time.

    Raises OSError and TimeoutError when none answers: a host without a route for IPv6 may be given
    such an address first.
    """
    *others, last = addresses
    for address in others:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS / len(addresses)):
                return await asyncio.open_connection(address, port), address
    return await asyncio.open_connection(last, port), last
