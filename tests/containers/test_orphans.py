"""What a killed process left of work that belongs to no run is an orphan, too."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from paid.containers.engine import DockerEngine
from paid.containers.installation_work import at_work
from paid.containers.reaper import Reaper
from paid.containers.workspace import Workspaces
from tests.containers.bench import SMALL, Bench


@pytest.mark.parametrize(
    ("work", "last_call"),
    [("overlay", "start"), ("overlay", "remove"), ("base", "start")],
)
def test_the_reaper_removes_what_a_killed_process_left(
    bench: Bench, docker_engine: DockerEngine, work: str, last_call: str
) -> None:
    data, repository = bench.settings.data_dir, bench.repository
    bench.workspaces.prune_bases(0)
    argv = [str(data), bench.image, str(repository.mirror), repository.base_sha, last_call, work]
    killed = subprocess.run(
        [sys.executable, "-m", "tests.containers.killed_worker", *argv], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    workspaces = Workspaces(docker_engine, bench.settings, bench.image, SMALL)
    reaped = Reaper(docker_engine, workspaces).reap(lambda: {bench.run_id})
    assert reaped.failures == ()
    assert len(reaped.leftovers) >= 2
    left = [*docker_engine.owned(), *docker_engine.owned_volumes()]
    assert [item for item in left if item.run_id == 0] == []
    assert list((data / "workspaces").glob("try-*")) == []
    assert not (data / "runs" / "0").exists()
    assert not (data / "workspaces" / "bases" / "1" / repository.base_sha).exists()


def test_the_reaper_leaves_work_alone_that_goes_on(
    bench: Bench, docker_engine: DockerEngine
) -> None:
    docker_engine.create_volume("paid-try-1", 0)
    reaper = Reaper(docker_engine, bench.workspaces)
    with at_work(bench.settings.data_dir):
        assert reaper.reap(lambda: {bench.run_id}).leftovers == ()
    assert reaper.reap(lambda: {bench.run_id}).leftovers == ("paid-try-1",)
