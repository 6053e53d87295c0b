"""Is everything there: for load balancers, for people, for Prometheus."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
from litestar import HttpMethod, Request, Response, route
from litestar.connection import ASGIConnection
from litestar.enums import MediaType
from litestar.exceptions import NotFoundException
from litestar.handlers.base import BaseRouteHandler
from litestar.plugins.prometheus import PrometheusController
from litestar.response import Template
from litestar.types import ControllerRouterHandler
from sqlalchemy import text

from paid.errors import DatabaseError
from paid.jobs.schedules import jobs_queue
from web.services import GivenServices, Services

_READ = [HttpMethod.GET, HttpMethod.HEAD]
"""Load balancers ask with HEAD."""
_LOOPBACK = ("127.", "::1", "::ffff:127.")


@dataclass(frozen=True)
class Part:
    """One part of Paid as the dashboard sees it."""

    name: str
    well: bool
    message: str
    hint: str = ""
    essential: bool = False


@route("/health", http_method=_READ)
async def show_health(request: Request[Any, Any, Any], services: GivenServices) -> Response[Any]:
    """200 while the dashboard can do its work, 503 while it cannot; details for people."""
    database = await _database(services)
    status = 200 if database.well else 503
    if request.user is None or "text/html" not in request.headers.get("accept", ""):
        body = {"status": "ok" if database.well else "unavailable", "database": database.well}
        return Response(body, status_code=status, media_type=MediaType.JSON)
    parts = [
        database,
        *await asyncio.gather(
            _schema(services), _temporal(services), _worker(services), _jobs(services)
        ),
        await _gateway(services),
        _streams(services),
    ]
    context = {"parts": parts, "visitor": request.user}
    return Template("health.html", context=context, status_code=status)


def on_this_machine(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Guard: the caller is on loopback and called us by a loopback name.

    A proxy on this machine also calls from loopback, but by the public name.
    """
    client = connection.client
    host = connection.headers.get("host", "").lower()
    if not (
        client
        and client.host.startswith(_LOOPBACK)
        and host in connection.app.state.addresses.loopback_hosts
    ):
        raise NotFoundException()


class Metrics(PrometheusController):
    """Counts and times of requests, in Prometheus' format."""

    guards = (on_this_machine,)

    @route(http_method=_READ)
    async def get(self) -> Response[Any]:
        """What Litestar's own handler answers, which knows GET only."""
        answer: Response[Any] = await PrometheusController.get.fn(self)
        return answer


async def _database(services: Services) -> Part:
    try:
        await services.ask(lambda session: session.connection().execute(text("SELECT 1")))
    except DatabaseError as error:
        return Part("PostgreSQL", False, error.message, "Run `paid doctor`.", essential=True)
    return Part("PostgreSQL", True, "answers", essential=True)


async def _schema(services: Services) -> Part:
    try:
        pending = await anyio.to_thread.run_sync(services.database.pending_migrations)
    except DatabaseError:
        return Part("Database schema", False, "unknown, because PostgreSQL does not answer")
    if pending:
        waiting = ", ".join(pending)
        return Part("Database schema", False, f"behind: {waiting}", "Restart `paid up`.")
    return Part("Database schema", True, "up to date")


async def _temporal(services: Services) -> Part:
    address = services.settings.temporal_address
    if await services.temporal.reachable():
        return Part("Temporal", True, f"answers at {address}")
    hint = "Runs wait until it is back; nothing is lost. Start `paid up`, or your own server."
    return Part("Temporal", False, f"does not answer at {address}", hint)


async def _worker(services: Services) -> Part:
    if await services.temporal.is_polled(services.settings.temporal_task_queue):
        return Part("Worker", True, "takes runs")
    hint = (
        "Runs wait until one is back; nothing is lost. Start `paid up`, or `bin/temporal-worker`."
    )
    return Part("Worker", False, "nobody takes runs", hint)


async def _jobs(services: Services) -> Part:
    if await services.temporal.is_polled(jobs_queue(services.settings.temporal_task_queue)):
        return Part("Job runner", True, "takes jobs")
    hint = "Notifications and clean-up wait until it is back. Start `paid up`, or `bin/jobs`."
    return Part("Job runner", False, "nobody takes jobs", hint)


async def _gateway(services: Services) -> Part:
    path = str(services.settings.gateway_socket_path)
    try:
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_unix_connection(path)
        writer.close()
    except (OSError, TimeoutError):
        hint = "Where the workers are on other hosts, their gateways are there too."
        return Part("Gateway of this host", False, "does not answer", hint)
    return Part("Gateway of this host", True, "answers")


def _streams(services: Services) -> Part:
    number = services.live.watchers
    return Part("Live pages", True, f"{number} open")


ROUTES: list[ControllerRouterHandler] = [show_health, Metrics]
