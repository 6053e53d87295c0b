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
    "pytest, all skipped": "collected 3 items\n\n===== 3 skipped, 1 warning in 0.02s =====\n",
    "unittest, all skipped": "sss\nRan 3 tests in 0.000s\n\nOK (skipped=3)\n",
    "Jest, all skipped": "Tests:       3 skipped, 3 total\n",
    "Vitest, all skipped": "      Tests  3 skipped (3)\n",
    "cargo test, all ignored": "running 2 tests\ntest a ... ignored\n\n"
    "test result: ok. 0 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out\n",
    "nextest": "    Starting 0 tests across 1 binary\n"
    "     Summary [   0.000s] 0 tests run: 0 passed\n",
    "node:test, all skipped": "\u2139 tests 3\n\u2139 pass 0\n\u2139 skipped 3\n",
    "TAP, all skipped": "1..2\nok 1 - adds # SKIP no network\nok 2 - subtracts # skip\n",
    "surefire, all skipped": "[WARNING] Tests run: 3, Failures: 0, Errors: 0, Skipped: 3\n",
    "RSpec, all pending": "3 examples, 0 failures, 3 pending\n",
    "minitest, all skipped": "2 runs, 0 assertions, 0 failures, 0 errors, 2 skips\n",
    "XCTest": "\t Executed 0 tests, with 0 failures (0 unexpected) in 0.000 (0.001) seconds\n",
    "XCTest, all skipped": "Executed 2 tests, with 2 tests skipped and 0 failures (0 unexpected)\n",
    "Swift Testing": "\u2714 Test run with 0 tests passed after 0.001 seconds.\n",
    "Deno": "ok | 0 passed | 0 failed (2ms)\n",
    "Bun": " 0 pass\n 0 fail\nRan 0 tests across 1 files. [5.00ms]\n",
    "Gradle": "> Task :compileTestJava NO-SOURCE\n> Task :test NO-SOURCE\nBUILD SUCCESSFUL in 1s\n",
    "sbt": "[info] No tests were executed.\n",
    "dotnet, Microsoft.Testing.Platform": "Test run summary: Zero tests ran\n",
    "GoogleTest": "[==========] 0 tests from 0 test suites ran.\n[  PASSED  ] 0 tests.\n",
    "Catch2": "No tests ran\n",
    "ExUnit": "There are no tests to run\n",
    "ExUnit, all excluded": "2 tests, 0 failures, 2 excluded\n",
    "Dart": "No tests ran.\n",
    "Zig": "All 0 tests passed.\n",
    "Jasmine": "No specs found\n",
    "Karma": "Executed 0 of 0 SUCCESS (0.002 secs / 0 secs)\n",
    "busted": "0 successes / 0 failures / 0 errors / 0 pending : 0.0 seconds\n",
    "testthat": "[ FAIL 0 | WARN 0 | SKIP 2 | PASS 0 ]\n",
    "prove": "Files=0, Tests=0,  0 wallclock secs\nResult: NOTESTS\n",
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
    "pytest, some skipped": "===== 1 passed, 3 skipped in 0.02s =====\n",
    "unittest, some skipped": "ss.\nRan 3 tests in 0.000s\n\nOK (skipped=2)\n",
    "unittest, more than as many skipped": "Ran 12 tests in 0.000s\n\nOK (skipped=1)\n",
    "Jest, some skipped": "Tests:       3 skipped, 5 passed, 8 total\n",
    "cargo test, some ignored": "running 2 tests\ntest a ... ignored\ntest b ... ok\n",
    "TAP, one skipped": "1..2\nok 1 - adds # SKIP\nok 2 - subtracts\n",
    "surefire, some skipped": "Tests run: 3, Failures: 0, Errors: 0, Skipped: 2\n",
    "XCTest": "Executed 3 tests, with 0 failures (0 unexpected) in 0.002 (0.003) seconds\n",
    "Swift Testing beside no XCTest": "Executed 0 tests, with 0 failures\n"
    "\u2714 Test run with 4 tests passed after 0.001 seconds.\n",
    "Deno": "ok | 5 passed | 0 failed (12ms)\n",
    "Bun": " 3 pass\n 0 fail\nRan 3 tests across 1 files. [5.00ms]\n",
    "Gradle, one module of two": "> Task :a:test NO-SOURCE\n> Task :b:test\nBUILD SUCCESSFUL\n",
    "sbt": "[info] Passed: Total 3, Failed 0, Errors 0, Passed 3\n",
    "GoogleTest": "[==========] 3 tests from 1 test suite ran.\n[  PASSED  ] 3 tests.\n",
    "Catch2": "All tests passed (5 assertions in 2 test cases)\n",
    "ExUnit": "3 tests, 0 failures\n",
    "Zig": "All 3 tests passed.\n",
    "testthat": "[ FAIL 0 | WARN 0 | SKIP 0 | PASS 12 ]\n",
    "prove": "Files=2, Tests=7,  1 wallclock secs\nResult: PASS\n",
    "no tests at all: a linter": "All checks passed!\n",
    "no output": "",
}


@pytest.mark.parametrize("program", list(NONE))
def test_no_test_is_told(program: str) -> None:
    assert ran_no_test(NONE[program])


@pytest.mark.parametrize("program", list(SOME))
def test_some_tests_are_believed(program: str) -> None:
    assert not ran_no_test(SOME[program])


@pytest.mark.parametrize(
    "filled",
    ["\n", " ", "\t", "\n ", "ok ", "ok\n", "Tests: ", "1 ", "- ", "ok #", "> Task :", "test "],
)
@pytest.mark.parametrize("said", ["", "Ran 0 tests in 0.000s\n"])
def test_an_output_made_to_be_slow_is_not(said: str, filled: str) -> None:
    began = time.thread_time()
    assert ran_no_test(said + filled * (60_000 // len(filled)) + "x") is bool(said)
    assert time.thread_time() - began < 2
