"""Serving: uvicorn on one socket, and a stop that does not wait for people who watch."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import structlog
import uvicorn

from paid.errors import ConfigurationError
from paid.settings import Settings
from paid.store.database import Database
from web.app import create_app, make_services
from web.services import PING_SECONDS, Services

STOP_SECONDS = 5

log = structlog.get_logger("web.server")


async def serve(
    settings: Settings,
    stop: asyncio.Event,
    *,
    ready: asyncio.Event | None = None,
    listener: socket.socket | None = None,
    ping_seconds: float = PING_SECONDS,
) -> None:
    """Serve the dashboard until `stop` is set. `ready` is set when it answers.

    `listener` is a bound socket (see `listen`); without it one is made from the settings. A live
    page's stream says after so many seconds of silence that it is still there.

    Raises ConfigurationError without a database, or when the address is taken.
    """
    if settings.database_url is None:
        raise ConfigurationError(
            "The dashboard has no database.", hint="Set DATABASE_URL, or start `paid up`."
        )
    with (
        contextlib.closing(listener or listen(settings)) as bound,
        contextlib.closing(
            Database(settings.database_url.get_secret_value(), pool_size=10)
        ) as database,
    ):
        port = int(bound.getsockname()[1])
        services = make_services(settings, database, port, ping_seconds=ping_seconds)
        await _serve_on(bound, services, stop, ready)


async def _serve_on(
    listener: socket.socket,
    services: Services,
    stop: asyncio.Event,
    ready: asyncio.Event | None,
) -> None:
    server = _Server(_configuration(services), services.addresses.public_url, ready)
    stopping = asyncio.create_task(_stop(stop, services, server))
    try:
        await server.serve(sockets=[listener])
    finally:
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)


class _Server(uvicorn.Server):
    """Leaves the signals to the program that serves, and says when it answers."""

    def __init__(self, config: uvicorn.Config, url: str, ready: asyncio.Event | None) -> None:
        super().__init__(config)
        self._url = url
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            log.info("listening", url=self._url)
            if self._ready is not None:
                self._ready.set()


async def _stop(stop: asyncio.Event, services: Services, server: _Server) -> None:
    await stop.wait()
    # Streams end first: uvicorn waits for open connections before it ends the lifespan.
    services.live.close()
    server.should_exit = True


def listen(settings: Settings) -> socket.socket:
    """The dashboard's socket. Raises ConfigurationError when the address is taken."""
    family = socket.AF_INET6 if ":" in settings.web_host else socket.AF_INET
    # The protocol is named so that asyncio switches Nagle's algorithm off: without that, an answer
    # of two writes waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.web_host, settings.web_port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"The dashboard cannot listen on {settings.web_host}:{settings.web_port}: "
            f"{error.strerror}.",
            hint="Choose another port with PAID_WEB_PORT.",
        ) from error
    listener.set_inheritable(True)
    return listener


def _configuration(services: Services) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(services),
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Forwarded headers are anybody's to write; PAID_WEB_URL says where the dashboard is.
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        h11_max_incomplete_event_size=64 * 1024,
        limit_concurrency=2000,
    )
