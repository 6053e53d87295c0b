"""One rig for all real programs, and their images, built at the first use on a machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paid.agents import install
from paid.containers.engine import DockerEngine
from paid.embedded import PostgresServer
from paid.errors import DockerUnavailableError, PaidError
from paid.settings import Settings
from tests.agents.rig import Rig, running
from tests.conftest import missing


@pytest.fixture(scope="session")
def installed() -> Callable[[str], None]:
    """Makes sure that an agent's image is there."""
    settings = Settings()

    def ensure(name: str) -> None:
        try:
            DockerEngine(settings).ping()
            install.install(name, settings, lambda _: None)
        except DockerUnavailableError as error:
            missing(str(error))
        except PaidError as error:
            missing(f"the image of {name} cannot be built: {error}")

    return ensure


@pytest.fixture(scope="session")
def rig(postgres_server: PostgresServer, template_database: str) -> Iterator[Rig]:
    url = postgres_server.create_database("agents_rig", template_database)
    with tempfile.TemporaryDirectory(prefix="paid-a-") as folder, running(Path(folder), url) as rig:
        yield rig
