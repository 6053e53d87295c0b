"""A host is kept true to PostgreSQL without workflows: what is not its own any more goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from paid.activities.parts import Host
from paid.containers.engine import DockerEngine
from paid.containers.mirror import Mirrors
from paid.containers.reaper import Reaper
from paid.containers.task import Task
from paid.host_keeper import HostKeeper
from paid.settings import Settings
from paid.store import runs
from paid.store.credentials import SecretBox
from paid.store.database import Database
from tests.containers.bench import Bench, Repository
from tests.store.rows import make_run
from tests.waiting import wait_until


@pytest.fixture
def at_work(
    database: Database,
    docker_engine: DockerEngine,
    base_image: str,
    repository: Repository,
    settings: Settings,
) -> Iterator[list[Bench]]:
    """Two runs of this host, each with an agent at work."""
    benches = []
    for number in (1, 2):
        run_id = make_run(database, number)
        with database.session() as session:
            runs.claim_host(session, run_id, settings.host_name, 5)
        bench = Bench(docker_engine, settings, base_image, repository, run_id)
        bench.engine.start(bench.spec("agent", 1, Task(mode="agent", argv=("sleep", "600"))))
        benches.append(bench)
    yield benches
    for bench in benches:
        bench.clear()


def test_an_agent_is_ended_when_another_host_has_its_run(
    database: Database, docker_engine: DockerEngine, settings: Settings, at_work: list[Bench]
) -> None:
    moved, mine = at_work
    with database.session() as session:
        runs.claim_host(session, moved.run_id, "another", 5)
    parts = Host(
        settings=settings, database=database, engine=docker_engine, workspaces=mine.workspaces,
        mirrors=Mirrors(settings), box=SecretBox(settings.secret_key_path),
    )  # fmt: skip
    keeper = HostKeeper(parts, Reaper(docker_engine, mine.workspaces))

    keeper.start()
    try:
        wait_until(
            lambda: moved.run_id not in mine.workspaces.run_ids(), "the moved run's folder gone"
        )
    finally:
        keeper.stop()

    assert {owned.run_id for owned in docker_engine.owned()} == {mine.run_id}
