"""Anthropic's claude-code: `claude -p --output-format stream-json`, over the Messages API.

Proprietary: the user installs it into an image of their own; Paid ships nothing of it.
A repository's .claude/settings.json may hold `env`, and that would reach ANTHROPIC_BASE_URL. The
same names in `--settings` and in the image's managed settings beat it.
"""

from __future__ import annotations

import json

from paid.agents.messages_stream import MessagesTranscript
from paid.agents.protocol import (
    GATEWAY_URL,
    NO_PROXY,
    PATIENCE_SECONDS,
    RUN_TOKEN,
    AgentImage,
    Invocation,
    Transcript,
    Turn,
    Wire,
)


def _pinned(gateway_url: str) -> dict[str, object]:
    """Settings that a repository must not change."""
    return {
        "env": {
            **NO_PROXY,
            "ANTHROPIC_BASE_URL": f"{gateway_url}/anthropic",
            "CLAUDE_CODE_USE_BEDROCK": "",
            "CLAUDE_CODE_USE_VERTEX": "",
            "CLAUDE_CODE_USE_FOUNDRY": "",
        },
        "permissions": {"deny": ["WebSearch", "WebFetch"]},
    }


class ClaudeCode:
    """Anthropic's own agent."""

    name = "claude-code"
    image = AgentImage(
        program="claude",
        npm={"@anthropic-ai/claude-code": "2.1.329"},
        files={"/etc/claude-code/managed-settings.json": json.dumps(_pinned(GATEWAY_URL))},
        licence="Anthropic's terms",
        proprietary=True,
        note="installed by you, under Anthropic's terms; never shipped with Paid",
    )
    wires = (Wire.ANTHROPIC_MESSAGES,)
    default_model = "claude-sonnet-4-5"
    continues = True
    config_paths = ("CLAUDE.md", "CLAUDE.local.md", "AGENTS.md", ".claude", ".mcp.json")
    litter: tuple[str, ...] = ()

    def invoke(self, turn: Turn) -> Invocation:
        resume = ("--resume", turn.session_id) if turn.session_id else ()
        return Invocation(
            argv=(
                *("claude", "-p", "--output-format", "stream-json", "--verbose"),
                "--dangerously-skip-permissions",
                "--strict-mcp-config",
                *("--settings", json.dumps(_pinned(turn.gateway_url))),
                *("--model", turn.model or self.default_model),
                *resume,
            ),
            env={
                "ANTHROPIC_BASE_URL": f"{turn.gateway_url}/anthropic",
                "ANTHROPIC_AUTH_TOKEN": RUN_TOKEN,
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "DISABLE_AUTOUPDATER": "1",
                "IS_SANDBOX": "1",
                "CLAUDE_CODE_MAX_RETRIES": "15",  # it takes no more
                "API_TIMEOUT_MS": str(PATIENCE_SECONDS * 1000),
            },
            stdin=turn.prompt,
        )

    def transcript(self) -> Transcript:
        return MessagesTranscript(cached_input_is_apart=True)
