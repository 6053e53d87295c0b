"""What an agent did, in words that are the same for every agent.

Texts here are plain and bounded: they come from `paid.agents.record` or `paid.plain`, which
strip terminal escapes and cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import ClassVar

from paid.plain import Json


@dataclass(frozen=True)
class _Event:
    kind: ClassVar[str]

    def as_json(self) -> dict[str, Json]:
        """The event as a JSON object with its `kind`, ready to be stored."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class Session(_Event):
    """The agent named its session."""

    kind = "session"
    session_id: str


@dataclass(frozen=True)
class Message(_Event):
    """The agent said something to the person."""

    kind = "message"
    text: str


@dataclass(frozen=True)
class Thought(_Event):
    """The agent reasoned aloud."""

    kind = "thought"
    text: str


@dataclass(frozen=True)
class ToolCall(_Event):
    """The agent used a tool. `call_id` pairs it with its result; it may be empty."""

    kind = "tool_call"
    call_id: str
    tool: str
    arguments: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class ToolResult(_Event):
    """What a tool answered."""

    kind = "tool_result"
    call_id: str
    text: str
    failed: bool = False


@dataclass(frozen=True)
class FileChange(_Event):
    """The agent says that it changed a file. `change` is add, update, delete or edit."""

    kind = "file_change"
    path: str
    change: str


@dataclass(frozen=True)
class Usage(_Event):
    """Tokens of one or more model calls; `input_tokens` includes `cached_tokens`."""

    kind = "usage"
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cached_tokens + other.cached_tokens,
            self.output_tokens + other.output_tokens,
        )


@dataclass(frozen=True)
class Problem(_Event):
    """The agent reports an error of its own or of the model's API."""

    kind = "error"
    text: str


AgentEvent = Session | Message | Thought | ToolCall | ToolResult | FileChange | Usage | Problem
