"""Alibaba's qwen-code: `qwen --output-format stream-json`, over Chat Completions.

The address is given as an argument and in system settings that Paid writes: both beat a
repository's .qwen/settings.json and .env.
"""

from __future__ import annotations

import json

from paid.agents.messages_stream import MessagesTranscript
from paid.agents.protocol import (
    AGENT_HOME,
    NO_PROXY,
    PATIENCE_SECONDS,
    RUN_TOKEN,
    AgentImage,
    Invocation,
    Transcript,
    Turn,
    Wire,
)

_RETRIES = 20
"""It waits 8 s at most between two."""
_SYSTEM_SETTINGS = ".paid/qwen-system.json"


class Qwen:
    """Qwen's agent, for any model that speaks Chat Completions."""

    name = "qwen"
    image = AgentImage(
        program="qwen",
        npm={"@qwen-code/qwen-code": "0.24.4"},
        licence="Apache-2.0",
        note="for any model behind Chat Completions",
    )
    wires = (Wire.OPENAI_CHAT,)
    default_model = "gpt-5.5"
    continues = True
    config_paths = ("QWEN.md", "AGENTS.md", ".qwen", ".mcp.json", ".env")
    litter: tuple[str, ...] = ()

    def invoke(self, turn: Turn) -> Invocation:
        base_url = f"{turn.gateway_url}/openai/v1"
        model = turn.model or self.default_model
        resume = ("--resume", turn.session_id) if turn.session_id else ()
        return Invocation(
            argv=(
                *("qwen", "--auth-type", "openai", "--yolo", "--output-format", "stream-json"),
                *("--openai-base-url", base_url, "--model", model),
                *("--exclude-tools", "web_fetch"),
                *resume,
            ),
            env={
                "OPENAI_BASE_URL": base_url,
                "OPENAI_API_KEY": RUN_TOKEN,
                "OPENAI_MODEL": model,
                "QWEN_CODE_SYSTEM_SETTINGS_PATH": f"{AGENT_HOME}/{_SYSTEM_SETTINGS}",
                "QWEN_CODE_SUPPRESS_YOLO_WARNING": "1",
            },
            files={_SYSTEM_SETTINGS: json.dumps(_pinned(model, base_url))},
            stdin=turn.prompt,
        )

    def transcript(self) -> Transcript:
        return MessagesTranscript(cached_input_is_apart=False)


def _pinned(model: str, base_url: str) -> dict[str, object]:
    generation = {
        "baseUrl": base_url,
        "maxRetries": _RETRIES,
        "timeout": PATIENCE_SECONDS * 1000,
    }
    return {
        "proxy": "",
        "env": {**NO_PROXY, "OPENAI_BASE_URL": base_url},
        "modelProviders": {
            "openai": [{"id": model, "baseUrl": base_url, "envKey": "OPENAI_API_KEY"}]
        },
        "model": {"name": model, "baseUrl": base_url, "generationConfig": generation},
        "general": {"enableAutoUpdate": False},
        "telemetry": {"enabled": False},
        "privacy": {"usageStatisticsEnabled": False},
        "security": {"auth": {"selectedType": "openai", "baseUrl": base_url}},
    }
