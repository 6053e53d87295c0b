"""A small disk that an agent fills (threat 35, fault 25)."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from paid.containers.disk import DiskGuard, Ended
from paid.containers.engine import DockerEngine
from paid.containers.task import Task
from paid.containers.workspace import Workspaces
from paid.errors import DiskFullError
from paid.settings import Settings
from tests.conftest import missing
from tests.containers.bench import MEBIBYTE, SMALL, Bench, Repository

RESERVE_BYTES = 64 * MEBIBYTE


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 300 MB and 20,000 files, on a loop device."""
    with tempfile.TemporaryDirectory(prefix="paid-d-") as folder:
        image, place = Path(folder) / "image", Path(folder) / "disk"
        place.mkdir()
        with image.open("wb") as file:
            file.truncate(300 * MEBIBYTE)
        try:
            run("mkfs.ext4", "-q", "-N", "20000", str(image))
            run("mount", "-o", "loop", str(image), str(place))
        except (OSError, subprocess.CalledProcessError) as error:
            missing(f"No loop device can be mounted: {error}")
        yield place
        run("umount", str(place))


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


@pytest.fixture
def benches(
    small_disk: Path, base_image: str, repository: Repository
) -> Iterator[tuple[Bench, Bench]]:
    """Two runs of an installation on the small disk, with a reserve to match."""
    settings = Settings(data_dir=small_disk / "data")
    engine = DockerEngine(settings)
    one, two = (Bench(engine, settings, base_image, repository, number) for number in (1, 2))
    for bench in (one, two):
        bench.workspaces = Workspaces(
            engine,
            settings,
            base_image,
            SMALL,
            reserve_bytes=2 * RESERVE_BYTES,
            reserve_inodes=4000,
        )
    yield one, two
    one.clear()
    two.clear()
    engine.close()


BOMBS = {
    "one large file": "dd if=/dev/zero of=big bs=1M count=225 2>&1; echo full; sleep 600",
    "many small files": "for d in $(seq 100); do mkdir $d; cd $d; touch $(seq 180); cd ..; done;"
    " echo full; sleep 600",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_the_run_that_fills_the_disk_is_ended_and_the_others_go_on(
    benches: tuple[Bench, Bench], bomb: str
) -> None:
    small, healthy = benches
    quiet = healthy.spec("agent", 1, Task(mode="agent", argv=("sh", "-c", "sleep 600")))
    small.engine.start(quiet)
    ended: list[Ended] = []
    guard = DiskGuard(
        small.engine,
        small.workspaces,
        ended.append,
        reserve_bytes=RESERVE_BYTES,
        reserve_inodes=2000,
    )
    guard.start()
    done = small.shell(BOMBS[bomb])
    guard.stop()
    assert done.exit.code == 137
    assert {item.run_id for item in ended} == {1}
    assert small.engine.wait(quiet.name, 0) is None
    with pytest.raises(DiskFullError):
        small.workspaces.create(3, 1, small.repository.mirror, small.repository.base_sha)
    small.clear()
    assert small.workspaces.create(3, 1, small.repository.mirror, small.repository.base_sha)
    small.workspaces.remove(3)


def test_a_full_disk_breaks_no_workspace(benches: tuple[Bench, Bench]) -> None:
    """Nobody guards: the agent meets the end of the disk itself, and its run ends as failed."""
    small, _ = benches
    done = small.shell("dd if=/dev/zero of=/workspace/home/big bs=1M 2>&1; echo x > x; exit 0")
    assert "No space left" in done.text
    assert done.exit.code in (0, 98)
    small.clear()
    assert os.statvfs(small.settings.data_dir).f_bavail > 0
    assert small.shell("echo x > x").report("collected")["files"] == 1
