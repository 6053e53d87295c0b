"""Readers of untrusted output: nothing that an agent prints can hurt."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paid.agents import registry
from paid.agents.events import Message, Problem, Session, ToolCall, Usage
from paid.agents.protocol import Ending, How
from paid.plain import MAX_TEXT_CHARS, bounded, plain
from tests.agents.test_samples import SAMPLES

NAMES = registry.names()
FORBIDDEN = {chr(code) for code in [*range(9), *range(11, 32), *range(127, 160)]}
LINES = [
    line
    for path in sorted(SAMPLES.iterdir())
    for line in path.read_text(encoding="utf-8").splitlines()
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def is_clean(value: object) -> bool:
    """No control character, no surrogate, no endless string, anywhere in a JSON value."""
    if isinstance(value, str):
        value.encode("utf-8")
        return not FORBIDDEN & set(value) and len(value) <= 2 * MAX_TEXT_CHARS + 100
    if isinstance(value, dict):
        return all(is_clean(key) and is_clean(item) for key, item in value.items())
    return all(is_clean(item) for item in value) if isinstance(value, list) else True


def assert_harmless(name: str, lines: list[str]) -> None:
    transcript = registry.get(name).transcript()
    for line in lines:
        for event in transcript.feed(line):
            stored = json.dumps(event.as_json(), allow_nan=False)
            assert is_clean(json.loads(stored))
    assert is_clean(transcript.end(0).message)
    assert transcript.session_id is None or not transcript.session_id.startswith("-")


@pytest.mark.parametrize("name", NAMES)
@given(lines=st.lists(st.text(max_size=200) | st.sampled_from(LINES), max_size=8))
@settings(max_examples=60, deadline=None)
def test_no_text_breaks_a_reader(name: str, lines: list[str]) -> None:
    assert_harmless(name, lines)


@st.composite
def _twisted(draw: st.DrawFn) -> str:
    """A real line in which one value, somewhere, was replaced by any JSON."""
    parsed = json.loads(draw(st.sampled_from([line for line in LINES if line.startswith("{")])))
    target = parsed
    while isinstance(target, dict) and target:
        key = draw(st.sampled_from(sorted(target)))
        if not isinstance(target[key], dict) or draw(st.booleans()):
            target[key] = draw(JSON)
            break
        target = target[key]
    return json.dumps(parsed)


@pytest.mark.parametrize("name", NAMES)
@given(lines=st.lists(_twisted(), max_size=4))
@settings(max_examples=60, deadline=None)
def test_no_twisted_record_breaks_a_reader(name: str, lines: list[str]) -> None:
    assert_harmless(name, lines)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "line",
    [
        "{" * 100_000,
        '{"a":' * 50_000,
        '{"type":"assistant","message":{"content":' + "[" * 20_000,
        '{"type": ' + "9" * 10_000 + "}",
        '{"type":"item.completed","item":{"type":"agent_message","text":"'
        + "x" * 5_000_000
        + '"}}',
        "\x00\x1b]52;c;" + "A" * 100_000,
        "\ud800\udfff",
        "",
    ],
    ids=lambda line: f"{line[:12]!r} x {len(line)}",
)
def test_a_monstrous_line_costs_nothing(name: str, line: str) -> None:
    assert_harmless(name, [line])


def test_escapes_are_stripped_and_nothing_overwrites_what_was_printed() -> None:
    hostile = (
        "\x1b[31mred\x1b[0m \x1b]8;;http://evil\x07link\x1b]8;;\x07 \x9b2Jx\x1b[2J\rgone\x00\x07"
    )
    assert plain(hostile) == "red link x\ngone"


def test_a_long_text_is_cut_and_says_so() -> None:
    cut = plain("a" * (MAX_TEXT_CHARS + 1))
    assert cut.endswith("[cut: 16001 characters]")
    assert len(cut) < MAX_TEXT_CHARS + 50


def test_arguments_of_a_tool_stay_small() -> None:
    small = bounded({"deep": [[[[[[[["x"]]]]]]]], "wide": list(range(1000)), "long": "y" * 10**6})
    assert len(json.dumps(small)) < 20_000


def test_a_session_that_would_be_an_option_is_not_taken() -> None:
    transcript = registry.get("codex").transcript()
    line = json.dumps({"type": "thread.started", "thread_id": "--config=evil"})
    assert transcript.feed(line) == []
    assert transcript.session_id is None


def test_a_question_for_a_person_ends_the_turn_as_such() -> None:
    transcript = registry.get("command").transcript()
    transcript.feed("I looked at both.\n")
    transcript.feed("NEEDS INPUT: Which of the two formats do you want?")
    ending = transcript.end(0)
    assert ending == Ending(How.NEEDS_INPUT, "Which of the two formats do you want?")


def test_a_crash_without_words_is_explained_by_the_last_lines() -> None:
    transcript = registry.get("codex").transcript()
    transcript.feed("error: no space left on device")
    assert transcript.end(101) == Ending(How.ERROR, "error: no space left on device")


def test_silence_is_an_error_that_names_the_exit_code() -> None:
    assert "exit code 7" in registry.get("qwen").transcript().end(7).message


def test_gemini_puts_the_pieces_of_a_message_together() -> None:
    transcript = registry.get("gemini").transcript()
    pieces = [
        {"type": "message", "role": "assistant", "content": text, "delta": True}
        for text in ("The file ", "is ", "there.")
    ]
    assert [event for piece in pieces for event in transcript.feed(json.dumps(piece))] == []
    result = json.dumps({"type": "result", "status": "success", "stats": {}})
    assert transcript.feed(result) == [Message("The file is there."), Usage()]
    assert transcript.end(0).message == "The file is there."


def test_claude_codes_turn_limit_is_a_limit_and_no_error() -> None:
    transcript = registry.get("claude-code").transcript()
    transcript.feed(json.dumps({"type": "result", "subtype": "error_max_turns", "is_error": True}))
    assert transcript.end(1).how is How.LIMIT


def test_the_contract_of_a_program_of_ones_own() -> None:
    transcript = registry.get("command").transcript()
    call = {"kind": "tool_call", "call_id": "1", "tool": "sed", "arguments": {"file": "a.py"}}
    lines = [
        json.dumps({"kind": "session", "session_id": "s-1"}),
        "Looking at a.py",
        json.dumps(call),
        json.dumps({"kind": "usage", "input_tokens": 5, "cached_tokens": 2, "output_tokens": 1}),
        json.dumps({"kind": "error", "text": "out of patience"}),
    ]
    assert [event for line in lines for event in transcript.feed(line)] == [
        Session("s-1"),
        Message("Looking at a.py"),
        ToolCall("1", "sed", {"file": "a.py"}),
        Usage(5, 2, 1),
        Problem("out of patience"),
    ]
    assert transcript.session_id == "s-1"
    assert transcript.end(75).how is How.LIMIT
