"""What Paid must know of a coding agent: how to start it, read it, continue it and install it.

An agent is a program that runs inside a locked container as its own process. It reaches models
only through the gateway, with a token that is good for nothing else. What it prints is a claim of
untrusted code: a `Transcript` turns it into bounded, plain events and never fails on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from paid.agents.events import AgentEvent, Usage

GATEWAY_URL = "http://127.0.0.1:8377"
"""Where the forwarder in the container listens; the gateway's vendor prefixes follow."""
AGENT_HOME = "/workspace/home"
"""HOME of every agent; `Invocation.files` are relative to it."""
NO_PROXY = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost,::1")
"""Keeps model traffic off every proxy, for agents that let a repository name one."""
RUN_TOKEN = "{run_token}"  # noqa: S105 - the placeholder that paid-step replaces
"""An environment value that is exactly this is replaced by the run's token in the container."""


PATIENCE_SECONDS = 2400
"""As long as the longest turn: whoever waits for an answer gives up with the turn, not before."""


class Wire(StrEnum):
    """The vendors' APIs that the gateway carries."""

    ANTHROPIC_MESSAGES = "anthropic-messages"
    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    GEMINI = "gemini"

    @property
    def vendor(self) -> str:
        """Whose API it is, and so whose key it takes."""
        return self.value.partition("-")[0]


@dataclass(frozen=True)
class AgentImage:
    """How an agent is put into its image: pinned packages and the files that manage it.

    `npm` and `pip` map package names to exact versions; `program` is what must be on PATH
    afterwards. `files` maps absolute paths to texts that the image holds, owned by root: settings
    that neither the repository nor the agent itself can change.
    """

    program: str = ""
    npm: Mapping[str, str] = field(default_factory=dict)
    pip: Mapping[str, str] = field(default_factory=dict)
    apt: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""
    proprietary: bool = False
    note: str = ""

    @property
    def version(self) -> str:
        """The version of the first package, which is the agent's own; empty without packages."""
        return next(iter([*self.npm.values(), *self.pip.values()]), "")


@dataclass(frozen=True)
class Turn:
    """One thing to ask of an agent.

    `model` None means the agent's `default_model`. `session_id` continues an earlier turn where the
    agent `continues`. `argv` is for the agent `command` alone: the program to run.
    """

    prompt: str
    model: str | None = None
    session_id: str | None = None
    gateway_url: str = GATEWAY_URL
    argv: tuple[str, ...] = ()


@dataclass(frozen=True)
class Invocation:
    """What the container starts: an argument list, never a shell.

    `files` maps paths relative to HOME to texts. `stdin` None means /dev/null.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    stdin: str | None = None


class How(StrEnum):
    """How a turn ended, as far as the agent's output and exit code say."""

    FINISHED = "finished"
    ERROR = "error"
    LIMIT = "limit"
    NEEDS_INPUT = "needs_input"


@dataclass(frozen=True)
class Ending:
    """How a turn ended, and a sentence about it: the last words, the error or the question."""

    how: How
    message: str = ""


class Transcript(Protocol):
    """Reads the output of one turn, line by line."""

    @property
    def session_id(self) -> str | None:
        """What `Turn.session_id` takes to continue; None while unknown or not possible."""

    @property
    def usage(self) -> Usage:
        """Tokens as the agent counts them; the gateway's ledger is what holds."""

    def feed(self, line: str) -> list[AgentEvent]:
        """Read one line of output; garbage gives no event, never an exception."""

    def end(self, exit_code: int) -> Ending:
        """Say how the turn ended, after the last line."""


class Agent(Protocol):
    """One coding agent."""

    @property
    def name(self) -> str:
        """The word that settings and the command line use."""

    @property
    def image(self) -> AgentImage:
        """How to install it."""

    @property
    def wires(self) -> tuple[Wire, ...]:
        """The APIs that its requests may use, the usual one first."""

    @property
    def default_model(self) -> str:
        """The model when nobody chose one; empty where the program chooses itself."""

    @property
    def continues(self) -> bool:
        """Whether a later turn can go on with the same session."""

    @property
    def config_paths(self) -> tuple[str, ...]:
        """Files and folders of a repository that steer this agent: taken from the base alone."""

    @property
    def litter(self) -> tuple[str, ...]:
        """Names (with *) of files that it leaves in the worktree and that nobody commits."""

    def invoke(self, turn: Turn) -> Invocation:
        """Make the command line, environment and files for a turn."""

    def transcript(self) -> Transcript:
        """Make a reader for one turn's output."""
