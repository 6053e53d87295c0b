"""How checks ended, and when another round of the agent cannot help."""

from __future__ import annotations

from typing import Any

import pytest

from paid.check_ends import CheckEnd, Failure, cannot_pass, end_of, how, is_same_failure, tail
from paid.store.denials import Denied, attributed


def report(code: int | None = 1, output: str = "", **more: Any) -> dict[str, Any]:
    return {"code": code, "output": output, "seconds": 1.0, **more}


ENDS: list[tuple[dict[str, Any], CheckEnd, str]] = [
    (report(0), CheckEnd.PASSED, "passed"),
    (report(0, timed_out=True), CheckEnd.TIME, "ran out of time"),
    (report(1), CheckEnd.FAILED, "ended with exit code 1"),
    (report(127), CheckEnd.NO_PROGRAM, "a program was not found"),
    (report(126), CheckEnd.NOT_RUNNABLE, "a program cannot be run"),
    (report(None, signal=9, oom_kills=1), CheckEnd.MEMORY, "memory was used up"),
    (report(137, oom_kills=2), CheckEnd.MEMORY, "memory was used up"),
    (report(None, timed_out=True, seconds=900.2), CheckEnd.TIME, "after 900 seconds"),
    (report(None, signal=11), CheckEnd.KILLED, "signal 11 (SIGSEGV)"),
    (report(None, signal=64), CheckEnd.KILLED, "signal 64"),
    (report(None), CheckEnd.KILLED, "before its time"),
    (report(1, denied=["a.example"]), CheckEnd.DENIED, "refused the way to a.example"),
]


@pytest.mark.parametrize(("seen", "end", "words"), ENDS)
def test_each_end_is_told_apart_and_in_words(
    seen: dict[str, Any], end: CheckEnd, words: str
) -> None:
    """ "ended with exit code None" was said of a check that the kernel had killed."""
    assert end_of(seen) is end
    assert words in how(seen)
    assert "None" not in how(seen)


PYTEST = (
    "tests/a.py ...F\nE  assert 1 == 2\nFAILED tests/a.py::test_x\n"
    "== 1 failed, 3 passed in 0.21s =="
)
SAME = [
    (report(1, PYTEST), report(1, PYTEST.replace("...F", "....F").replace("3 passed", "4 passed"))),
    (report(1, PYTEST), report(1, PYTEST.replace("0.21s", "12.5s"))),
    (report(1, ""), report(1, "")),
    (report(2, "3 problems"), report(2, "3 problems")),
    (report(1, "Error at 0x7f00aa in /tmp/x1/a.js"), report(1, "Error at 0x12 in /tmp/y2/b.js")),
    (report(127, "sh: jest: not found"), report(127, "sh: 1: jest: not found")),
    (
        report(127, "jest: [Errno 2] there is no such program: 'jest'"),
        report(127, "jest: not found"),
    ),
    (report(127, "zsh: command not found: jest"), report(127, "sh: ./x: line 2: jest: not found")),
    (report(126, "./a.sh: Permission denied"), report(126, "bash: ./a.sh: Permission denied")),
    (report(None, "a", timed_out=True), report(None, "b", timed_out=True)),
    (report(None, oom_kills=1), report(137, oom_kills=3)),
    (report(1, "x", denied=["a.example"]), report(1, "y", denied=["a.example"])),
    (report(1, "error: 403", denied=["a.example"]), report(1, "error: 403", denied=[])),
]
OTHER = [
    (report(1, PYTEST), report(1, PYTEST + "\nFAILED tests/b.py::test_y")),
    (report(1, PYTEST), report(2, PYTEST)),
    (report(1, "a"), report(0, "a")),
    (report(1, "a"), report(1, "b")),
    (report(127, "x"), report(1, "x")),
    (
        report(127, "./run_tests.sh: line 3: shellcheck: command not found"),
        report(127, "./run_tests.sh: [Errno 2] No such file or directory: './run_tests.sh'"),
    ),
    (report(127, "sh: 1: jest: not found"), report(127, "env: 'node': No such file or directory")),
    (
        report(126, "bash: line 1: ./b.sh: Permission denied"),
        report(126, "bash: line 1: ./a.sh: Permission denied"),
    ),
    (report(1, "x"), report(None, "x", timed_out=True)),
]


