"""Checks in a real container: each way to end is told apart."""

from __future__ import annotations

import pytest

from paid import check_ends
from paid.check_ends import CheckEnd
from paid.check_lines import parse
from paid.containers.task import Task
from tests.containers.bench import Bench

ENDS = {
    "true": CheckEnd.PASSED,
    "cd folder0 && test -f file1.txt && CI=$CI true": CheckEnd.PASSED,
    "true && false": CheckEnd.FAILED,
    "false | cat": CheckEnd.FAILED,
    "cat README.md && echo $UNSET": CheckEnd.FAILED,
    "python3 -c 'bytearray(3 << 30)'": CheckEnd.MEMORY,
    "python3 -c 'bytearray(3 << 30)' || exit 3": CheckEnd.MEMORY,
    "sh -c 'kill -SEGV $$'": CheckEnd.KILLED,
    "no-such-program": CheckEnd.NO_PROGRAM,
    "no-such-program --version; true": CheckEnd.NO_PROGRAM,
    "./missing.sh": CheckEnd.NO_PROGRAM,
    "./README.md": CheckEnd.NOT_RUNNABLE,
    "python -c 'import sys; sys.exit(5)'": CheckEnd.FAILED,
    "sleep 600": CheckEnd.TIME,
}


@pytest.fixture
def ends(bench: Bench) -> dict[str, CheckEnd]:
    """How each check ended."""
    task = Task(
        mode="verify",
        head_sha=bench.repository.base_sha,
        checks=tuple(tuple(parse(line)) for line in ENDS),
        check_timeout_seconds=10,
    )
    done = bench.run(bench.spec("verify", 1, task))
    reports = [report.fields for report in done.reports if report.name == "check"]
    return {line: check_ends.end_of(report) for line, report in zip(ENDS, reports, strict=True)}


def test_every_check_ends_as_what_happened_to_it(ends: dict[str, CheckEnd]) -> None:
    assert ends == ENDS
