"""Google's gemini-cli: `gemini --output-format stream-json`, over generateContent.

Its messages come in pieces (`delta`), which are put together before they become an event. System
settings beat those of the repository; the address is an environment variable, which a repository's
.env cannot replace.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from paid.agents.events import (
    AgentEvent,
    FileChange,
    Message,
    Problem,
    ToolCall,
    ToolResult,
    Usage,
)
from paid.agents.protocol import (
    RUN_TOKEN,
    AgentImage,
    Ending,
    Invocation,
    Transcript,
    Turn,
    Wire,
)
from paid.agents.record import Record
from paid.agents.transcript import JsonTranscript
from paid.plain import plain

_SYSTEM_SETTINGS = "/etc/gemini-cli/settings.json"
"""Obeyed only when root owns it, so the image holds it."""
_PINNED = {
    "proxy": "",
    "security": {"auth": {"selectedType": "gemini-api-key", "enforcedType": "gemini-api-key"}},
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
    "general": {
        "enableAutoUpdate": False,
        "enableAutoUpdateNotification": False,
        "maxAttempts": 10,  # it takes no more
        "retryFetchErrors": True,
    },
    "tools": {"exclude": ["google_web_search", "web_fetch"]},
}
_WRITES = {"write_file": "add", "replace": "edit"}
_TURN_LIMIT_EXIT_CODE = 53
_MAX_PIECES = 2_000


class Gemini:
    """Google's agent."""

    name = "gemini"
    image = AgentImage(
        program="gemini",
        npm={"@google/gemini-cli": "0.61.0"},
        files={_SYSTEM_SETTINGS: json.dumps(_PINNED)},
        licence="Apache-2.0",
        note="Google's command line agent",
    )
    wires = (Wire.GEMINI,)
    default_model = "gemini-2.5-pro"
    continues = True
    config_paths = ("GEMINI.md", "AGENTS.md", ".gemini", ".geminiignore", ".env")
    litter: tuple[str, ...] = ()

    def invoke(self, turn: Turn) -> Invocation:
        resume = ("--resume", turn.session_id) if turn.session_id else ()
        return Invocation(
            argv=(
                *("gemini", "--output-format", "stream-json", "--yolo", "--skip-trust"),
                *("-m", turn.model or self.default_model),
                *resume,
            ),
            env={
                "GOOGLE_GEMINI_BASE_URL": f"{turn.gateway_url}/gemini",
                "GEMINI_API_KEY": RUN_TOKEN,
                "GEMINI_CLI_TRUST_WORKSPACE": "true",
            },
            stdin=turn.prompt,
        )

    def transcript(self) -> Transcript:
        return GeminiTranscript()


class GeminiTranscript(JsonTranscript):
    """Reads gemini's stream-json."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[str] = []

    def read(self, record: Record) -> Iterator[AgentEvent]:
        kind = record.word("type")
        if kind == "message" and record.word("role") == "assistant":
            if len(self._pieces) < _MAX_PIECES:
                self._pieces.append(record.text("content"))
            if record.flag("delta"):
                return
        yield from self._whole_message()
        match kind:
            case "init":
                yield from self.opened(record.identifier("session_id"))
            case "tool_use":
                yield from self._used(record)
            case "tool_result":
                yield self._answered(record)
            case "error":
                yield Problem(record.text("message"))
            case "result":
                yield from self._ended(record)

    def end(self, exit_code: int) -> Ending:
        for event in self._whole_message():
            self._remember(event)
        if exit_code == _TURN_LIMIT_EXIT_CODE:
            self.limit()
        return super().end(exit_code)

    def _whole_message(self) -> Iterator[AgentEvent]:
        text = plain("".join(self._pieces))
        self._pieces = []
        if text:
            yield Message(text)

    def _used(self, record: Record) -> Iterator[AgentEvent]:
        tool = record.word("tool_name")
        yield ToolCall(record.word("tool_id"), tool, record.arguments("parameters"))
        path = record.text("parameters", "file_path")
        if tool in _WRITES and path:
            yield FileChange(path, _WRITES[tool])

    def _answered(self, record: Record) -> ToolResult:
        text = record.text("output") or record.text("error", "message")
        return ToolResult(record.word("tool_id"), text, record.word("status") != "success")

    def _ended(self, record: Record) -> Iterator[AgentEvent]:
        stats = record.at("stats")
        yield Usage(
            stats.count("input_tokens"), stats.count("cached"), stats.count("output_tokens")
        )
        if record.word("status") != "success":
            self.fail(record.text("error", "message"))
            yield Problem(record.text("error", "message"))
