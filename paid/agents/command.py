"""`command`: any program as an agent.

The contract (docs/agents.md): the program is started in the worktree with the task on standard
input. It finds the gateway in PAID_GATEWAY_URL and the vendors' usual variables, and its token in
PAID_RUN_TOKEN. It commits, or leaves the changes to Paid. A line of output that is a JSON object
with a `kind` of paid.agents.events becomes that event; every other line is a message. Exit code 0
means finished, 75 (EX_TEMPFAIL) that it stopped at a limit, everything else an error.
"""

from __future__ import annotations

from collections.abc import Iterator

from paid.agents.events import (
    AgentEvent,
    FileChange,
    Message,
    Problem,
    Session,
    Thought,
    ToolCall,
    ToolResult,
    Usage,
)
from paid.agents.protocol import (
    RUN_TOKEN,
    AgentImage,
    Ending,
    How,
    Invocation,
    Transcript,
    Turn,
    Wire,
)
from paid.agents.record import Record, parse_line
from paid.agents.transcript import BaseTranscript
from paid.errors import BadInputError
from paid.plain import plain

_LIMIT_EXIT_CODE = 75


class Command:
    """Runs the program that the project names."""

    name = "command"
    image = AgentImage(note="any program; see docs/agents.md")
    wires = (Wire.OPENAI_RESPONSES, Wire.OPENAI_CHAT, Wire.ANTHROPIC_MESSAGES, Wire.GEMINI)
    default_model = ""
    continues = True
    config_paths: tuple[str, ...] = ()
    litter: tuple[str, ...] = ()

    def invoke(self, turn: Turn) -> Invocation:
        if not turn.argv:
            raise BadInputError(
                "The agent `command` has no program to run.",
                hint="Name one: paid project set PROJECT --agent-command 'my-agent --flag'",
            )
        return Invocation(argv=turn.argv, env=_environment(turn), stdin=turn.prompt)

    def transcript(self) -> Transcript:
        return CommandTranscript()


def _environment(turn: Turn) -> dict[str, str]:
    known = {"PAID_MODEL": turn.model, "PAID_SESSION_ID": turn.session_id}
    return {
        "PAID_GATEWAY_URL": turn.gateway_url,
        "PAID_RUN_TOKEN": RUN_TOKEN,
        "OPENAI_BASE_URL": f"{turn.gateway_url}/openai/v1",
        "OPENAI_API_KEY": RUN_TOKEN,
        "ANTHROPIC_BASE_URL": f"{turn.gateway_url}/anthropic",
        "ANTHROPIC_API_KEY": RUN_TOKEN,
        "GOOGLE_GEMINI_BASE_URL": f"{turn.gateway_url}/gemini",
        "GEMINI_API_KEY": RUN_TOKEN,
        **{name: value for name, value in known.items() if value},
    }


class CommandTranscript(BaseTranscript):
    """Reads events as JSON, and everything else as words."""

    def _read_line(self, line: str) -> Iterator[AgentEvent]:
        record = parse_line(line)
        event = _event(record) if record else None
        if event:
            yield event
            return
        self.noise(line)
        text = plain(line).strip()
        if text:
            yield Message(text)

    def end(self, exit_code: int) -> Ending:
        ending = super().end(exit_code)
        limited = exit_code == _LIMIT_EXIT_CODE
        return Ending(How.LIMIT, ending.message) if limited else ending


def _event(record: Record) -> AgentEvent | None:
    match record.word("kind"):
        case "session" if record.identifier("session_id"):
            return Session(record.identifier("session_id"))
        case "message":
            return Message(record.text("text"))
        case "thought":
            return Thought(record.text("text"))
        case "tool_call":
            arguments = record.arguments("arguments")
            return ToolCall(record.word("call_id"), record.word("tool"), arguments)
        case "tool_result":
            return ToolResult(record.word("call_id"), record.text("text"), record.flag("failed"))
        case "file_change":
            return FileChange(record.text("path"), record.word("change"))
        case "usage":
            counts = (record.count(f"{name}_tokens") for name in ("input", "cached", "output"))
            return Usage(*counts)
        case "error":
            return Problem(record.text("text"))
    return None