@pytest.mark.parametrize(("head", "base"), SAME)
def test_a_check_that_fails_on_the_base_in_the_same_way_cannot_pass(
    head: dict[str, Any], base: dict[str, Any]
) -> None:
    assert Failure(("make",), head, base).cannot_pass


@pytest.mark.parametrize(("head", "base"), [*OTHER, *((b, a) for a, b in OTHER)])
def test_a_check_that_fails_otherwise_goes_back_to_the_agent(
    head: dict[str, Any], base: dict[str, Any]
) -> None:
    assert not Failure(("make",), head, base).cannot_pass


def test_a_base_that_was_not_tried_says_nothing() -> None:
    assert not Failure(("make",), report(127)).cannot_pass
    assert cannot_pass([Failure(("make",), report(127))], "a/b") == ""


def test_the_reason_names_the_check_its_end_its_output_and_what_to_do() -> None:
    failure = Failure(("npm", "run", "a b"), report(127, "1\nsh: jest: not found\n"), report(127))
    told = cannot_pass([Failure(("make",), report(1, "x"), report(0)), failure], "team/app")
    assert "`npm run 'a b'` ended with exit code 127: a program was not found" in told
    assert "sh: jest: not found" in told
    assert "on the untouched base in the same way" in told
    assert "`paid project check team/app`" in told


@pytest.mark.parametrize("size", [10, 1000, 40_000])
def test_the_end_of_an_output_is_what_is_told(size: int) -> None:
    said = tail("first\n" + "x\n" * size + "\x1b[31mthe last word\x1b[0m\n")
    assert said.endswith("the last word")
    assert len(said) <= 900


def test_two_outputs_of_one_kind_are_compared_without_what_changes_each_time() -> None:
    one = report(1, "ok 1\nnot ok 2 at 2026-01-01T00:00:00 in abcdef1234567\n")
    two = report(1, "ok 1\nok 3\nnot ok 2 at 2026-02-03T09:10:11 in 1234567abcdef\n")
    assert is_same_failure(one, two)


NPM = "npm error 403 Forbidden - GET https://registry.example/left-pad"
PIP = "ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 403 Forbidden'))"


@pytest.mark.parametrize(
    ("output", "recent", "expected"),
    [
        (NPM, False, ["registry.example"]),
        (NPM, True, ["registry.example"]),
        (PIP, True, ["registry.example"]),
        (PIP, False, []),
        ("assert 1 == 2", True, []),
    ],
)
def test_a_refused_host_explains_the_check_that_names_it_or_is_about_a_connection(
    output: str, recent: bool, expected: list[str]
) -> None:
    denied = [Denied("registry.example", recent)]
    assert attributed(report(1, output), denied)["denied"] == expected
    assert "denied" not in attributed(report(0, output), denied)


@pytest.mark.parametrize(
    "output",
    [
        "make: gcc: No such file or directory\nmake: *** [Makefile:2: a.o] Error 127",
        "bash: line 1: git-lfs: command not found",
        "sh: 1: jest: not found\nnpm ERR! code 1",
        'exec: "gcc": executable file not found in $PATH',
        "git: 'lfs' is not a git command. See 'git --help'.",
        "error: linker `cc` not found",
        "Error: spawn ruby ENOENT",
        "FileNotFoundError: [Errno 2] No such file or directory: 'gcc'",
    ],
)
def test_a_program_that_the_image_lacks_is_no_fault_of_the_base(output: str) -> None:
    advice = Failure(("make",), report(2, output), report(2, output)).advice
    assert "the agent's image has" in advice


def test_a_file_that_is_missing_is_no_program() -> None:
    output = "FileNotFoundError: [Errno 2] No such file or directory: 'data/a b.json'"
    assert "Mend the base" in Failure(("make",), report(1, output)).advice
