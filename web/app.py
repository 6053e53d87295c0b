"""The composition root of the dashboard: settings in, an ASGI application out."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import InternalServerException
from litestar.middleware import DefineMiddleware
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.plugins.prometheus import PrometheusConfig
from litestar.static_files import create_static_files_router
from litestar.template.config import TemplateConfig
from litestar.types import ASGIApp, ControllerRouterHandler

from paid.github.webhook import MOST_BYTES
from paid.settings import Settings
from paid.store.database import Database
from web import errors
from web.access import Authentication, own_form, own_origin, signed_in
from web.addresses import addresses
from web.intake import Intake
from web.live import Live
from web.looks import Looks
from web.rate_limit import AttemptLimit
from web.rendering import STATIC, template_environment
from web.routes import health, money, projects, run_streams, runs, sign_in, webhooks
from web.services import PING_SECONDS, Services
from web.shell import Shell
from web.temporal_link import TemporalLink

LARGEST_FORM_BYTES = 256 * 1024


def make_services(
    settings: Settings, database: Database, port: int, *, ping_seconds: float = PING_SECONDS
) -> Services:
    """The services of a dashboard that listens on `port`."""
    temporal = TemporalLink(settings)
    return Services(
        settings=settings,
        database=database,
        addresses=addresses(settings, port),
        live=Live(database.url),
        temporal=temporal,
        login_attempts=AttemptLimit(),
        intake=Intake(MOST_BYTES),
        looks=Looks(temporal.look_now),
        ping_seconds=ping_seconds,
    )


def create_app(services: Services) -> ASGIApp:
    """The dashboard, with everything that guards it."""
    return Shell(litestar_app(services), services.addresses)


def litestar_app(services: Services) -> Litestar:
    """The routes, without the shell around them."""

    @asynccontextmanager
    async def listening(_: Litestar) -> AsyncIterator[None]:
        services.live.start()
        try:
            yield
        finally:
            await services.live.stop()

    environment = template_environment(_asset_version(STATIC))
    return Litestar(
        route_handlers=_routers(),
        debug=False,
        lifespan=[listening],
        dependencies={"services": Provide(lambda: services, sync_to_thread=False)},
        middleware=[
            PrometheusConfig(app_name="paid", prefix="paid_web", group_path=True).middleware,
            # Of its own accord it leaves OPTIONS out, and the guards would find no user there.
            DefineMiddleware(Authentication, exclude_http_methods=[]),
        ],
        exception_handlers=errors.HANDLERS,
        template_config=TemplateConfig(instance=JinjaTemplateEngine.from_environment(environment)),
        state=State({"addresses": services.addresses, "database": services.database}),
        request_max_body_size=LARGEST_FORM_BYTES,
        openapi_config=None,
        logging_config=None,
    )


def _routers() -> list[ControllerRouterHandler]:
    """What needs a session and a form of ours, what needs less, and what needs nothing."""
    pages: list[ControllerRouterHandler] = [
        *runs.ROUTES,
        *run_streams.ROUTES,
        *projects.ROUTES,
        *money.ROUTES,
        sign_in.sign_out,
    ]
    return [
        Router(
            "/",
            route_handlers=pages,
            guards=[signed_in, own_origin, own_form],
        ),
        Router("/", route_handlers=sign_in.ROUTES, guards=[own_origin]),
        Router("/", route_handlers=[*health.ROUTES, *webhooks.ROUTES]),
        create_static_files_router(
            "/static",
            [STATIC],
            opt={"exclude_from_auth": True},
            exception_handlers={InternalServerException: errors.no_such_file},
        ),
    ]


def _asset_version(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
