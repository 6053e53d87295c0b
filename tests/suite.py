"""Runs the whole suite as `bin/test` promises, and ends with one summary for all of it.

The browser tests run in a process of their own, after the rest: Playwright's event loop breaks
async tests that follow it in the same process. What is given as arguments goes to pytest.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

BROWSER = "tests/browser"
OUTCOME = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed|deselected|warnings?)")
SUMMARY = re.compile(r"^=* ?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s")
NO_TESTS = 5
FILES = ("-n", "4", "--dist", "loadfile", "-p", "tests.order")
"""Two processes more than the two cores that the suite is meant for: many tests wait."""
BROWSERS = ("-n", "2", "--dist", "worksteal")
"""Each test starts its own dashboard; most of them are in one file."""


def pytest(arguments: list[str]) -> tuple[int, Counter[str]]:
    """Run pytest, showing what it prints; returns its exit status and its counts by outcome."""
    argv = [sys.executable, "-m", "pytest", *arguments]
    counts: Counter[str] = Counter()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        for raw in child.stdout or ():
            sys.stdout.buffer.write(raw)
            sys.stdout.buffer.flush()
            line = re.sub(r"\x1b\[[\d;]*m", "", raw.decode(errors="replace")).strip()
            if found := SUMMARY.match(line):
                counts = Counter(
                    {kind.rstrip("s"): int(number) for number, kind in OUTCOME.findall(found[1])}
                )
    return child.returncode, counts


def split(arguments: list[str]) -> tuple[list[str] | None, list[str] | None]:
    """The arguments for the plain and for the browser tests; None where nothing was asked for."""
    paths = [it for it in arguments if Path(it.split("::", 1)[0]).exists()]
    options = [it for it in arguments if it not in paths]
    browser = [path for path in paths if Path(path).is_relative_to(BROWSER)]
    plain = [path for path in paths if path not in browser]
    if not paths:
        browser_only = [*_parallel(options, BROWSERS), *options, BROWSER]
        plain_only = [*_parallel(options, FILES), *options, f"--ignore={BROWSER}"]
        return plain_only, browser_only if Path(BROWSER).is_dir() else None
    return ([*options, *plain] if plain else None), ([*options, *browser] if browser else None)


def _parallel(options: list[str], how: tuple[str, ...]) -> list[str]:
    """Processes for the whole suite; none when a debugger is asked."""
    if {"-n", "--pdb", "-s", "--collect-only", "--co"} & set(options):
        return []
    return list(how)


def main(arguments: list[str]) -> int:
    """The worst exit status of the parts; a part that selected no test does not count."""
    started = time.monotonic()
    total: Counter[str] = Counter()
    status = NO_TESTS
    for part in split(arguments):
        if part is None:
            continue
        code, counts = pytest(part)
        total += counts
        if code != NO_TESTS:
            status = code if status in (0, NO_TESTS) else status
    print(summary(total, time.monotonic() - started), flush=True)
    return status


def summary(total: Counter[str], seconds: float) -> str:
    """The closing line, in pytest's own words, so that whoever reads those can read ours."""
    kinds = ("failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warning", "error")
    said = [f"{total[kind]} {_plural(kind, total[kind])}" for kind in kinds if total[kind]]
    return f"===== {', '.join(said) or 'no tests ran'} in {seconds:.2f}s ====="


def _plural(kind: str, number: int) -> str:
    return f"{kind}s" if kind in ("warning", "error") and number != 1 else kind


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
