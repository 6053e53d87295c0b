"""The stream of Anthropic-shaped messages that claude-code and qwen both print.

One JSON object a line: `system` (init), `assistant` and `user` with content blocks, and `result`.
"""

from __future__ import annotations

from collections.abc import Iterator

from paid.agents.events import (
    AgentEvent,
    FileChange,
    Message,
    Problem,
    Thought,
    ToolCall,
    ToolResult,
    Usage,
)
from paid.agents.record import Record
from paid.agents.transcript import JsonTranscript

_WRITES = {"Write": "add", "write_file": "add", "Edit": "edit", "MultiEdit": "edit", "edit": "edit"}
"""Tools of either agent that change one file, and what they do to it."""
_LIMITS = frozenset({"error_max_turns", "error_max_budget_usd", "error_max_wall_time"})


class MessagesTranscript(JsonTranscript):
    """Reads `--output-format stream-json`.

    `cached_input_is_apart`: Anthropic counts cached input beside `input_tokens`, OpenAI within it.
    """

    def __init__(self, *, cached_input_is_apart: bool) -> None:
        super().__init__()
        self._cached_is_apart = cached_input_is_apart

    def read(self, record: Record) -> Iterator[AgentEvent]:
        match record.word("type"):
            case "system" if record.word("subtype") == "init":
                yield from self.opened(record.identifier("session_id"))
            case "assistant":
                yield from self._said(record.at("message"))
            case "user":
                yield from self._answered(record.at("message"))
            case "result":
                yield from self._ended(record)

    def _said(self, message: Record) -> Iterator[AgentEvent]:
        for block in message.items("content"):
            match block.word("type"):
                case "text":
                    yield Message(block.text("text"))
                case "thinking":
                    yield Thought(block.text("thinking"))
                case "tool_use":
                    yield from self._used(block)

    def _used(self, block: Record) -> Iterator[AgentEvent]:
        tool = block.word("name")
        yield ToolCall(block.word("id"), tool, block.arguments("input"))
        path = block.text("input", "file_path")
        if tool in _WRITES and path:
            yield FileChange(path, _WRITES[tool])

    def _answered(self, message: Record) -> Iterator[AgentEvent]:
        for block in message.items("content"):
            if block.word("type") == "tool_result":
                failed = block.flag("is_error")
                yield ToolResult(block.word("tool_use_id"), block.prose("content"), failed)

    def _ended(self, record: Record) -> Iterator[AgentEvent]:
        yield self._counted(record.at("usage"))
        if record.word("subtype") in _LIMITS:
            self.limit()
        if record.flag("is_error"):
            text = record.text("error", "message") or record.text("result")
            self.fail(text)
            yield Problem(text)

    def _counted(self, usage: Record) -> Usage:
        cached = usage.count("cache_read_input_tokens")
        apart = cached + usage.count("cache_creation_input_tokens") if self._cached_is_apart else 0
        return Usage(usage.count("input_tokens") + apart, cached, usage.count("output_tokens"))
