"""What a check's output says of the tests that it ran. Pure.

Most test programs are content when they find no test at all, or skip all that they find: a green
check that looked for tests in the wrong folder has shown nothing. The lines are those that the
programs print: unittest, pytest, go test, cargo test and nextest, Jest, Vitest, Mocha, Jasmine,
Karma, node:test, Deno, Bun, Maven's surefire, Gradle, sbt, RSpec, minitest, PHPUnit, dotnet test,
CTest, GoogleTest, Catch2, XCTest and Swift Testing, ExUnit, Dart, Zig, busted, testthat, Perl's
prove, and everything that speaks TAP.
"""

from __future__ import annotations

import re

from paid.plain import plain

_NONE = re.compile(
    r"""^[\ \t]*+(?:
        Ran\ 0\ tests\ in\b | NO\ TESTS\ RAN\b | (?:=+\ )?no\ tests\ ran\ in\b
      | collected\ 0\ items\b | (?:=+\ )?[1-9]\d*\ skipped(?:,\ \d+\ \w+)*\ in\b
      | \?\s+\S+\s+\[no\ test\ files\] | testing:\ warning:\ no\ tests\ to\ run
      | ok\s+\S+\s+\S+\s+\[no\ tests\ to\ run\]
      | running\ 0\ tests\b | test\ result:\ ok\.\ 0\ passed;\ 0\ failed
      | Summary\ \[.*\]\s+0\ tests\ run: | Starting\ 0\ tests\b
      | No\ tests\ found\b | No\ test\ (?:suite\ )?files?\ found\b
      | Tests:?\s+(?:\d+\ (?:skipped|todo)(?:,|\ \|)?\ )*(?:0\ total|\d+\ total|\(\d+\))
      | 0\ passing\b | [#\u2139]\ (?:tests|pass)\ 0$ | 0\ specs?,\ 0\ failures | No\ specs\ found\b
      | Executed\ 0\ (?:of\ 0|tests,\ with\ 0) | (?:[^\w\n]{1,4}\ +)?Test\ run\ with\ 0\ tests\b
      | ok\ \|\ 0\ passed | 0\ pass$
      | (?:\[INFO\]\ )?(?:Tests\ run:\ 0,|No\ tests\ to\ run\b)
      | >\ Task\ :\S*[tT]est\ NO-SOURCE
      | \[info\]\ (?:No\ tests\ were\ executed|Passed:\ Total\ 0\b)
      | 0\ examples,\ 0\ failures | 0\ runs,\ 0\ assertions | No\ tests\ executed!
      | No\ test\ is\ available\ in\b | Test\ run\ summary:\ Zero\ tests\ ran
      | No\ tests\ were\ found!!! | \[\ \ PASSED\ \ \]\ 0\ tests | No\ tests?\ (?:cases\ )?ran\b
      | There\ are\ no\ tests\ to\ run | 0\ tests,\ 0\ failures | All\ 0\ tests\ passed
      | 0\ successes\ / | \[\ FAIL\ 0\ \|.*\|\ PASS\ 0\ \] | Result:\ NOTESTS
      | 1\.\.0\b | ok\ \d+\b.*\#\ (?i:skip)
    )""",
    re.MULTILINE | re.VERBOSE,
)
_SOME = re.compile(
    r"""^[\ \t]*+(?:
        Ran\ [1-9]\d*\ tests?\ in\b | .*\b[1-9]\d*\ (?:passed|passing|xfailed)\b
      | ok\s+\S+\s+(?:\(cached\)|[\d.]+s)(?!.*\[no\ tests) | ---\ PASS:
      | test\ .*\.\.\.\ ok$
      | [#\u2139]\ pass\ [1-9] | (?:\[INFO\]\ )?Tests\ run:\ [1-9] | [1-9]\d*\ pass$
      | [1-9]\d*\ (?:examples?|runs?|specs?|tests?),\ | [1-9]\d*\ successes\ /
      | >\ Task\ :\S*[tT]est(?:\ (?:UP-TO-DATE|FROM-CACHE))?$ | \[info\]\ Passed:\ Total\ [1-9]
      | Executed\ [1-9]\d*\ (?:of\ [1-9]|tests?,\ with) | (?:[^\w\n]{1,4}\ +)?Test\ run\ with\ [1-9]
      | OK\ \([1-9]\d*\ tests?\b | Passed!\s+- | Test\ run\ summary:\ Passed!
      | (?:All\ )?[1-9]\d*\ tests?\ passed\b | All\ tests\ passed\ \([1-9]
      | \[\ \ PASSED\ \ \]\ [1-9]
      | \[\ FAIL\ 0\ \|.*\|\ PASS\ [1-9] | Files=\d+,\ Tests=[1-9]
      | ok\ [1-9]\d*\b(?!.*\#\ (?i:skip))
    )""",
    re.MULTILINE | re.VERBOSE,
)
# blanks at a line's beginning are taken whole and never over lines, or 16,000 empty ones take 20 s
_ALL_SKIPPED = re.compile(
    r"""^[\ \t]*+(?:
        Ran\ (\d++)\ tests?\ in\ .*\n\s{1,4}OK\ \(skipped=\1\)
      | (?:\[\w+\]\ )?Tests\ run:\ (\d++),\ Failures:\ 0,\ Errors:\ 0,\ Skipped:\ \2\b
      | (\d++)\ examples?,\ 0\ failures,\ \3\ pending
      | (\d++)\ runs,\ 0\ assertions,\ 0\ failures,\ 0\ errors,\ \4\ skips
      | (\d++)\ tests?,\ 0\ failures,\ \5\ (?:skipped|excluded)
      | Executed\ (\d++)\ tests?,\ with\ \6\ tests?\ skipped
      | Executed\ (\d++)\ of\ \7\ \(skipped\ \7\)
    )""",
    re.MULTILINE | re.VERBOSE,
)
"""Counts of tests that were all skipped, where the number of all stands beside them."""


def ran_no_test(output: str) -> bool:
    """Whether a test program says that it ran or found no test, and none says that it ran one.

    A test that was skipped did not run. False for an output that tells nothing of tests: a
    linter's, a compiler's.
    """
    text = _ALL_SKIPPED.sub("Ran 0 tests in", plain(output, len(output)))
    return bool(_NONE.search(text)) and not _SOME.search(text)
