"""One installation for all tests in here, which `tests/order.py` keeps in one process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import need_docker
from tests.acceptance.wired.installation import WiredStage


@pytest.fixture(scope="session")
def wired_installation(server_folder: Path) -> Iterator[WiredStage]:
    need_docker()
    stage = WiredStage(server_folder / "wired")
    yield stage
    stage.close()


@pytest.fixture
def wired(wired_installation: WiredStage) -> Iterator[WiredStage]:
    """An installation whose servers can go away, and whose worker can be killed at a line."""
    yield wired_installation
    wired_installation.rest()
