"""Which script a prompt asks for: a sample issue, or a scenario that a test names.

A line `Scenario: NAME …` anywhere in the newest task picks one of these:

nothing          says that there is nothing to do
write            writes hello.txt
run COMMAND      runs COMMAND, whatever it is
slow SECONDS     does `write`, and takes SECONDS over its last words
loop             leaves the same failing test, with the same words, every turn
mend             leaves a failing test; mends it in the turn after the checks failed
endless          runs `ls` for ever
"""

from __future__ import annotations

import re

from paid.demo.sample.solutions import BY_TITLE
from paid.demo.scripted_model.actions import Run, Script, Step, Write

SCENARIO = re.compile(r"^\W*Scenario:[ \t]*([a-z]+)[ \t]*(.*?)[ \t]*$", re.MULTILINE)
FEEDBACK = re.compile(
    r"at least one of them\s+failed|checks?\b.{0,40}\bfail|did not pass", re.IGNORECASE
)
"""Said by prompts/feedback.md.j2, and in other words by whoever tries the model by hand."""

FAILING_TEST = """import unittest


class PromiseTest(unittest.TestCase):
    def test_promise(self) -> None:
        self.assertEqual(1 + 1, 3)
"""
NOTHING = Script((), "There is nothing to change for this.")
UNKNOWN = Script((), "This task is not in my script, so I leave everything as it is.")
AGAIN = Script((), "I looked at it again and would do the same.")
WRITE = Script(
    (Step("I'll write the file.", Write("hello.txt", "Hello.\n", fresh=True)),),
    "I wrote hello.txt.",
)
BREAK = Script(
    (Step("I'll add a test.", Write("tests/test_promise.py", FAILING_TEST)),),
    "I added a test.",
)
MEND = Script(
    (
        Step(
            "The new test was wrong; I'll mend it.",
            Write("tests/test_promise.py", FAILING_TEST.replace("3", "2")),
        ),
        Step("All tests.", Run("python3 -m unittest", "Run the tests")),
    ),
    "The test is right now, and everything passes.",
)
ENDLESS = Script((Step("Looking around.", Run("ls", "List the files")),), "", endless=True)


def scenario_in(text: str) -> tuple[str, str] | None:
    """The scenario and its argument that a text names; `sample` and a title for a sample issue."""
    named = SCENARIO.search(text)
    if named:
        return named[1], named[2]
    plain = re.sub(r"[^a-z0-9]+", " ", text.lower())
    return next((("sample", title) for title in BY_TITLE if title in plain), None)


def by_name(name: str, argument: str = "", *, mending: bool = False) -> Script:
    """The script of a scenario; an unknown name changes nothing."""
    if name == "sample":
        return AGAIN if mending else BY_TITLE[argument]
    if name == "run":
        return Script((Step("Running it.", Run(argument, "Run the command")),), "It ran.")
    if name == "slow":
        return Script(WRITE.steps, WRITE.ending, ending_seconds=float(argument or 5))
    if name == "mend":
        return MEND if mending else BREAK
    named = {"nothing": NOTHING, "write": WRITE, "loop": BREAK, "endless": ENDLESS}
    return named.get(name, UNKNOWN)


def is_feedback(text: str) -> bool:
    """Whether a message tells that the checks failed, so that a new turn begins with it."""
    return bool(FEEDBACK.search(text))
