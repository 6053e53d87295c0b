"""opencode: `opencode run --format json`, over Chat Completions or Messages.

OPENCODE_CONFIG_CONTENT is merged over the repository's opencode.json, so that its provider `paid`
keeps the gateway's address. `--pure` leaves external plugins out: they would be fetched from npm.
"""

from __future__ import annotations

import json
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

_WRITES = {"write": "add", "edit": "edit", "patch": "edit"}


class OpenCode:
    """The open source agent for many models."""

    name = "opencode"
    image = AgentImage(
        program="opencode",
        npm={"opencode-ai": "1.18.33"},
        licence="MIT",
        note="for Claude models over Messages, for all others over Chat Completions",
    )
    wires = (Wire.OPENAI_CHAT, Wire.ANTHROPIC_MESSAGES)
    default_model = "gpt-5.5"
    continues = True
    config_paths = ("AGENTS.md", "CLAUDE.md", "opencode.json", "opencode.jsonc", ".opencode")
    litter: tuple[str, ...] = ()

    def invoke(self, turn: Turn) -> Invocation:
        model = turn.model or self.default_model
        resume = ("--session", turn.session_id) if turn.session_id else ()
        return Invocation(
            argv=(
                *("opencode", "run", "--format", "json", "--thinking", "--pure", "--auto"),
                *("-m", f"paid/{model}"),
                *resume,
            ),
            env={
                "PAID_RUN_TOKEN": RUN_TOKEN,
                "OPENCODE_CONFIG_CONTENT": json.dumps(_config(model, turn.gateway_url)),
                "OPENCODE_DISABLE_MODELS_FETCH": "1",
                "OPENCODE_DISABLE_AUTOUPDATE": "1",
                "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
                "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
            },
            stdin=turn.prompt,
        )

    def transcript(self) -> Transcript:
        return OpenCodeTranscript()


def _config(model: str, gateway_url: str) -> dict[str, object]:
    is_claude = model.startswith("claude")
    package = "@ai-sdk/anthropic" if is_claude else "@ai-sdk/openai-compatible"
    prefix = "anthropic/v1" if is_claude else "openai/v1"
    limits = {"context": 200_000, "output": 32_000}
    return {
        "provider": {
            "paid": {
                "npm": package,
                "name": "Paid",
                "options": {
                    "baseURL": f"{gateway_url}/{prefix}",
                    "apiKey": "{env:PAID_RUN_TOKEN}",
                    "timeout": False,  # of a request; it tries again without end
                },
                "models": {model: {"name": model, "tool_call": True, "limit": limits}},
            }
        },
        "enabled_providers": ["paid"],
        "disabled_providers": [],
        "model": f"paid/{model}",
        "small_model": f"paid/{model}",
        "permission": {"webfetch": "deny", "websearch": "deny"},
        "autoupdate": False,
        "share": "disabled",
    }


class OpenCodeTranscript(JsonTranscript):
    """Reads `opencode run --format json`; every line carries the session."""

    def read(self, record: Record) -> Iterator[AgentEvent]:
        yield from self.opened(record.identifier("sessionID"))
        part = record.at("part")
        match record.word("type"):
            case "text":
                yield Message(part.text("text"))
            case "reasoning":
                yield Thought(part.text("text"))
            case "tool_use":
                yield from self._used(part)
            case "step_finish":
                yield _usage(part.at("tokens"))
            case "error":
                text = record.text("error", "data", "message") or record.word("error", "name")
                self.fail(text)
                yield Problem(text)

    def _used(self, part: Record) -> Iterator[AgentEvent]:
        call_id, tool, state = part.word("callID"), part.word("tool"), part.at("state")
        yield ToolCall(call_id, tool, state.arguments("input"))
        failed = state.word("status") != "completed"
        yield ToolResult(call_id, state.text("output") or state.text("error"), failed)
        path = state.text("input", "filePath")
        if tool in _WRITES and path and not failed:
            yield FileChange(path, _WRITES[tool])


def _usage(tokens: Record) -> Usage:
    cached = tokens.count("cache", "read")
    return Usage(
        input_tokens=tokens.count("input") + cached + tokens.count("cache", "write"),
        cached_tokens=cached,
        output_tokens=tokens.count("output") + tokens.count("reasoning"),
    )
