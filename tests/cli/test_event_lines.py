"""Events as people read them in a terminal; whatever is in them, a line comes out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paid.cli.event_lines import LINES, line

AT = datetime(2026, 11, 20, 12, 4, 31, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = (
    "text",
    "tool",
    "arguments",
    "path",
    "change",
    "argv",
    "exit_code",
    "model",
    "openings",
    "input_tokens",
    "amount_microdollars",
    "status",
    "code",
    "message",
    "failed",
)


def told(kind: str, **data: Any) -> str:
    return line({"kind": kind, "at": AT, "data": data})[10:]


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("agent.tool_call", {"tool": "shell", "arguments": {"command": "ls"}}, "shell  ls"),
        ("agent.file_change", {"change": "update", "path": "a.py"}, "update a.py"),
        ("verify.check", {"argv": ["make", "test"], "exit_code": 2}, "FAILED  make test"),
        (
            "verify.check",
            {"argv": ["make", "a b"], "code": 127, "output": "x\nnot there\n"},
            "FAILED  make 'a b'  (ended with exit code 127: a program was not found)\n"
            + " " * 31
            + "x\n"
            + " " * 31
            + "not there",
        ),
        (
            "verify.check",
            {"argv": ["make"], "code": 0, "ran_no_test": True},
            "passed  make  (it ran no test)",
        ),
        (
            "verify.base",
            {"argv": ["make"], "same": True, "how": "x"},
            "make  fails on the untouched base in the same way",
        ),
        ("step.probe", {"openings": []}, "the sandbox is tight"),
        ("step.probe", {"openings": ["network"]}, 'OPEN: ["network"]'),
        ("run.workspace", {"base": "a" * 40, "branch": "b"}, f"base {'a' * 10} · branch b"),
        (
            "run.ended",
            {"status": "failed", "code": "agent", "message": "It gave up."},
            "failed  agent  It gave up.",
        ),
        (
            "model.usage",
            {"model": "m", "input_tokens": 7630, "output_tokens": 55, "amount_microdollars": 39800},
            "m  7,630 in, 55 out  $0.0398",
        ),
        *(
            (
                "model.usage",
                {"model": "m", "cost_microdollars": 4_050_000, "basis": basis},
                "m  ? in, ? out  $4.05  at most (estimated)",
            )
            for basis in ("partial", "estimated", "expired")
        ),
        (
            "model.usage",
            {"model": "m", "cost_microdollars": 40_000, "basis": "vendor"},
            "m  ? in, ? out  $0.04",
        ),
    ],
)
def test_an_event_is_said_in_a_line(kind: str, data: dict[str, Any], expected: str) -> None:
    assert told(kind, **data) == f"{kind:<20} {expected}"


def test_why_a_run_ended_is_told_to_its_last_word() -> None:
    message = "The agent needs a model. " * 20 + "\nSet OPENAI_API_KEY."
    assert told("run.ended", status="failed", message=message).endswith("Set OPENAI_API_KEY.")


def test_what_only_machines_want_is_left_out() -> None:
    assert line({"kind": "agent.session", "at": AT, "data": {"session_id": "x"}}) == ""


@given(
    st.sampled_from([*LINES, "run.running", "new.kind"]),
    st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), JSON, max_size=5),
)
def test_no_event_is_too_odd_to_be_shown(kind: str, data: dict[str, Any]) -> None:
    shown = line({"kind": kind, "at": AT, "data": data})
    assert not set(shown) & {"\x1b", "\x07", "\x00", "\r"}


def test_a_refusal_for_a_secret_names_kind_and_place() -> None:
    found = [{"kind": "a GitHub token", "place": "a.ini, line 3", "fingerprint": "ab" * 32}]
    at = datetime(2026, 1, 2, tzinfo=UTC)
    shown = line({"kind": "run.secrets_found", "at": at, "data": {"found": found}})
    assert shown.endswith("a GitHub token in a.ini, line 3")


def test_a_hold_says_what_the_next_request_reserves() -> None:
    data = {"scope": "run", "period": "total", "needed_microdollars": 10_368_640}
    assert LINES["budget.hold"](data) == "waits: run; the next request reserves up to $10.37"
