"""One installation for all acceptance tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from paid.containers.engine import DockerEngine
from paid.errors import ContainerError
from paid.settings import Settings
from tests.acceptance.stage import Stage
from tests.conftest import missing


@pytest.fixture(scope="session")
def installation(server_folder: Path) -> Iterator[Stage]:
    need_docker()
    stage = Stage(server_folder / "stage")
    yield stage
    stage.close()


@pytest.fixture
def stage(installation: Stage) -> Iterator[Stage]:
    """The installation; what a test watched is left alone afterwards, to spare the machine."""
    yield installation
    installation.rest()


def need_docker() -> None:
    """Skip the test, or fail it in CI, where no Docker engine answers."""
    try:
        DockerEngine(Settings()).ping()
    except ContainerError as error:
        missing(f"Docker: {error}")
