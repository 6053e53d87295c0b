"""Whether a check ran any test, by what the test programs print."""

from __future__ import annotations

import time

import pytest

from paid.empty_checks import ran_no_test

NONE = {
    "unittest": "\n----------------------------------------------------------------------\n"
    "Ran 0 tests in 0.000s\n\nOK\n",
    "pytest": "collected 0 items\n\n======== no tests ran in 0.01s ========\n",
    "pytest, quiet and coloured": "\x1b[33mno tests ran\x1b[0m\x1b[33m in 0.00s\x1b[0m\n",
    "go test, no files": "?   \texample.org/greet\t[no test files]\n",
    "go test, no match": "testing: warning: no tests to run\nPASS\n"
    "ok  \texample.org/greet\t0.002s [no tests to run]\n",
    "cargo test": "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured;"
    " 0 filtered out; finished in 0.00s\n",
    "Jest that may pass without tests": "No tests found, exiting with code 0\n",
    "Vitest": "No test files found, exiting with code 0\n",
    "Mocha": "\n\n  0 passing (1ms)\n\n",
    "node:test, TAP": "TAP version 13\n1..0\n# tests 0\n# suites 0\n# pass 0\n",
    "node:test": "\u2139 tests 0\n\u2139 suites 0\n\u2139 pass 0\n",
    "Maven": "[INFO] No tests to run.\n[INFO] BUILD SUCCESS\n",
    "surefire": "[INFO] Tests run: 0, Failures: 0, Errors: 0, Skipped: 0\n",
    "RSpec": "0 examples, 0 failures\n",
    "minitest": "0 runs, 0 assertions, 0 failures, 0 errors, 0 skips\n",
    "PHPUnit": "No tests executed!\n",
    "CTest": "No tests were found!!!\n",
}
SOME = {
    "unittest": "...\nRan 3 tests in 0.001s\n\nOK\n",
    "pytest": "collected 2 items\n\n===== 2 passed in 0.02s =====\n",
    "pytest, one folder of two": "no tests ran in 0.01s\n12 passed, 1 skipped in 0.40s\n",
    "go test, one package of two": "?   \ta\t[no test files]\nok  \texample.org/b\t0.4s\n",
    "go test, cached": "?   \ta\t[no test files]\nok  \texample.org/b\t(cached)\n",
    "cargo test and its documents": "running 0 tests\n\nrunning 4 tests\ntest a ... ok\n",
    "Jest": "Tests:       5 passed, 5 total\n",
    "Mocha": "  10 passing (31ms)\n",
    "node:test": "\u2139 tests 3\n\u2139 pass 3\n",
    "TAP": "1..2\nok 1 - adds\nok 2 - subtracts\n",
    "surefire, two modules": "Tests run: 0, Failures: 0\nTests run: 10, Failures: 0\n",
    "PHPUnit": "OK (3 tests, 7 assertions)\n",
    "no tests at all: a linter": "All checks passed!\n",
    "no output": "",
}


@pytest.mark.parametrize("program", list(NONE))
def test_no_test_is_told(program: str) -> None:
    assert ran_no_test(NONE[program])


@pytest.mark.parametrize("program", list(SOME))
def test_some_tests_are_believed(program: str) -> None:
    assert not ran_no_test(SOME[program])


@pytest.mark.parametrize("filled", ["\n", " ", "\t", "\n ", "ok ", "ok\n", "Tests: ", "1 "])
@pytest.mark.parametrize("said", ["", "Ran 0 tests in 0.000s\n"])
def test_an_output_made_to_be_slow_is_not(said: str, filled: str) -> None:
    began = time.thread_time()
    assert ran_no_test(said + filled * (60_000 // len(filled)) + "x") is bool(said)
    assert time.thread_time() - began < 2
