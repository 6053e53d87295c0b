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
    client = dashboard.client()
    yield client
    client.close()


@pytest.fixture
def stranger(dashboard: Dashboard) -> Iterator[httpx.Client]:
    """Somebody who is not."""
    client = dashboard.client(signed_in=False)
    yield client
    client.close()
