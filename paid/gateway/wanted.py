"""The members of each protocol's requests that say what they may cost."""

from __future__ import annotations

from collections.abc import Mapping

UNCAPPED = {
    "background": "answers that come later cannot be metered here",
    "mcp_servers": "the vendor must not call servers for a run",
    "cachedContent": "stored caches are billed apart from requests",
    "prompt": "what is stored at the vendor may bring tools that run there",
    "prediction": "its tokens are charged beyond the maximum output",
    "container": "containers at the vendor are billed apart from requests",
    "fallbacks": "another model has another price; name fall-backs in the project's settings",
    "models": "another model has another price; name fall-backs in the project's settings",
    "plugins": "they run at the vendor, past the limits of a run",
    "preset": "what is stored at the vendor may bring another model and tools that run there",
    "prompt_id": "what is stored at the vendor may bring another model and tools that run there",
    "vector_store_ids": "what they bring as input is not counted here; send it as messages",
    "user_config": "another model has another price; name fall-backs in the project's settings",
    "context_window_fallback_dict": "another model has another price; name it in the request",
    "search_parameters": "the vendor must not reach the web for a run",
    "enable_search": "the vendor must not reach the web for a run",
    "compound_custom": "its tools run at the vendor, past the limits of a run",
    "web_search_options": "the vendor must not reach the web for a run",
    "search_options": "the vendor must not reach the web for a run",
    "data_sources": "the vendor must not reach stores of data for a run",
    "dataSources": "the vendor must not reach stores of data for a run",
    "documents": "what they bring as input is not counted here; send it as messages",
    "enable_code_interpreter": "it runs at the vendor, past the limits of a run",
    "chat_template": "what it writes around the conversation is not counted here",
    "kv_transfer_params": "the vendor must not fetch for a run",
    "api_base": "requests go where the project's settings say",
    "base_url": "requests go where the project's settings say",
    "extra_body": "send its members beside the others, where they can be counted",
    "best_of": "its answers are charged and never seen",
    "use_beam_search": "its answers are charged and never seen",
}
"""What is refused on every wire, and why: many servers read another protocol's members, too."""
_EVERYWHERE = frozenset(
    {"cached_content", "conversation", "thread", "previous_response_id", "thinking", "modalities"}
    | {"thinking_budget", "reasoning", "max_tokens", "max_completion_tokens", "max_output_tokens"}
    | {"n", "service_tier", "serviceTier", "context_management", "compaction", "instructions"}
    | {"inference_geo", "speed", "cache_control", "n_predict", "enable_thinking"}
)
"""What decides the cost wherever it is read."""

_OWN: Mapping[str, frozenset[str]] = {
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
WANTED: Mapping[str, frozenset[str]] = {
    wire: own | frozenset(UNCAPPED) | _EVERYWHERE for wire, own in _OWN.items()
}
