"""`paid up` as people meet it: a real process with its children, stopped, killed and doubled."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from paid.containers.instance import instance_id
from paid.settings import Settings, child_environment
from paid.up import endpoints
from tests.waiting import HANGS_SECONDS, wait_until

pytestmark = pytest.mark.timeout(500)
OTHERS = ("-m paid.worker", "-m paid.jobs", "-m web", "bin/postgres", "temporal server")
KEY = "sk-canary-of-a-model-key"


class Up:
    """A `paid up --json` with its data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DATABASE_URL", "TEMPORAL_ADDRESS", "TEMPORAL_HOST"}
        }
        self.environment = environment | {
            "PAID_DATA_DIR": str(data_dir),
            "PAID_WEB_PORT": "0",
            "OPENAI_API_KEY": KEY,
            "GITHUB_TOKEN": "ghp_canary_of_a_github_token",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "paid", "up", "--json"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def announced(self) -> dict[str, Any]:
        """What it prints when all parts are ready."""
        lines = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            lines.append(line)
            if line == "}\n":
                return dict(json.loads("".join(lines)))
        assert self.process.stderr is not None
        raise AssertionError(self.process.stderr.read())

    def paid(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """A command in another terminal, which knows of the data folder alone."""
        return subprocess.run(
            [sys.executable, "-m", "paid", *argv],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def children(self) -> list[tuple[str, int]]:
        """Programs and servers of this installation that run: command line and process."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if (
                str(self.data_dir) in line
                and "lifeline.py" not in line
                and " up --json" not in line
            ):
                found.append((line, int(place.name)))
        return found

    def pid_of(self, word: str) -> int:
        """0 when none runs."""
        return next((pid for line, pid in self.children() if word in line), 0)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="paid-up-") as folder:
        # PostgreSQL's account must get in, else the launcher keeps its files elsewhere.
        Path(folder).chmod(0o755)
        yield Path(folder).resolve()


@pytest.fixture
def start(data_dir: Path) -> Iterator[Callable[[], Up]]:
    started: list[Up] = []

    def begin() -> Up:
        started.append(Up(data_dir))
        return started[-1]

    yield begin
    for up in started:
        up.end()
    wait_until(lambda: not started or not started[0].children(), "the end of all children")


def status_of(url: str) -> int:
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=HANGS_SECONDS)) as connection:
        connection.request("GET", f"{parts.path}?{parts.query}")
        return connection.getresponse().status


def environment_of(pid: int) -> bytes:
    """Empty for a process that has ended since it was found."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def test_it_starts_everything_and_ctrl_c_leaves_nothing(
    start: Callable[[], Up], data_dir: Path
) -> None:
    up = start()
    told = up.announced()
    assert status_of(told["login_url"]) == 200
    for word in ("-m paid.gateway", *OTHERS):
        assert up.pid_of(word)

    # another terminal finds it; a second one on the same folder is refused
    assert "login?token=" in up.paid("login-link").stdout
    second = up.paid("up")
    assert second.returncode == 4
    assert "running already" in second.stderr

    # the keys reach the gateway, and the worker that searches pushes for them; the token nobody
    for word in ("-m paid.gateway", "-m paid.worker"):
        assert KEY.encode() in environment_of(up.pid_of(word))
    for word in ("-m paid.jobs", "-m web", "bin/postgres", "temporal server"):
        assert KEY.encode() not in environment_of(up.pid_of(word))
    for _, pid in up.children():
        assert b"ghp_canary" not in environment_of(pid)
    written = endpoints.path(data_dir)
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert KEY not in written.read_text()

    # were another installation's Temporal at its address, nobody would take the other's work
    queue = b"TEMPORAL_TASK_QUEUE=paid-" + instance_id(data_dir).encode()
    assert queue in environment_of(up.pid_of("-m paid.worker"))

    # what dies is started again
    before = {word: up.pid_of(word) for word in ("-m web", "temporal server")}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    for word, pid in before.items():
        wait_until(lambda word=word, pid=pid: up.pid_of(word) not in {0, pid})
    wait_until(lambda: answers(told["dashboard_url"]))

    up.process.send_signal(signal.SIGINT)
    _, errors = up.process.communicate(timeout=2 * HANGS_SECONDS)
    assert up.process.returncode == 0, errors
    assert up.children() == []
    assert not written.exists()
    assert "web ended; starting it again" in errors
    assert "Temporal ended; starting it again" in errors
    order = [line.split()[0] for line in errors.splitlines() if line.endswith("stopped")]
    assert order == ["web", "jobs", "worker", "gateway", "servers"]


def test_a_killed_parent_leaves_nothing_that_the_next_start_stumbles_over(
    start: Callable[[], Up],
) -> None:
    first = start()
    first.announced()
    url = read_database_url(first)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE survives (a int)")
    first.process.kill()
    first.process.wait()
    second = start()
    second.announced()
    with psycopg.connect(read_database_url(second)) as connection:
        assert connection.execute("SELECT count(*) FROM survives").fetchone() == (0,)
    for word in ("-m paid.gateway", "-m paid.worker", "-m paid.jobs", "-m web"):
        assert len([line for line, _ in second.children() if word in line]) == 1
    second.process.send_signal(signal.SIGTERM)
    second.process.communicate(timeout=2 * HANGS_SECONDS)
    assert second.process.returncode == 0
    assert second.children() == []


def read_database_url(up: Up) -> str:
    found = endpoints.read(up.data_dir)
    assert found is not None
    return found.database_url


def answers(url: str) -> bool:
    try:
        return status_of(f"{url}/health") == 200
    except (OSError, http.client.HTTPException):
        return False


def test_an_interrupted_start_leaves_nothing(start: Callable[[], Up]) -> None:
    up = start()
    wait_until(lambda: len(up.children()) >= 3)
    up.process.send_signal(signal.SIGINT)
    _, errors = up.process.communicate(timeout=2 * HANGS_SECONDS)
    assert "Traceback" not in errors
    wait_until(lambda: not up.children(), "the end of what was just being started")


def refused(data_dir: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PAID_DATA_DIR": str(data_dir)} | variables
    environment.pop("DATABASE_URL", None)
    return subprocess.run(
        [sys.executable, "-m", "paid", "up"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_port_that_is_taken_is_said_before_anything_is_started(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = refused(data_dir, PAID_WEB_PORT=str(taken.getsockname()[1]))
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "is taken" in ended.stderr
    assert "PAID_WEB_PORT" in ended.stderr


def test_a_data_folder_that_cannot_be_made_is_said(data_dir: Path) -> None:
    (data_dir / "file").touch()
    ended = refused(data_dir / "file" / "folder")
    assert ended.returncode == 4
    assert "PAID_DATA_DIR" in ended.stderr


def test_settings_survive_the_way_into_a_child(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "TEMPORAL_ADDRESS", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings(
        data_dir=data_dir,
        database_url="postgresql://u:p@/paid?host=/x",
        openai_api_key="one,two",
        web_port=1234,
        allow_private_webhooks=True,
    )
    for name, value in child_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings
    withheld = child_environment(settings, withheld=frozenset({"openai_api_key"}))
    assert "OPENAI_API_KEY" not in withheld
