"""What a check's output says of the tests that it ran. Pure.

Most test programs are content when they find no test at all: a green check that looked for tests in
the wrong folder has shown nothing. The lines are those that the programs print: unittest, pytest,
go test, cargo test, Jest, Vitest, Mocha, node:test, Maven's surefire, RSpec, minitest, PHPUnit,
dotnet test, CTest, and everything that speaks TAP.
"""

from __future__ import annotations

import re

from paid.plain import plain

_NONE = re.compile(
    r"""^[\ \t]*+(?:
        Ran\ 0\ tests\ in\b | NO\ TESTS\ RAN\b | (?:=+\ )?no\ tests\ ran\ in\b
      | collected\ 0\ items\b
      | \?\s+\S+\s+\[no\ test\ files\] | testing:\ warning:\ no\ tests\ to\ run
      | ok\s+\S+\s+\S+\s+\[no\ tests\ to\ run\]
      | running\ 0\ tests\b | test\ result:\ ok\.\ 0\ passed;\ 0\ failed
      | No\ tests\ found\b | No\ test\ (?:suite\ )?files?\ found\b | Tests:\s+0\ total
      | 0\ passing\b | [#\u2139]\ tests\ 0$
      | (?:\[INFO\]\ )?(?:Tests\ run:\ 0,|No\ tests\ to\ run\b)
      | 0\ examples,\ 0\ failures | 0\ runs,\ 0\ assertions | No\ tests\ executed!
      | No\ test\ is\ available\ in\b | No\ tests\ were\ found!!! | 1\.\.0\b
    )""",
    re.MULTILINE | re.VERBOSE,
)
_SOME = re.compile(
    r"""^[\ \t]*+(?:
        Ran\ [1-9]\d*\ tests?\ in\b | .*\b[1-9]\d*\ (?:passed|passing|xfailed)\b
      | ok\s+\S+\s+(?:\(cached\)|[\d.]+s)(?!.*\[no\ tests) | ---\ PASS:
      | running\ [1-9]\d*\ tests?\b | Tests:\s.*\b[1-9]\d*\ total
      | [#\u2139]\ tests\ [1-9] | (?:\[INFO\]\ )?Tests\ run:\ [1-9]
      | [1-9]\d*\ (?:examples?|runs?),\ | OK\ \([1-9]\d*\ tests?\b | Passed!\s+-
      | [1-9]\d*\ tests?\ passed\b | ok\ [1-9]\d*\b
    )""",
    re.MULTILINE | re.VERBOSE,
)
# blanks at a line's beginning are taken whole and never over lines, or 16,000 empty ones take 20 s


def ran_no_test(output: str) -> bool:
    """Whether a test program says that it ran no test, and none says that it ran one.

    False for an output that tells nothing of tests: a linter's, a compiler's.
    """
    text = plain(output, len(output))
    return bool(_NONE.search(text)) and not _SOME.search(text)
