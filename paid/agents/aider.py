"""aider: plain text, over Chat Completions or Messages.

It loads the repository's .aider.conf.yml and .env itself, and .env even replaces the environment;
arguments beat both, so the address is one. Commits are left to Paid, without its
cache in the worktree.
It ends with code 0 when the model's API refuses: the error is known by its line alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from paid.agents.events import AgentEvent, FileChange, Message, Problem, Usage
from paid.agents.protocol import (
    AGENT_HOME,
    NO_PROXY,
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

_HISTORY = f"{AGENT_HOME}/.paid/aider-history.md"
_SETTINGS = ".paid/aider-models.yml"
_MESSAGE = ".paid/aider-message.md"
LITELLM_RETRIES = "20"
"""litellm's own, of each request, 8 s apart at most; aider itself gives up after a minute."""
_SESSION = "history"
"""aider has no session ids: there is one history in a workspace."""


class Aider:
    """The pair programmer; works with edit blocks instead of tools."""

    name = "aider"
    image = AgentImage(
        program="aider",
        pip={"aider-chat": "0.86.2"},
        licence="Apache-2.0",
        note="no tools: the model answers with edit blocks",
    )
    wires = (Wire.OPENAI_CHAT, Wire.ANTHROPIC_MESSAGES)
    default_model = "gpt-5.5"
    continues = True
    config_paths = (".aider.conf.yml", ".aider.model.settings.yml", ".aiderignore", ".env")
    litter: tuple[str, ...] = (".aider*", ".aider*/**")

    def invoke(self, turn: Turn) -> Invocation:
        name = turn.model or self.default_model
        vendor = "anthropic" if name.startswith("claude") else "openai"
        model = f"{vendor}/{name}"
        resume = ("--restore-chat-history",) if turn.session_id else ()
        return Invocation(
            argv=(
                *("aider", "--model", model, "--weak-model", model, "--editor-model", model),
                *("--message-file", f"{AGENT_HOME}/{_MESSAGE}", "--chat-history-file", _HISTORY),
                *("--input-history-file", f"{AGENT_HOME}/.paid/aider-input"),
                *("--model-settings-file", f"{AGENT_HOME}/{_SETTINGS}"),
                *_addresses(turn.gateway_url),
                *_QUIET,
                *resume,
            ),
            env={
                "PAID_RUN_TOKEN": RUN_TOKEN,
                "OPENAI_API_KEY": RUN_TOKEN,
                "ANTHROPIC_API_KEY": RUN_TOKEN,
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "DEFAULT_MAX_RETRIES": LITELLM_RETRIES,
            },
            files={
                _MESSAGE: turn.prompt,
                _SETTINGS: _model_settings(turn.gateway_url, vendor),
            },
        )

    def transcript(self) -> Transcript:
        return AiderTranscript()


_QUIET = (
    *(
        "--edit-format",
        "diff",
        "--yes-always",
        "--no-pretty",
        "--no-check-update",
        "--no-show-model-warnings",
    ),
    *("--no-show-release-notes", "--no-analytics", "--no-gitignore", "--no-detect-urls"),
    *("--no-auto-commits", "--no-dirty-commits", "--no-suggest-shell-commands"),
)


def _addresses(gateway_url: str) -> tuple[str, ...]:
    """Both vendors' addresses as arguments; `--set-env` is applied after a repository's .env."""
    openai, anthropic = f"{gateway_url}/openai/v1", f"{gateway_url}/anthropic"
    return (
        *("--openai-api-base", openai),
        *(word for pair in NO_PROXY.items() for word in ("--set-env", "=".join(pair))),
        *("--set-env", f"OPENAI_BASE_URL={openai}"),
        *("--set-env", f"ANTHROPIC_API_BASE={anthropic}"),
        *("--set-env", f"ANTHROPIC_BASE_URL={anthropic}"),
    )


def _model_settings(gateway_url: str, vendor: str) -> str:
    """aider merges these over a repository's .aider.model.settings.yml, for every model."""
    api_base = f"{gateway_url}/{'anthropic' if vendor == 'anthropic' else 'openai/v1'}"
    extra = {"api_base": api_base, "base_url": api_base, "api_key": "os.environ/PAID_RUN_TOKEN"}
    return json.dumps([{"name": "aider/extra_params", "extra_params": extra}])


_MAX_MESSAGE_LINES = 2_000
_HEADER_ENDS = re.compile(r"(?:Repo-map|Restored previous conversation)\b")
_APPLIED = re.compile(r"Applied edit to (.+)")
_TOKENS = re.compile(
    r"Tokens: ([\d.]+)(k|M)? sent,(?: [\d.]+[kM]? cache [a-z ]+,)* ([\d.]+)(k|M)? rec"
)
_FAILED = re.compile(r"litellm\.\w+(?:Error|Exception): .*")
_SCALE = {None: 1, "k": 1_000, "M": 1_000_000}


class AiderTranscript(TextTranscript):
    """Reads what follows aider's header; one message is the text up to the count of its tokens."""

    def __init__(self) -> None:
        super().__init__()
        self._in_header = True
        self._answered = False
        self._words: list[str] = []

    def read_text(self, line: str) -> Iterator[AgentEvent]:
        yield from self.opened(_SESSION)
        applied, tokens = _APPLIED.fullmatch(line), _TOKENS.match(line)
        if _FAILED.match(line):
            yield Problem(line)
        elif applied:
            yield FileChange(applied.group(1), "edit")
        elif tokens:
            self._answered = True
            yield from self._said()
            yield Usage(_number(*tokens.group(1, 2)), 0, _number(*tokens.group(3, 4)))
        elif self._in_header:
            self._in_header = not _HEADER_ENDS.match(line)
        elif len(self._words) < _MAX_MESSAGE_LINES:
            self._words.append(line)

    def end(self, exit_code: int) -> Ending:
        if not self._answered:
            self._last_words = plain("\n".join(self._words).strip())
            self._failed = self._failed or bool(self._problem)
        return super().end(exit_code)

    def _said(self) -> Iterator[AgentEvent]:
        words, self._words = plain("\n".join(self._words).strip()), []
        if words:
            yield Message(words)


def _number(digits: str, scale: str | None) -> int:
    """aider rounds: "2.3k" reads as 2,300; nonsense reads as 0."""
    try:
        return min(int(float(digits) * _SCALE[scale]), 10**12)
    except (ValueError, OverflowError):
        return 0
