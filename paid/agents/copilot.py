"""GitHub's copilot: `copilot --output-format json`, with a model provider of one's own.

Proprietary: the user installs it into an image of their own. It runs offline: no sign-in, no
telemetry, no server of GitHub's. The repository's hooks and MCP servers are not trusted.
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
from paid.agents.protocol import RUN_TOKEN, AgentImage, Invocation, Transcript, Turn, Wire
from paid.agents.record import Record
from paid.agents.transcript import JsonTranscript

_WRITES = {"create": "add", "edit": "edit", "str_replace": "edit", "insert": "edit"}


class Copilot:
    """GitHub's agent."""

    name = "copilot"
    image = AgentImage(
        program="copilot",
        npm={"@github/copilot": "1.0.102"},
        licence="GitHub's terms",
        proprietary=True,
        note="installed by you, under GitHub's terms; never shipped with Paid",
    )
    wires = (Wire.OPENAI_CHAT, Wire.ANTHROPIC_MESSAGES)
    default_model = "gpt-5.5"
    continues = True
    config_paths = (
        *("AGENTS.md", "CLAUDE.md", "GEMINI.md", ".github/copilot-instructions.md"),
        *(".github/instructions", ".github/agents", ".github/skills", ".github/hooks"),
        *(".github/copilot", ".copilot", ".mcp.json"),
    )
    litter: tuple[str, ...] = ()

    def invoke(self, turn: Turn) -> Invocation:
        model = turn.model or self.default_model
        resume = (f"--resume={turn.session_id}",) if turn.session_id else ()
        return Invocation(
            argv=(
                *("copilot", "--output-format", "json", "--allow-all", "--no-ask-user"),
                *("--no-auto-update", "--no-color", "--disable-builtin-mcps"),
                *resume,
            ),
            env={
                **_provider(model, turn.gateway_url),
                "COPILOT_PROVIDER_API_KEY": RUN_TOKEN,
                "COPILOT_MODEL": model,
                "COPILOT_OFFLINE": "true",
                "COPILOT_AUTO_UPDATE": "false",
            },
            stdin=turn.prompt,
        )

    def transcript(self) -> Transcript:
        return CopilotTranscript()


def _provider(model: str, gateway_url: str) -> dict[str, str]:
    if model.startswith("claude"):
        return {
            "COPILOT_PROVIDER_TYPE": "anthropic",
            "COPILOT_PROVIDER_BASE_URL": f"{gateway_url}/anthropic",
        }
    return {
        "COPILOT_PROVIDER_TYPE": "openai",
        "COPILOT_PROVIDER_WIRE_API": "completions",
        "COPILOT_PROVIDER_BASE_URL": f"{gateway_url}/openai/v1",
    }


class CopilotTranscript(JsonTranscript):
    """Reads copilot's JSON lines; those marked ephemeral repeat what a later line says whole."""

    def read(self, record: Record) -> Iterator[AgentEvent]:
        data = record.at("data")
        match record.word("type"):
            case "assistant.message":
                yield from _said(data)
            case "assistant.reasoning":
                yield Thought(data.text("content"))
            case "assistant.usage":
                yield _usage(data)
            case "tool.execution_start":
                yield from _used(data)
            case "tool.execution_complete":
                text = data.text("result", "content") or data.text("error", "message")
                failed = not data.flag("success")
                yield ToolResult(data.word("toolCallId"), text, failed)
            case "session.error":
                self.fail(data.text("message"))
                yield Problem(data.text("message"))
            case "result":
                yield from self.opened(record.identifier("sessionId"))


def _said(data: Record) -> Iterator[AgentEvent]:
    if data.text("content"):
        yield Message(data.text("content"))


def _used(data: Record) -> Iterator[AgentEvent]:
    tool = data.word("toolName")
    yield ToolCall(data.word("toolCallId"), tool, data.arguments("arguments"))
    path = data.text("arguments", "path")
    if tool in _WRITES and path:
        yield FileChange(path, _WRITES[tool])


def _usage(data: Record) -> Usage:
    return Usage(
        input_tokens=data.count("inputTokens"),
        cached_tokens=data.count("cacheReadTokens"),
        output_tokens=data.count("outputTokens"),
    )
