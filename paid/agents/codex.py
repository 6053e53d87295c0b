"""OpenAI's codex: `codex exec --json`, over the Responses API.

Its output is "thread" and "item" events; an error item without `turn.failed` is a warning. `-c`
beats the repository's .codex/config.toml, so the provider is given there and not in a file. Hosted
web search is off: it would leave the sandbox by the vendor's side and cost extra.
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
from paid.agents.protocol import (
    PATIENCE_SECONDS,
    RUN_TOKEN,
    AgentImage,
    Invocation,
    Transcript,
    Turn,
    Wire,
)
from paid.agents.record import Record
from paid.agents.transcript import JsonTranscript


class Codex:
    """The default agent: open source, one native program, no runtime of its own."""

    name = "codex"
    image = AgentImage(
        program="codex",
        npm={"@openai/codex": "0.169.0"},
        licence="Apache-2.0",
        note="OpenAI's command line agent",
    )
    wires = (Wire.OPENAI_RESPONSES,)
    default_model = "gpt-5.5"
    continues = True
    config_paths = ("AGENTS.md", "AGENTS.override.md", ".codex", ".agents")
    litter: tuple[str, ...] = ()

    def invoke(self, turn: Turn) -> Invocation:
        resume = ("resume", turn.session_id) if turn.session_id else ()
        return Invocation(
            argv=(
                *("codex", "exec", *resume),
                *("--json", "--skip-git-repo-check", "--ignore-rules"),
                "--dangerously-bypass-approvals-and-sandbox",
                *(word for feature in _OFF for word in ("--disable", feature)),
                *("-m", turn.model or self.default_model),
                *_settings(f"{turn.gateway_url}/openai/v1"),
                "-",
            ),
            env={"PAID_RUN_TOKEN": RUN_TOKEN, "CODEX_DISABLE_UPDATE_CHECK": "1"},
            stdin=turn.prompt,
        )

    def transcript(self) -> Transcript:
        return CodexTranscript()


_OFF = ("apps", "plugins", "remote_plugin", "image_generation", "tool_suggest")
"""Features that would look for servers which a container cannot reach, or cost extra."""


_MOST_RETRIES = 100
"""codex takes no more. It waits twice as long before each, so that the turn's limits come first."""


def _settings(base_url: str) -> tuple[str, ...]:
    provider = (
        f'{{name="Paid",base_url="{base_url}",env_key="PAID_RUN_TOKEN",wire_api="responses",'
        f"request_max_retries={_MOST_RETRIES},stream_max_retries={_MOST_RETRIES},"
        f"stream_idle_timeout_ms={PATIENCE_SECONDS * 1000}}}"
    )
    settings = (
        'model_provider="paid"',
        f"model_providers.paid={provider}",
        'web_search="disabled"',
        "check_for_update_on_startup=false",
        "analytics.enabled=false",
        "feedback.enabled=false",
    )
    return tuple(word for setting in settings for word in ("-c", setting))


class CodexTranscript(JsonTranscript):
    """Reads `codex exec --json`."""

    def read(self, record: Record) -> Iterator[AgentEvent]:
        match record.word("type"):
            case "thread.started":
                yield from self.opened(record.identifier("thread_id"))
            case "item.started":
                yield from self._started(record.at("item"))
            case "item.completed":
                yield from self._completed(record.at("item"))
            case "turn.completed":
                yield _usage(record.at("usage"))
            case "turn.failed":
                self.fail(_error_text(record.text("error", "message")))
                yield Problem(_error_text(record.text("error", "message")))
            case "error":
                yield Problem(_error_text(record.text("message")))

    def _started(self, item: Record) -> Iterator[AgentEvent]:
        match item.word("type"):
            case "command_execution":
                yield ToolCall(item.word("id"), "shell", {"command": item.text("command")})
            case "mcp_tool_call":
                yield ToolCall(item.word("id"), item.word("tool"), item.arguments("arguments"))
            case "web_search":
                yield ToolCall(item.word("id"), "web_search", {"query": item.text("query")})

    def _completed(self, item: Record) -> Iterator[AgentEvent]:
        match item.word("type"):
            case "agent_message":
                yield Message(item.text("text"))
            case "reasoning":
                yield Thought(item.text("text"))
            case "command_execution":
                failed = item.word("status") != "completed" or item.count("exit_code") != 0
                yield ToolResult(item.word("id"), item.text("aggregated_output"), failed)
            case "file_change":
                for change in item.items("changes"):
                    yield FileChange(change.text("path"), change.word("kind"))
            case "mcp_tool_call":
                failed = item.word("status") != "completed"
                yield ToolResult(item.word("id"), item.at("result").prose("content"), failed)
            case "error":
                yield Problem(item.text("message"))


def _usage(usage: Record) -> Usage:
    return Usage(
        input_tokens=usage.count("input_tokens"),
        cached_tokens=usage.count("cached_input_tokens"),
        output_tokens=usage.count("output_tokens"),
    )


def _error_text(text: str) -> str:
    """The vendor's message where the text is the vendor's JSON, as codex passes it on."""
    inner = Record({"text": text}).arguments("text")
    return Record(inner).text("error", "message") or text
