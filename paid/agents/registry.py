"""The agents that Paid knows. To add one: a module beside this, a line here, a line in docs."""

from __future__ import annotations

from paid.agents.aider import Aider
from paid.agents.claude_code import ClaudeCode
from paid.agents.codex import Codex
from paid.agents.command import Command
from paid.agents.copilot import Copilot
from paid.agents.gemini import Gemini
from paid.agents.mini_swe_agent import MiniSweAgent
from paid.agents.opencode import OpenCode
from paid.agents.protocol import Agent
from paid.agents.qwen import Qwen
from paid.errors import NotFoundError

DEFAULT = "codex"

_AGENTS: tuple[Agent, ...] = (
    Codex(),
    ClaudeCode(),
    OpenCode(),
    Gemini(),
    Qwen(),
    Copilot(),
    Aider(),
    MiniSweAgent(),
    Command(),
)


def names() -> tuple[str, ...]:
    """Every agent's name, the default first."""
    return tuple(agent.name for agent in _AGENTS)


def get(name: str) -> Agent:
    """The agent of that name. Raises NotFoundError with the names that exist."""
    for agent in _AGENTS:
        if agent.name == name:
            return agent
    raise NotFoundError(f"There is no agent named {name!r}.", hint=f"Choose: {', '.join(names())}.")
