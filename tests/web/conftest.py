from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from paid.store.database import Database
from tests.web.serving import Dashboard, serving


@pytest.fixture
def dashboard(database: Database, tmp_path: Path) -> Iterator[Dashboard]:
    with serving(database, tmp_path) as running:
        yield running


@pytest.fixture
def browser(dashboard: Dashboard) -> Iterator[httpx.Client]:
    """Somebody who is signed in."""
    with dashboard.client() as client:
        yield client


@pytest.fixture
def stranger(dashboard: Dashboard) -> Iterator[httpx.Client]:
    """Somebody who is not."""
    with dashboard.client(signed_in=False) as client:
        yield client
