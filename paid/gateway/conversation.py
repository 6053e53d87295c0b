"""Which members of a request hold its conversation, and the grammar of each protocol's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from paid.gateway.conversation_anthropic import look_at_messages
from paid.gateway.conversation_gemini import look_at_gemini
from paid.gateway.conversation_openai import look_at_chat, look_at_responses
from paid.gateway.seen import Seen

MEMBERS: Mapping[str, frozenset[str]] = {
    "messages": frozenset({"system", "messages"}),
    "chat": frozenset({"messages"}),
    "responses": frozenset({"input"}),
    "gemini": frozenset(
        {
            *("contents", "systemInstruction", "system_instruction"),
            *("generateContentRequest", "generate_content_request"),
        }
    ),
}
"""The members of each protocol's requests that hold a conversation."""

_LOOKS: Mapping[str, Callable[[Seen, Any, int], None]] = {
    "messages": look_at_messages,
    "chat": look_at_chat,
    "responses": look_at_responses,
    "gemini": look_at_gemini,
}


def look(seen: Seen, value: Any) -> None:
    """Look at such a member, or at one element of it. Raises RefusedError."""
    _LOOKS[seen.wire](seen, value, 0)
