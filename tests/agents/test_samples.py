"""Each agent's reader, on what its real program printed (versions as pinned, content ours).

Recorded by running the programs against a scripted vendor: one run that writes hello.txt, and one
whose model call is refused because the run's money is spent.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from paid.agents import registry
from paid.agents.events import AgentEvent, FileChange, Message, ToolCall, ToolResult
from paid.agents.protocol import Ending, How, Transcript

SAMPLES = Path(__file__).parent / "samples"
WITH_TOOLS = ["codex", "claude-code", "opencode", "gemini", "qwen", "copilot", "mini-swe-agent"]
PROGRAMS = [*WITH_TOOLS, "aider"]


def play(name: str, sample: str, exit_code: int) -> tuple[list[AgentEvent], Ending, Transcript]:
    """Feed a recorded sample (its name without the ending) to the agent's reader."""
    path = next(SAMPLES.glob(f"{sample}.jsonl"), SAMPLES / f"{sample}.txt")
    transcript = registry.get(name).transcript()
    events = [
        event
        for line in path.read_text(encoding="utf-8").splitlines()
        for event in transcript.feed(line)
    ]
    return events, transcript.end(exit_code), transcript


@pytest.mark.parametrize("name", WITH_TOOLS)
def test_the_command_and_its_answer_become_events(name: str) -> None:
    events, _, _ = play(name, name, exit_code=0)
    calls = [event for event in events if isinstance(event, ToolCall)]
    results = [event for event in events if isinstance(event, ToolResult)]
    assert "printf hello > hello.txt" in str(calls[0].arguments)
    assert "hello" in results[0].text
    assert not results[0].failed
    assert calls[0].call_id == results[0].call_id


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_finished_turn_ends_with_the_last_words(name: str) -> None:
    events, ending, _ = play(name, name, exit_code=0)
    assert ending.how is How.FINISHED
    messages = [event.text for event in events if isinstance(event, Message)]
    assert ending.message == messages[-1]
    assert len(messages) <= 2, "warnings and headers are no messages"


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_refusal_of_the_gateway_ends_as_an_error_that_says_why(name: str) -> None:
    exit_code = 0 if name == "aider" else 1  # aider ends with 0 all the same
    _, ending, _ = play(name, f"{name}.refused", exit_code)
    assert ending.how is How.ERROR
    assert "The budget of this run is spent." in ending.message


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_agent_that_continues_names_its_session(name: str) -> None:
    agent = registry.get(name)
    _, _, transcript = play(name, name, exit_code=0)
    assert (transcript.session_id is not None) is agent.continues


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("codex", (2400, 400, 100)),
        ("claude-code", (660, 40, 60)),
        ("opencode", (2000, 200, 80)),
        ("gemini", (1000, 0, 50)),
        ("qwen", (2000, 200, 80)),
        ("aider", (1800, 0, 21)),
    ],
)
def test_the_agents_own_count_of_tokens_is_read(name: str, tokens: tuple[int, int, int]) -> None:
    usage = play(name, name, exit_code=0)[2].usage
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens) == tokens


def test_aiders_edit_becomes_a_file_change() -> None:
    events, _, _ = play("aider", "aider", exit_code=0)
    assert FileChange("hello.txt", "edit") in events
