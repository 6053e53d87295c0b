"""Servers that tests share: real ones, started once a session and process.

A missing service skips on a laptop and fails in CI, so that a green CI has tried everything.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from paid.embedded import PostgresServer, TemporalServer
from paid.errors import EmbeddedServiceError
from paid.setup.test_tools import faketime_library
from paid.store.database import Database
from tests.databases import Databases, ask_for_no_password, share_what_engines_learn
from tests.off_clock import Elsewhere

TEMPLATE = "template_paid"

# Every machine tries the same examples, and none is failed for being slow. New ones are looked for
# with `bin/test --hypothesis-profile=explore`.
_PATIENT = hypothesis.settings(
    deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.register_profile("suite", _PATIENT, derandomize=True)
hypothesis.settings.register_profile("explore", _PATIENT, max_examples=2000)
hypothesis.settings.load_profile("suite")
share_what_engines_learn()


def pytest_sessionstart() -> None:
    """Let Ctrl-C reach the programs that tests start.

    A shell lets its background jobs ignore SIGINT, and children inherit that unless it is handled.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def missing(what: str) -> None:
    """Skip the test for want of a service; in CI, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}; CI must have it")
    pytest.skip(what)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder with a short path: Unix sockets take about 100 characters."""
    with tempfile.TemporaryDirectory(prefix="paid-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_server(server_folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(server_folder / "pg", durable=False)
    try:
        server.start()
    except EmbeddedServiceError as error:
        missing(f"PostgreSQL cannot be started: {error}")
    ask_for_no_password(server)
    yield server
    server.destroy()


@pytest.fixture(scope="session")
def databases(postgres_server: PostgresServer) -> Iterator[Databases]:
    databases = Databases(postgres_server, TEMPLATE)
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def template_database(databases: Databases) -> str:
    """The name of a database with the newest schema and no rows, to be copied."""
    return TEMPLATE


@pytest.fixture
def database_url(postgres_server: PostgresServer, databases: Databases) -> Iterator[str]:
    """The address of a fresh, migrated database."""
    name = databases.lend()
    yield postgres_server.url(name)
    databases.take_back(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh, migrated database."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture(scope="session")
def temporal_server(server_folder: Path) -> Iterator[TemporalServer]:
    """A development server in memory; give every test a task queue of its own."""
    server = TemporalServer(server_folder / "temporal", in_memory=True)
    try:
        server.start()
    except EmbeddedServiceError as error:
        missing(f"Temporal cannot be started: {error}")
    yield server
    server.destroy()


@pytest.fixture(scope="session")
def faketime() -> None:
    """Clocks can be off here (tests/off_clock.py)."""
    if faketime_library() is None:
        missing("libfaketime is not installed")


@pytest.fixture(scope="session", params=["+1h", "-1h"])
def elsewhere(request: pytest.FixtureRequest, faketime: None) -> Iterator[Elsewhere]:
    """A process on a host whose clock is an hour off."""
    process = Elsewhere(request.param)
    assert abs(process.do(time.time) - time.time()) == pytest.approx(3600, abs=300)
    yield process
    process.end()
