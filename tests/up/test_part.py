"""A program of Paid's that ends while `paid up` waits for it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from paid.embedded.process import read_pid
from paid.errors import EmbeddedServiceError
from paid.settings import Settings
from paid.up.part import Part, Program
from tests.waiting import wait_until


def part_that(does: str, folder: Path) -> Part:
    """A part whose program is one line of Python, and which is never ready."""
    (folder / "sleeper.py").write_text(does)
    program = Program("sleeper", "sleeper", "sleeps", lambda _settings, _since: False, frozenset())
    return Part(program, Settings(data_dir=folder), folder)


def test_one_that_is_killed_is_started_again(tmp_path: Path) -> None:
    part = part_that("import time; time.sleep(600)", tmp_path)
    pid_file = tmp_path / "sleeper.pid"
    part.start()
    try:
        wait_until(pid_file.exists, "the program's start")
        first = read_pid(pid_file)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_until(part.ended, "the program's end")
        assert not part.is_ready(0)
        wait_until(lambda: read_pid(pid_file) not in (None, first), "its second start")
        assert not part.ended()
    finally:
        part.stop()


def test_one_that_gives_up_by_itself_is_said_with_its_last_words(tmp_path: Path) -> None:
    part = part_that("raise SystemExit('no such port')", tmp_path)
    part.start()
    wait_until(part.ended, "the program's end")
    with pytest.raises(EmbeddedServiceError, match="no such port"):
        part.is_ready(0)
    part.stop()
