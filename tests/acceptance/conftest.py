"""One installation for all acceptance tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from paid.containers.engine import DockerEngine
from paid.errors import ContainerError
from paid.settings import Settings
from tests.acceptance.stage import Stage
from tests.acceptance.wired import WiredStage
from tests.conftest import missing


@pytest.fixture(scope="session")
def installation(server_folder: Path) -> Iterator[Stage]:
    _need_docker()
    stage = Stage(server_folder / "stage")
    yield stage
    stage.close()


@pytest.fixture
def stage(installation: Stage) -> Iterator[Stage]:
    """The installation; what a test watched is left alone afterwards, to spare the machine."""
    yield installation
    installation.rest()


@pytest.fixture(scope="session")
def wired_installation(server_folder: Path) -> Iterator[WiredStage]:
    _need_docker()
    stage = WiredStage(server_folder / "wired")
    yield stage
    stage.close()


@pytest.fixture
def wired(wired_installation: WiredStage) -> Iterator[WiredStage]:
    """An installation whose servers can go away, and whose worker can be killed at a line."""
    yield wired_installation
    wired_installation.rest()


def _need_docker() -> None:
    try:
        DockerEngine(Settings()).ping()
    except ContainerError as error:
        missing(f"Docker: {error}")
