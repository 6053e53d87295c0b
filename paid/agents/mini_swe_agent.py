"""mini-swe-agent: a hundred lines of agent, one tool (bash), plain text, over Chat Completions.

Its output is sections under headings: the task (`System:`, `User:`), each step of the model, and
each command's answer (`Tool:`). It does not stream and keeps no session.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from paid.agents.events import AgentEvent, Message, Problem, ToolCall, ToolResult
from paid.agents.protocol import (
    AGENT_HOME,
    RUN_TOKEN,
    AgentImage,
    Ending,
    Invocation,
    Transcript,
    Turn,
    Wire,
)
from paid.agents.transcript import TextTranscript
from paid.plain import plain

_TASK = ".paid/mini-task.yaml"
_TRAJECTORY = f"{AGENT_HOME}/.paid/mini-trajectory.json"
_MAX_SECTION_LINES = 2_000


class MiniSweAgent:
    """The smallest of the agents."""

    name = "mini-swe-agent"
    image = AgentImage(
        program="mini",
        pip={"mini-swe-agent": "2.4.6", "mcp": "2.3.0"},
        licence="MIT",
        note="one tool, bash; every turn starts afresh",
    )
    wires = (Wire.OPENAI_CHAT,)
    default_model = "gpt-5.5"
    continues = False
    config_paths: tuple[str, ...] = ()
    litter: tuple[str, ...] = ()

    def invoke(self, turn: Turn) -> Invocation:
        base_url = f"{turn.gateway_url}/openai/v1"
        return Invocation(
            argv=(
                *("mini", "-m", f"openai/{turn.model or self.default_model}"),
                *("-c", "mini.yaml", "-c", f"{AGENT_HOME}/{_TASK}"),
                *("-y", "--exit-immediately", "-l", "0", "-o", _TRAJECTORY),
            ),
            env={
                "OPENAI_API_BASE": base_url,
                "OPENAI_BASE_URL": base_url,
                "OPENAI_API_KEY": RUN_TOKEN,
                "MSWEA_CONFIGURED": "true",
                "MSWEA_COST_TRACKING": "ignore_errors",
                "MSWEA_SILENT_STARTUP": "1",
                "MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": "20",  # a quarter of an hour together
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "COLUMNS": "1000",
            },
            files={_TASK: json.dumps({"run": {"task": turn.prompt}}, ensure_ascii=False)},
        )

    def transcript(self) -> Transcript:
        return MiniTranscript()


_HEADING = re.compile(r"(?:mini-swe-agent \(step (\d+), \$[\d.]+\)|(System|User|Tool|Exit)):\s*")
_FAILED = re.compile(r"litellm\.\w+(?:Error|Exception): .*|.*as it raised (litellm\..*)")
_ANSWER = re.compile(r"<returncode>\s*(-?\d+)\s*(?:</returncode>)?\s*(?:<output>)?(.*)", re.DOTALL)
_RULE = re.compile("─{20,}")


class MiniTranscript(TextTranscript):
    """Collects a section until the next heading; the agent's has words and a fenced command."""

    def __init__(self) -> None:
        super().__init__()
        self._section = ""
        self._step = ""
        self._lines: list[str] = []
        self._exited = False

    def read_text(self, line: str) -> Iterator[AgentEvent]:
        heading = _HEADING.fullmatch(line)
        if _FAILED.fullmatch(line):
            yield Problem(line)
        elif heading:
            yield from self._close()
            self._step = heading.group(1) or self._step
            self._section = heading.group(2) or "Step"
            self._exited = self._exited or self._section == "Exit"
        elif not _RULE.match(line) and len(self._lines) < _MAX_SECTION_LINES:
            self._lines.append(line)

    def end(self, exit_code: int) -> Ending:
        for event in self._close():
            self._remember(event)
        if not self._exited:
            self.fail()
        return super().end(exit_code)

    def _close(self) -> Iterator[AgentEvent]:
        lines, self._lines = self._lines, []
        if self._section == "Tool":
            yield _answered(self._step, plain("\n".join(lines).strip()))
        elif self._section == "Step":
            words, command = _split_fence(lines)
            if words:
                yield Message(plain(words))
            if command:
                yield ToolCall(self._step, "bash", {"command": plain(command)})


def _answered(step: str, text: str) -> ToolResult:
    """The output without its frame; the command that ends the task is "not executed", code -1."""
    framed = _ANSWER.match(text)
    if not framed:
        return ToolResult(step, text)
    return ToolResult(step, framed.group(2).strip(), failed=framed.group(1) not in {"0", "-1"})


def _split_fence(lines: list[str]) -> tuple[str, str]:
    """The words before the last fenced block, and what is in that block."""
    fences = [at for at, line in enumerate(lines) if line.strip() == "```"]
    if len(fences) < 2:
        return "\n".join(lines).strip(), ""
    first, last = fences[-2], fences[-1]
    return "\n".join(lines[:first]).strip(), "\n".join(lines[first + 1 : last])
