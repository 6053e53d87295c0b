"""The single programs against servers that the environment names, as a team runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from paid.embedded import PostgresServer, TemporalServer
from paid.setup import docker_engine
from tests.conftest import missing
from tests.ports import free_ports

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
PROGRAMS = {"gateway": "gateway", "worker": "temporal-worker", "jobs": "jobs", "web": "web"}
WELL_SECONDS = 120


@pytest.fixture
def environment(
    postgres_server: PostgresServer, temporal_server: TemporalServer, short_data_dir: Path
) -> Iterator[dict[str, str]]:
    """An empty database, so that the programs race to migrate it, and a queue of their own."""
    if docker_engine.version(docker_engine.DEFAULT_SOCKET) is None:
        missing("no Docker engine answers")
    url = postgres_server.create_database("single_programs")
    yield {
        **{name: value for name, value in os.environ.items() if not name.startswith("PAID_")},
        "DATABASE_URL": url,
        "TEMPORAL_ADDRESS": temporal_server.address,
        "TEMPORAL_TASK_QUEUE": "single-programs",
        "PAID_DATA_DIR": str(short_data_dir),
        "PAID_WEB_HOST": "0.0.0.0",  # noqa: S104 - as in a container
        "PAID_WEB_PORT": str(free_ports(1)),
        "PAID_WEB_URL": "https://paid.example.com",
    }
    postgres_server.drop_database("single_programs")


@pytest.fixture
def short_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gateway's socket lies in it, and a socket's path is short."""
    return tmp_path_factory.mktemp("d")


def is_well(part: str, environment: dict[str, str]) -> bool:
    asked = subprocess.run(
        [sys.executable, "-m", "paid.health", part], env=environment, cwd=ROOT, check=False
    )
    return asked.returncode == 0


def wait_until_well(
    part: str, program: subprocess.Popen[bytes], environment: dict[str, str]
) -> None:
    deadline = time.monotonic() + WELL_SECONDS
    while not is_well(part, environment):
        assert program.poll() is None, f"{part} ended"
        assert time.monotonic() < deadline, f"{part} is not well after {WELL_SECONDS} s"


def test_they_start_together_get_well_and_end_when_told(
    environment: dict[str, str], tmp_path: Path
) -> None:
    programs = {}
    try:
        for part, name in PROGRAMS.items():
            with (tmp_path / f"{part}.log").open("wb") as log:
                programs[part] = subprocess.Popen(
                    [ROOT / "bin" / name], env=environment, stdout=log, stderr=log, cwd=tmp_path
                )
        for part, program in programs.items():
            wait_until_well(part, program, environment)
    except AssertionError as error:
        logs = [f"{log.name}:\n{log.read_text()[-2000:]}" for log in tmp_path.glob("*.log")]
        raise AssertionError("\n".join([str(error), *logs])) from error
    finally:
        for program in programs.values():
            program.send_signal(signal.SIGTERM)
    assert {part: program.wait(120) for part, program in programs.items()} == dict.fromkeys(
        PROGRAMS, 0
    )
