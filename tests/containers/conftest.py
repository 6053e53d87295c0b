"""A real engine, the base image, and a bench on which steps are run in it.

The image is built at the first use on a machine (minutes) and found afterwards.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from paid.containers.engine import DockerEngine
from paid.containers.images import Images
from paid.errors import DockerUnavailableError
from paid.settings import Settings
from tests.conftest import missing
from tests.containers.bench import Bench, Repository

_RUNS = count(1)


@pytest.fixture(scope="session")
def settings() -> Iterator[Settings]:
    """An installation of its own, with a short path."""
    with tempfile.TemporaryDirectory(prefix="paid-c-") as folder:
        yield Settings(data_dir=Path(folder) / "data", cache_dir=Path(folder) / "cache")


@pytest.fixture(scope="session")
def docker_engine(settings: Settings) -> Iterator[DockerEngine]:
    engine = DockerEngine(settings)
    try:
        engine.ping()
    except DockerUnavailableError as error:
        missing(str(error))
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def base_image(docker_engine: DockerEngine, settings: Settings) -> str:
    return Images(settings).build_base(lambda _: None)


@pytest.fixture(scope="session")
def repository(settings: Settings) -> Repository:
    """A small repository and its mirror."""
    return Repository.make(settings.data_dir.parent / "repository")


@pytest.fixture
def bench(
    docker_engine: DockerEngine, base_image: str, repository: Repository, settings: Settings
) -> Iterator[Bench]:
    """Runs steps of one run; all of it is removed afterwards."""
    bench = Bench(docker_engine, settings, base_image, repository, next(_RUNS))
    yield bench
    bench.clear()


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left(settings: Settings) -> Iterator[None]:
    """The orphan scan: after all tests, the engine has nothing of this installation."""
    yield
    engine = DockerEngine(settings)
    try:
        left = [*engine.owned(), *engine.owned_volumes()]
    except DockerUnavailableError:
        return
    for item in engine.owned():
        engine.remove(item.name)
    engine.close()
    assert left == []
