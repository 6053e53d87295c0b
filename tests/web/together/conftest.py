"""The tests in here do not mind each other's rows, so each module has one dashboard for all.

A dashboard of its own costs a test about a second.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from paid.embedded import PostgresServer
from paid.store.database import Database
from tests.web.serving import Dashboard, serving


@pytest.fixture(scope="module")
def database(
    request: pytest.FixtureRequest, postgres_server: PostgresServer, template_database: str
) -> Iterator[Database]:
    name = f"web_{request.module.__name__.rpartition('.')[2]}"
    database = Database(postgres_server.create_database(name, template_database))
    yield database
    database.close()
    postgres_server.drop_database(name)


@pytest.fixture(scope="module")
def dashboard(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with serving(database, tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(dashboard: Dashboard) -> Iterator[httpx.Client]:
    with dashboard.client() as client:
        yield client
