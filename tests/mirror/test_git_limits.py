"""The kernel keeps a git process of the host, and what it starts, within its limits."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from paid.attack.try_payloads import make_base
from paid.containers.git import Git
from paid.containers.git_errors import Output, error_of, over_limit
from paid.containers.git_limits import CHANGE, ProcessLimits
from paid.errors import ChangeTooLargeError

MIB = 1024 * 1024


def ended(limits: ProcessLimits, script: str) -> int:
    argv = limits.command([sys.executable, "-c", script])
    return subprocess.run(argv, check=False, stderr=subprocess.DEVNULL).returncode


def test_a_process_gets_so_much_memory_and_no_more() -> None:
    assert ended(CHANGE, "x = bytearray(100 * 1024**2)") == 0
    assert ended(CHANGE, "x = bytearray(600 * 1024**2)") == 1


def test_a_process_of_a_process_has_the_limits_too() -> None:
    child = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {!r}]))"
    assert ended(CHANGE, child.format("x = bytearray(600 * 1024**2)")) == 1


def test_a_process_gets_so_much_of_a_processor_and_no_more() -> None:
    limits = replace(CHANGE, processor_seconds=1)
    assert ended(limits, "while True: pass") == -signal.SIGKILL


def test_a_process_writes_so_much_and_no_more(tmp_path: Path) -> None:
    limits = replace(CHANGE, file_bytes=MIB)
    assert ended(limits, f"open({str(tmp_path / 'x')!r}, 'wb').write(bytes(10 * 1024**2))") != 0
    assert (tmp_path / "x").stat().st_size <= MIB


@pytest.mark.parametrize(
    ("code", "said", "late", "limit"),
    [
        (-9, "", False, "25 seconds of a processor"),
        (-9, "", True, "120 seconds"),
        (128, "fatal: Out of memory, malloc failed (tried to allocate 9 bytes)", False, "memory"),
        (-signal.SIGSEGV, "", False, "memory"),
        (128, "error: index-pack died of signal 9", False, "processor"),
        (128, "fatal: sha1 file write error: File too large", False, "disk"),
        (128, "fatal: bad object", False, ""),
    ],
)
def test_a_limit_is_told_from_other_trouble(code: int, said: str, late: bool, limit: str) -> None:
    found = over_limit(Output(code, b"", said), CHANGE, late=late)
    assert limit in found
    assert bool(found) == bool(limit)


def test_a_change_that_meets_a_limit_is_never_tried_again(tmp_path: Path) -> None:
    base = make_base(tmp_path / "mirror.git")
    git = Git(tmp_path / "mirror.git").of_change()
    with pytest.raises(ChangeTooLargeError, match="too large") as raised:
        git.run("cat-file", "-p", base.blob, most_bytes=10)
    assert not raised.value.retryable
    assert raised.value.code == "change_too_large"
    waits = error_of("fetch", Output(-9, b"", ""), remote=True, late=True)
    assert waits.retryable, "an outage of the remote is another matter"
