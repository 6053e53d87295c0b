"""What a wire is: one vendor's way to ask and to answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Protocol

from paid.demo.scripted_model.conversation import Ask, Chunk, Json, Reply, Usage


class Wire(Protocol):
    """Translates between a vendor's JSON and the script's own words; holds no state."""

    vendor: str

    def parse(self, body: Json, model: str | None = None) -> Ask:
        """Read a request; raises KeyError, TypeError or ValueError on one that makes no sense."""

    def whole(self, ask: Ask, reply: Reply, usage: Usage | None) -> Json:
        """The answer in one piece; `usage` of None leaves the report out."""

    def stream(self, ask: Ask, reply: Reply, usage: Usage | None) -> Iterator[Chunk]:
        """The answer as server-sent events."""

    def error(self, status: int, message: str) -> Json:
        """The vendor's own error body."""


def event(payload: Json, name: str | None = None, tokens: int = 0) -> Chunk:
    """One server-sent event."""
    head = f"event: {name}\n" if name else ""
    return Chunk(f"{head}data: {json.dumps(payload)}\n\n".encode(), tokens)


def text_of(content: object) -> str:
    """The text in a content that is a string or a list of parts, as all vendors allow."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [part.get("text") or part.get("refusal") or "" for part in content if _is_part(part)]
    return "\n".join(text for text in texts if isinstance(text, str) and text)


def _is_part(part: object) -> bool:
    return isinstance(part, dict)
