"""A program of Paid's that ends while `paid up` waits for it."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from paid.embedded import TemporalServer
from paid.embedded.process import read_pid
from paid.errors import DatabaseError, EmbeddedServiceError, ServerKilledError
from paid.settings import Settings
from paid.up import installation
from paid.up.installation import EmbeddedPaid, started
from paid.up.part import FAIR_STARTS, Part, Program
from tests.waiting import wait_until

SLEEPS = "import time; time.sleep(600)"


@pytest.fixture
def settings(tmp_path: Path, database_url: str, temporal_server: TemporalServer) -> Settings:
    """Servers that run already, so that `paid up` starts programs alone."""
    return Settings(
        data_dir=tmp_path / "data",
        database_url=SecretStr(database_url),
        temporal_address=temporal_server.address,
    )


def paid_with(line: str, settings: Settings, starts: int) -> EmbeddedPaid:
    """An installation of one program, which is this line of Python, ready at so many starts."""
    logs = settings.data_dir / "logs"
    logs.mkdir(parents=True)
    (logs / "sleeper.py").write_text(line)
    seen: set[int] = set()

    def ready(_settings: Settings, _since: float) -> bool:
        seen.update(pid for pid in [read_pid(logs / "sleeper.pid")] if pid)
        return len(seen) >= starts

    program = Program("sleeper", "sleeper", "sleeps", ready, frozenset())
    return EmbeddedPaid(settings, programs=(program,))


def test_one_that_is_killed_during_the_start_is_started_again_however_often(
    settings: Settings,
) -> None:
    pid_file = settings.data_dir / "logs" / "sleeper.pid"
    paid = paid_with(SLEEPS, settings, starts=FAIR_STARTS + 2)
    starting = threading.Thread(target=paid.start)
    starting.start()
    killed: set[int] = set()
    try:
        for _ in range(FAIR_STARTS + 1):
            wait_until(lambda: (read_pid(pid_file) or 0) not in {0, *killed}, "the next start")
            victim = read_pid(pid_file) or 0
            killed.add(victim)
            os.kill(victim, signal.SIGKILL)
        starting.join(60)
        assert not starting.is_alive()
        assert read_pid(pid_file)
    finally:
        paid.stop()


def test_one_that_gives_up_again_and_again_ends_the_start_with_its_last_words(
    settings: Settings,
) -> None:
    paid = paid_with("raise SystemExit('no such port')", settings, starts=99)
    with pytest.raises(EmbeddedServiceError, match="no such port"):
        paid.start()
    assert not (settings.data_dir / "up.json").exists()


@pytest.mark.parametrize(
    ("line", "number", "killed"),
    [
        (SLEEPS, signal.SIGKILL, True),
        (SLEEPS, signal.SIGTERM, False),
        (SLEEPS, signal.SIGABRT, False),
        ("raise SystemExit(1)", None, False),
    ],
)
def test_one_that_was_killed_is_told_from_one_that_crashed(
    tmp_path: Path, line: str, number: signal.Signals | None, killed: bool
) -> None:
    (tmp_path / "sleeper.py").write_text(line)
    program = Program("sleeper", "sleeper", "sleeps", lambda *_: True, frozenset())
    part = Part(program, Settings(data_dir=tmp_path / "data"), tmp_path)
    part.start()
    assert not part.was_killed()
    if number is not None:
        wait_until(lambda: read_pid(tmp_path / "sleeper.pid"), "the program's start")
        os.kill(read_pid(tmp_path / "sleeper.pid") or 0, number)
    wait_until(part.ended, "the program's end")
    assert part.was_killed() is killed
    part.stop()


def test_a_server_that_is_killed_while_it_starts_is_started_again() -> None:
    tried: list[int] = []

    def start() -> str:
        tried.append(1)
        if len(tried) < FAIR_STARTS:
            raise ServerKilledError("postgres ended while it was starting")
        return "its address"

    assert started(start) == "its address"


class Killed:
    """A PostgreSQL of our own that was killed."""

    def __init__(self) -> None:
        self.did: list[str] = []

    def ended(self) -> bool:
        return "start" not in self.did

    def stop(self) -> None:
        self.did.append("stop")

    def start(self) -> str:
        self.did.append("start")
        return "its address"


def test_a_database_that_goes_while_its_schema_is_brought_up_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = iter([True, True])

    def migrate(_: Settings) -> list[str]:
        if next(away, False):
            raise DatabaseError("PostgreSQL did not answer.")
        return ["0001"]

    monkeypatch.setattr(installation, "migrate", migrate)
    paid = EmbeddedPaid(Settings(data_dir=tmp_path))
    paid._postgres = server = Killed()  # type: ignore[assignment]
    assert paid._migrated() == ["0001"]
    assert server.did == ["stop", "start"]
    paid._postgres = None  # somebody else's database: what is wrong with it is said at once
    away = iter([True])
    with pytest.raises(DatabaseError):
        paid._migrated()
