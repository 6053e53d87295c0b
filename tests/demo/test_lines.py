"""Events become lines that a person wants to read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from paid.demo.lines import Line, line_of
from paid.demo.story import Happening


def line(kind: str, **data: Any) -> Line | None:
    return line_of(Happening(kind, data, datetime.now(UTC)))


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        ("agent.message", {"text": "Hello."}, "Hello."),
        ("agent.tool_call", {"arguments": {"command": "/bin/bash -lc 'ls -l'"}}, "ls -l"),
        ("agent.tool_call", {"arguments": {"command": "ls\nmore"}}, "ls …"),
        ("agent.tool_call", {"name": "read", "arguments": {"path": "a"}}, 'read {"path": "a"}'),
        ("agent.file_change", {"path": "a.py"}, "✎ a.py"),
        ("verify.check", {"argv": ["make", "test"], "code": 0}, "✓ make test"),
        ("step.probe", {"openings": ["a door"]}, "sandbox: open: a door"),
        ("run.pull_request", {"url": "http://x/1"}, "✓ http://x/1"),
    ],
)
def test_what_people_want_to_see_is_shown(kind: str, data: dict[str, Any], text: str) -> None:
    shown = line(kind, **data)

    assert shown is not None
    assert shown.text == text


def test_a_failed_check_shows_the_end_of_its_output() -> None:
    output = "\n".join(f"line {n}" for n in range(20))

    shown = line("verify.check", argv=["make"], code=2, output=output)

    assert shown is not None
    assert shown.text.startswith("✗ make")
    assert shown.text.endswith("line 19")
    assert "line 3" not in shown.text


def test_long_results_show_their_end() -> None:
    shown = line("agent.tool_result", output="\n".join(str(n) for n in range(100)))

    assert shown is not None
    assert shown.text.splitlines() == ["…", "96", "97", "98", "99"]


@pytest.mark.parametrize("kind", ["egress.denied", "agent.session", "model.usage", "unheard.of"])
def test_what_only_machines_want_is_not_shown(kind: str) -> None:
    assert line(kind) is None


@pytest.mark.parametrize("data", [{}, {"text": None}, {"text": ""}])
def test_empty_words_are_no_line(data: dict[str, Any]) -> None:
    assert line("agent.message", **data) is None or data.get("text") is None


def test_escapes_of_the_agent_do_not_reach_the_terminal() -> None:
    shown = line("agent.message", text="\x1b]52;c;aGk=\x07\x1b[2Jred")

    assert shown is not None
    assert "\x1b" not in shown.rendered().plain
