"""`bin/attack` itself: what it attacks holds, and it would say so if it did not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from paid.attack import cis
from paid.attack.against_gateway import CONTROL
from paid.attack.areas import AREAS, judged
from paid.attack.resources import MOST_BYTES, Usage, Watch
from paid.attack.result import Result, failures
from paid.attack.stage import AttackStage
from tests.acceptance.conftest import need_docker
from tests.waiting import wait_until

PAGE = 4096


@pytest.fixture(scope="module")
def installation(server_folder: Path) -> Iterator[AttackStage]:
    need_docker()
    with AttackStage(server_folder / "attack") as stage:
        yield stage


def named(results: list[Result]) -> list[str]:
    return [f"{result.area}: {result.attack}: {result.seen}" for result in results]


def test_an_agent_gets_through_no_wall_of_its_container(installation: AttackStage) -> None:
    results = list(AREAS["inside"](installation))
    assert named(failures(results)) == []
    assert len(results) > 80


def test_an_agent_has_no_other_use_of_the_gateway(installation: AttackStage) -> None:
    results = list(AREAS["gateway"](installation))
    assert named(failures(results)) == []
    assert len(results) > 70
    assert [result.expected for result in results if result.attack == CONTROL] == ["answered"]


def test_a_repository_cannot_choose_how_it_is_run(installation: AttackStage) -> None:
    """32 checks of the CIS benchmark on the live container of a real run, whatever it asks for."""
    results = list(AREAS["container"](installation))
    assert named(failures(results)) == []
    assert len(cis.CHECKS) == 32
    assert len([result for result in results if result.area.startswith("CIS")]) == 2 * 33


def test_an_attempt_that_got_something_is_broken() -> None:
    got = {"area": "files", "attack": "write /", "got": "written", "seen": ""}
    results = judged([got, {"area": "end"}], "no_changes")
    assert named(failures(results)) == ["files: write /: GOT written"]


def test_an_agent_that_stopped_before_its_last_attempt_proves_nothing() -> None:
    stopped = {"area": "files", "attack": "write /", "got": "", "seen": "Permission denied"}
    assert [it.attack for it in failures(judged([stopped], "failed"))] == ["its whole list"]


def test_the_watch_sees_what_a_child_took() -> None:
    script = f"x = bytearray({64 * 2**20}); x[::{PAGE}] = b'x' * len(x[::{PAGE}]); input()"
    with Watch() as watch:
        child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE)
        wait_until(lambda: any(it.peak_bytes > 64 * 2**20 for it in theirs(watch)), "its peak")
        child.communicate(b"\n")
    assert [it.name.startswith("python") for it in theirs(watch)] == [True]


def theirs(watch: Watch) -> list[Usage]:
    """What the test's own child took."""
    return [usage for usage in watch.usages if "bytearray" in usage.argv]


def test_a_large_or_a_long_process_is_told() -> None:
    assert Usage("git", "", peak_bytes=MOST_BYTES).is_bounded
    assert not Usage("git", "", peak_bytes=MOST_BYTES + 1).is_bounded
    assert not Usage("git", "", last_seen=31.0).is_bounded
    assert Usage("postgres", "", last_seen=31.0).is_bounded
    assert not Usage("postgres", "", peak_bytes=MOST_BYTES + 1).is_bounded
