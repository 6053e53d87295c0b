"""The whole demo as a program: a label becomes a pull request, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from paid.containers.engine import DockerEngine
from paid.demo.folder import make_anew
from paid.embedded.process import Lock
from paid.errors import EmbeddedServiceError
from paid.settings import Settings
from tests.demo.images import need_codex
from tests.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A short path: Unix sockets take about 100 characters."""
    with tempfile.TemporaryDirectory(prefix="paid-demo-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def image() -> None:
    """codex's image, which bin/setup builds."""
    need_codex()


def start(data_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PAID_", "TEMPORAL_", "DATABASE_"))
    }
    return subprocess.Popen(
        [sys.executable, "-m", "paid.demo", *arguments],
        env=environment | {"PAID_DATA_DIR": str(data_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def left_behind(data_dir: Path) -> list[str]:
    """Containers, and processes that know the folder."""
    settings = Settings.model_construct(data_dir=data_dir / "demo")
    found = [owned.name for owned in DockerEngine(settings).owned()]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(data_dir) in command:
            found.append(command.replace("\0", " "))
    return found


@pytest.mark.usefixtures("image")
def test_a_label_becomes_a_pull_request(data_dir: Path) -> None:
    demo = start(data_dir, "--once")

    said, _ = demo.communicate(timeout=240)

    assert demo.returncode == 0, said
    assert said.splitlines()[-1].startswith("pull request: http://127.0.0.1:")
    assert "the same to the micro-dollar" in said
    assert "sandbox probed from within" in said
    assert "✓ python3 -m unittest" in said
    wait_until(lambda: left_behind(data_dir) == [], "the end of all that the demo started")


@pytest.mark.usefixtures("image")
def test_an_interrupted_demo_leaves_nothing_behind(data_dir: Path) -> None:
    demo = start(data_dir)
    assert demo.stdout is not None
    for line in demo.stdout:
        if "The agent works" in line:
            break

    demo.send_signal(signal.SIGINT)
    said, _ = demo.communicate(timeout=120)

    assert demo.returncode == 130, said
    wait_until(lambda: left_behind(data_dir) == [], "the end of all that the demo started")


def test_the_folder_is_made_anew_but_keeps_its_name_for_containers(tmp_path: Path) -> None:
    (tmp_path / "instance").write_text("abc")
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "file").write_text("x")

    make_anew(tmp_path)

    assert {entry.name for entry in tmp_path.iterdir()} <= {"instance", "up.lock"}


def test_two_demos_at_once_are_refused(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "up.lock")
    lock.take()

    with pytest.raises(EmbeddedServiceError, match="Another demo"):
        make_anew(tmp_path)

    lock.release()
    make_anew(tmp_path)


def test_a_missing_docker_is_said_with_what_to_do(data_dir: Path) -> None:
    environment = os.environ | {
        "PAID_DATA_DIR": str(data_dir),
        "DOCKER_HOST": "unix:///nowhere/docker.sock",
    }

    done = subprocess.run(
        [sys.executable, "-m", "paid.demo", "--once"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "Docker" in done.stdout
