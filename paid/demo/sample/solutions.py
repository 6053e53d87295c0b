"""How the scripted model solves the sample's issues: the same steps that a careful person takes."""

from __future__ import annotations

from paid.demo.scripted_model.actions import Edit, Run, Script, Step, Write

REFUSED = "    def test_nonsense_is_refused(self) -> None:"
TEST = Run("python3 -m unittest", "Run the tests")

HOURS_TEST = """    def test_units_add_up(self) -> None:
        self.assertEqual(parse("1h 30m"), 5400)
        self.assertEqual(parse("1h 1m 1s"), 3661)

    def test_nonsense_is_refused(self) -> None:"""

HOURS = Script(
    thought="The loop in parse probably keeps only its last part. A failing test first.",
    steps=(
        Step(
            "I'll start with the code that turns a text into seconds.",
            Run("cat timespan/parsing.py tests/test_parsing.py", "Read the parser and its tests"),
        ),
        Step(
            "`total = …` overwrites what earlier parts added, so only the last unit counts. "
            "First a test that shows it.",
            Edit(
                "tests/test_parsing.py",
                REFUSED,
                HOURS_TEST,
            ),
        ),
        Step("It should fail now.", Run("python3 -m unittest 2>&1 | tail -n 12", "See it fail")),
        Step(
            "As expected: 1800 instead of 5400. The parts must be added up.",
            Edit(
                "timespan/parsing.py",
                "        total = int(number) * UNITS[unit]",
                "        total += int(number) * UNITS[unit]",
            ),
        ),
        Step("Once more, all tests.", TEST),
    ),
    ending=(
        '`parse` now adds its units up: `parse("1h 30m")` is 5400. A new test covers spans of two '
        "and three units; it failed before the change and passes now, like all the others."
    ),
)

WORDING_WITH_UNITS = '''"""From seconds to words such as "1 hour 30 minutes"."""

UNITS = (
    ("week", 604800),
    ("day", 86400),
    ("hour", 3600),
    ("minute", 60),
    ("second", 1),
)


def humanize(seconds: int) -> str:
    """Return the span in words, the largest unit first."""
    words = []
    for name, size in UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count} {name}" if count == 1 else f"{count} {name}s")
    return " ".join(words) or "0 seconds"
'''

DAYS_PARSE_TEST = """    def test_days_and_weeks(self) -> None:
        self.assertEqual(parse("1d"), 86400)
        self.assertEqual(parse("1w"), 604800)

    def test_nonsense_is_refused(self) -> None:"""

DAYS_WORDS_TEST = """    def test_days_and_weeks(self) -> None:
        self.assertEqual(humanize(694800), "1 week 1 day 1 hour")

    def test_nothing(self) -> None:"""

DAYS = Script(
    thought="Two sides to change: the parser's table of units, and the words.",
    steps=(
        Step(
            "I'll read both directions first.",
            Run("cat timespan/parsing.py timespan/wording.py", "Read the package"),
        ),
        Step(
            "The parser only needs two more units.",
            Edit(
                "timespan/parsing.py",
                'UNITS = {"s": 1, "m": 60, "h": 3600}',
                'UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}',
            ),
        ),
        Step(
            "`humanize` would need two more copies of the same lines; a table keeps it short.",
            Write("timespan/wording.py", WORDING_WITH_UNITS),
        ),
        Step(
            "Tests for the parser …",
            Edit(
                "tests/test_parsing.py",
                REFUSED,
                DAYS_PARSE_TEST,
            ),
        ),
        Step(
            "… and for the words.",
            Edit("tests/test_wording.py", "    def test_nothing(self) -> None:", DAYS_WORDS_TEST),
        ),
        Step("All tests.", TEST),
    ),
    ending=(
        "`parse` understands `d` and `w`, and `humanize` speaks of days and weeks. Both have "
        "tests, with the values from the issue."
    ),
)

USAGE = """## Use

    from timespan import humanize, parse

    parse("90s")      # 90
    parse("5m")       # 300
    humanize(7320)    # "2 hours 2 minutes"

## Tests
"""

TABLE = Script(
    thought="A refactoring: the tests must pass before and after.",
    steps=(
        Step("The tests first, so that I know where I start.", TEST),
        Step(
            "One table of units and one loop.",
            Write(
                "timespan/wording.py",
                WORDING_WITH_UNITS.replace('    ("week", 604800),\n    ("day", 86400),\n', ""),
            ),
        ),
        Step("Now the README.", Edit("README.md", "## Tests\n", USAGE)),
        Step("Same results?", TEST),
    ),
    ending=(
        "`humanize` names each unit once, with the same results. The README shows how to use the "
        "package."
    ),
)

BY_TITLE = {
    "hours are lost when a span also has minutes": HOURS,
    "understand days and weeks": DAYS,
    "say each unit once in humanize": TABLE,
}
"""Titles in lower case and without punctuation, as they are looked for in a prompt."""
