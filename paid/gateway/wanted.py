"""The members of each protocol's requests that say what they may cost."""

from __future__ import annotations

from collections.abc import Mapping

WANTED: Mapping[str, frozenset[str]] = {
    "messages": frozenset(
        {
            "model",
            "max_tokens",
            "stream",
            "tools",
            "service_tier",
            "speed",
            "mcp_servers",
            "compaction",
            "container",
            "context_management",
            "fallbacks",
            "inference_geo",
            "thread",
            "thinking",
            "cache_control",
            "betas",
            "anthropic_beta",
        }
    ),
    "chat": frozenset(
        {
            "model",
            "max_tokens",
            "max_completion_tokens",
            "n",
            "stream",
            "stream_options",
            "service_tier",
            "web_search_options",
            "modalities",
            "prediction",
            "tools",
            "models",
            "plugins",
            "search_parameters",
            "enable_search",
            "compound_custom",
        }
    ),
    "responses": frozenset(
        {
            "model",
            "max_output_tokens",
            "stream",
            "tools",
            "service_tier",
            "background",
            "previous_response_id",
            "context_management",
            "conversation",
            "prompt",
        }
    ),
    "gemini": frozenset(
        {
            "generationConfig",
            "generation_config",
            "tools",
            "cachedContent",
            "cached_content",
            "serviceTier",
            "service_tier",
        }
    ),
}
