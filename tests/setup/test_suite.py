"""What one process of the parallel suite is given as a whole."""

from __future__ import annotations

from pathlib import Path

from tests import suite
from tests.order import FIRST, TOGETHER, unit_of


def test_a_files_tests_stay_together_and_so_do_those_that_share_servers() -> None:
    assert unit_of("tests/web/test_live.py::test_one[a::b]") == "tests/web/test_live.py"
    (folder,) = TOGETHER
    files = [path.as_posix() for path in Path(folder).glob("test_*.py")]
    assert len(files) > 1, "the folder was moved"
    assert {unit_of(f"{file}::test_one") for file in files} == {folder}


def test_files_that_are_to_begin_first_are_there() -> None:
    assert [file for file in FIRST if not Path(file).is_file()] == []


def test_browser_tests_run_in_processes_of_their_own() -> None:
    plain, browser = suite.split(["-q"])
    assert plain is not None
    assert browser is not None
    assert "--ignore=tests/browser" in plain
    assert browser[-1] == "tests/browser"
    assert suite.split(["tests/browser", "tests/core"]) == (["tests/core"], ["tests/browser"])
