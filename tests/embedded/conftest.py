"""Servers of each test's own: these tests stop and kill them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from paid.embedded import PostgresServer


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A private folder whose name leaves room for a Unix socket's."""
    folder = Path(tempfile.mkdtemp(prefix="pe-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(short_folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(short_folder / "postgres", durable=False)
    yield server
    server.destroy()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
