"""The gateway's process: its socket, its parts, and their order of starting and stopping."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import logging
import os
import resource
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

from aiohttp import web

from paid.errors import ConfigurationError, DatabaseError
from paid.gateway import known_vendors, private_hosts
from paid.gateway.access import Access
from paid.gateway.advances import Advances
from paid.gateway.billing import Billing
from paid.gateway.books import Books
from paid.gateway.caller import MOST_READ_ON, Callers
from paid.gateway.delivery import Delivery
from paid.gateway.earlier import Earlier
from paid.gateway.egress import Egress
from paid.gateway.front import Front
from paid.gateway.gate import MOST_CONNECTIONS, STRANGERS_PART, Gate
from paid.gateway.lines import Pool, make_pool
from paid.gateway.listing import Listing
from paid.gateway.prices import Prices, warm_up
from paid.gateway.protocol import Protocol
from paid.gateway.purse import Purse
from paid.gateway.refusals import Refusals
from paid.gateway.registries import Registries
from paid.gateway.relay import Relay
from paid.gateway.stored import Corrections, Note, NotesFile, StoredAnswers
from paid.gateway.taken import TakenFile
from paid.gateway.upstream import Upstream
from paid.gateway.vendors import vendors
from paid.settings import Settings

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
READ_ON_SECONDS = 6.0
"""How long vendors' answers are waited for at the end. Together with what follows it is less than
the 15 s that `paid up` gives a program."""
CLOSE_SECONDS = 1.0
BACKLOG = 1024
SPARE_DESCRIPTORS = 128 + MOST_READ_ON


async def serve(
    settings: Settings, stop: asyncio.Event, *, ready: asyncio.Event | None = None
) -> None:
    """Serve until `stop` is set, then let requests end and settle what they spent.

    Raises ConfigurationError when another gateway has the socket, DatabaseError without a database.
    """
    path = settings.gateway_socket_path
    # The socket's owner first: what it left open is settled by the parts.
    with _owning(path):
        callers = Callers(read_on_seconds=settings.read_on_seconds)
        most = _most_connections()
        gate = Gate(most=most, strangers=most // STRANGERS_PART)
        async with _parts(settings, callers, gate) as (relay, egress):
            http = web.Server(_handler(relay, gate, settings.vendors_with_keys))
            with _listening(path) as listener:
                server = await asyncio.get_running_loop().create_unix_server(
                    lambda: Front(gate, partial(Protocol, http), egress.tunnel),
                    sock=listener,
                    backlog=BACKLOG,
                )
                log.info("the gateway listens on %s", path)
                if ready is not None:
                    ready.set()
                await stop.wait()
                server.close()
                http.pre_shutdown()
                await callers.finish(min(READ_ON_SECONDS, settings.read_on_seconds))
                await http.shutdown(CLOSE_SECONDS)
                await gate.close()


def _most_connections() -> int:
    """As many as there are descriptors for, two each: one to the client, one onwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_CONNECTIONS + SPARE_DESCRIPTORS
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(MOST_CONNECTIONS, (soft - SPARE_DESCRIPTORS) // 2)


def _handler(
    relay: Relay, gate: Gate, vendors_with_keys: Sequence[str]
) -> Callable[[web.BaseRequest], Any]:
    """The relay, and beside it what this host's own programs ask."""
    said = {"/health": "ok\n", known_vendors.PATH: " ".join(vendors_with_keys) + "\n"}

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET" and request.raw_path in said:
            return web.Response(text=said[request.raw_path])
        with gate.answering(request.transport):
            return await relay.handle(request)

    return handle


@asynccontextmanager
async def _parts(
    settings: Settings, callers: Callers, gate: Gate
) -> AsyncIterator[tuple[Relay, Egress]]:
    if settings.database_url is None:
        raise ConfigurationError(
            "The gateway needs a database.", hint="Set DATABASE_URL, or use `paid up`."
        )
    # People write it with SQLAlchemy's driver in it; without SQLAlchemy this process is small.
    url = "postgresql://" + settings.database_url.get_secret_value().partition("://")[2]
    pool = make_pool(url)
    upstream = Upstream(settings)
    registries = Registries(settings.data_dir / "registries.json")
    usual_hosts = _usual_hosts(settings, registries)
    books = Books(pool, url, owner=f"{settings.host_name}:{settings.gateway_socket_path}")
    access = Access(url)
    taken = TakenFile(_beside(settings, "taken"))
    notes = NotesFile(_beside(settings, "answers"))
    purse, advances = _money(settings, books, access, taken, notes, Earlier(pool))
    background: list[asyncio.Task[None]] = []
    try:
        await pool.open()
        noted = await _close_what_was_left(books, taken, notes)
        background += map(
            asyncio.create_task,
            (
                books.keep(),
                advances.keep(),
                _correct(books, noted, upstream, settings),
                access.listen(),
                asyncio.to_thread(registries.discover),
                asyncio.to_thread(warm_up),
            ),
        )
        relay = _relay(
            settings, access, callers, purse, upstream, Refusals(pool), usual_hosts, gate
        )
        yield relay, _egress(settings, access, pool, usual_hosts, gate)
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await books.finish(DRAIN_SECONDS)
        taken.close()
        notes.close()
        await access.close()
        await upstream.close()
        await pool.close()


async def _close_what_was_left(books: Books, taken: TakenFile, notes: NotesFile) -> list[Note]:
    """Charge what an earlier gateway left open; the notes of it that may still correct that."""
    left = await books.expire_left_behind(taken.left_behind())
    taken.begin()
    noted = notes.left_behind()
    notes.begin()
    if left:
        log.warning("%s requests of an earlier gateway were charged in full", left)
    return noted


def _egress(
    settings: Settings,
    access: Access,
    pool: Pool,
    registries: Callable[[], Sequence[str]],
    gate: Gate,
) -> Egress:
    return Egress(
        access=access,
        pool=pool,
        registries=registries,
        admit=gate.admit,
        most_bytes=settings.egress_mib << 20,
        proxy=settings.https_proxy,
        private=private_hosts.read(settings.egress_private),
    )


def _money(
    settings: Settings,
    books: Books,
    access: Access,
    taken: TakenFile,
    notes: NotesFile,
    earlier: Earlier,
) -> tuple[Purse, Advances]:
    advances = Advances(books, taken, lambda: access.hears, quick_seconds=settings.ahead_seconds)
    access.when_dead(advances.forget)
    access.when_capped(advances.forget)
    purse = Purse(
        books=books,
        advances=advances,
        access=access,
        notes=notes,
        billing=Billing(_prices(settings), earlier),
        earlier=earlier,
        grace_seconds=settings.hold_grace_seconds,
    )
    return purse, advances


def _usual_hosts(settings: Settings, registries: Registries) -> Callable[[], Sequence[str]]:
    """Where runs may go whose project lists nothing: for installs, and what a vendor fetches."""
    further = settings.egress_registries.replace(",", " ").lower().split()
    return lambda: [*registries.hosts(), *further]


def _relay(
    settings: Settings,
    access: Access,
    callers: Callers,
    purse: Purse,
    upstream: Upstream,
    refusals: Refusals,
    registries: Callable[[], Sequence[str]],
    gate: Gate,
) -> Relay:
    known = vendors(settings)
    delivery = Delivery(
        purse=purse, upstream=upstream, vendors=known, quota_seconds=settings.quota_hold_seconds
    )
    return Relay(
        access=access,
        callers=callers,
        purse=purse,
        delivery=delivery,
        listing=Listing(delivery=delivery, upstream=upstream, vendors=known),
        refusals=refusals,
        registries=registries,
        admit=gate.admit,
        largest_body_bytes=settings.largest_body_mib << 20,
        silent_seconds=settings.body_silent_seconds,
    )


async def _correct(
    books: Books, notes: Sequence[Note], upstream: Upstream, settings: Settings
) -> None:
    """Ask OpenAI for what an earlier gateway lost."""
    if notes:
        stored = StoredAnswers(upstream, vendors(settings))
        try:
            await Corrections(books, _prices(settings), stored).make(notes)
        except DatabaseError as error:
            log.warning("what was lost is not corrected: %s", error)


def _prices(settings: Settings) -> Prices:
    return Prices(settings.data_dir / "prices.json", openai_url=settings.openai_base_url)


def _beside(settings: Settings, name: str) -> Path:
    """A file for each socket, and not beside it: containers get that folder mounted."""
    socket_name = hashlib.sha256(bytes(settings.gateway_socket_path)).hexdigest()[:16]
    return settings.data_dir / f"{name}-{socket_name}"


@contextmanager
def _owning(path: Path) -> Iterator[None]:
    """The one gateway of a socket. Raises ConfigurationError when another one has it.

    The lock belongs to the process, so that it falls with it, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Anybody in a container may reach the socket by its name; nobody may list or replace it.
    path.parent.chmod(0o711)
    with _lock(path.with_name(f".{path.name}.lock")):
        yield


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    """A listening Unix socket that takes the place of a dead one, but never of a living one's."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigurationError(f"{path} is there and is no socket.")
        path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def _lock(path: Path) -> IO[str]:
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        raise ConfigurationError(
            "Another gateway has this socket.", hint="Stop it, or set PAID_GATEWAY_SOCKET."
        ) from error
    return file
