"""Anthropic Messages, streamed and not.

Shapes: the vendor's API reference, "Messages" and "Streaming Messages"; proved with its SDK.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from paid.demo.scripted_model.conversation import Ask, Chunk, Entry, Json, Reply, Tool, Usage
from paid.demo.scripted_model.tokens import arguments_text, count, pieces
from paid.demo.scripted_model.wires import event, text_of

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


class AnthropicWire:
    """`POST /v1/messages`."""

    vendor = "anthropic"

    def parse(self, body: Json, model: str | None = None) -> Ask:
        """Tool results and system reminders inside user messages are told apart from words."""
        entries = [Entry("system", text_of(body.get("system", "")))] if body.get("system") else []
        for message in body["messages"]:
            entries += _entries(message)
        return Ask(
            model=body["model"],
            stream=bool(body.get("stream")),
            entries=tuple(entries),
            tools=tuple(_tool(tool) for tool in body.get("tools") or []),
        )

    def whole(self, ask: Ask, reply: Reply, usage: Usage | None) -> Json:
        """A `message` object."""
        message = self._message(ask, reply)
        message["content"] = [block for block, _ in _blocks(reply)]
        message["usage"] = _usage(usage) if usage else {"input_tokens": 0, "output_tokens": 0}
        if usage is None:
            del message["usage"]
        return message

    def stream(self, ask: Ask, reply: Reply, usage: Usage | None) -> Iterator[Chunk]:
        """message_start, the blocks, message_delta with the final count, message_stop."""
        start = self._message(ask, reply) | {"content": [], "stop_reason": None}
        if usage:
            start["usage"] = _usage(usage) | {"output_tokens": 1}
        yield event({"type": "message_start", "message": start}, "message_start")
        yield event({"type": "ping"}, "ping")
        for index, (block, deltas) in enumerate(_blocks(reply)):
            yield from _block_events(index, block, deltas)
        delta: Json = {"stop_reason": _stop_reason(reply), "stop_sequence": None}
        last: Json = {"type": "message_delta", "delta": delta}
        if usage:
            last["usage"] = {"output_tokens": usage.output}
        yield event(last, "message_delta")
        yield event({"type": "message_stop"}, "message_stop")

    def error(self, status: int, message: str) -> Json:
        """`{"type": "error", "error": {…}}`."""
        kind = ERROR_TYPES.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}

    def _message(self, ask: Ask, reply: Reply) -> Json:
        return {
            "id": f"msg_{uuid.uuid4().hex[:24]}",
            "type": "message",
            "role": "assistant",
            "model": ask.model,
            "stop_reason": _stop_reason(reply),
            "stop_sequence": None,
        }


def _entries(message: Json) -> list[Entry]:
    content = message["content"]
    if isinstance(content, str):
        return [Entry(message["role"], content)]
    results = [part for part in content if part.get("type") == "tool_result"]
    calls = [part for part in content if part.get("type") == "tool_use"]
    found = [Entry("tool", text_of(part.get("content"))) for part in results]
    text = text_of([part for part in content if part.get("type") == "text"])
    if calls:
        text += "".join(json.dumps(part.get("input")) for part in calls)
    if text or not found:
        found.append(Entry(message["role"], text, len(calls)))
    return found


def _tool(tool: Json) -> Tool:
    schema = tool.get("input_schema") or {}
    return Tool(tool["name"], schema.get("properties") or {}, tuple(schema.get("required") or ()))


def _usage(usage: Usage) -> Json:
    """Anthropic leaves cache reads and writes out of `input_tokens`."""
    return {
        "input_tokens": usage.input - usage.cached - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
        "service_tier": "standard",
    }


def _stop_reason(reply: Reply) -> str:
    return "tool_use" if reply.calls else "end_turn"


def _blocks(reply: Reply) -> list[tuple[Json, list[tuple[Json, int]]]]:
    """Each content block with the deltas that a stream splits it into."""
    blocks: list[tuple[Json, list[tuple[Json, int]]]] = []
    if reply.text:
        deltas = [_text_delta(piece) for piece in pieces(reply.text)]
        blocks.append(({"type": "text", "text": reply.text}, deltas))
    for call in reply.calls:
        block = {"type": "tool_use", "id": f"toolu_{call.id}", "name": call.name}
        text = arguments_text(call)
        halves = [text[: len(text) // 2], text[len(text) // 2 :]]
        partial = [({"type": "input_json_delta", "partial_json": h}, count(h)) for h in halves]
        blocks.append((block | {"input": call.arguments}, partial))
    return blocks or [({"type": "text", "text": ""}, [])]


def _text_delta(piece: str) -> tuple[Json, int]:
    return {"type": "text_delta", "text": piece}, count(piece)


def _block_events(index: int, block: Json, deltas: list[tuple[Json, int]]) -> Iterator[Chunk]:
    empty: dict[str, Any] = {"text": ""} if block["type"] == "text" else {"input": {}}
    begin = {"type": "content_block_start", "index": index, "content_block": block | empty}
    yield event(begin, "content_block_start")
    for delta, tokens in deltas:
        payload = {"type": "content_block_delta", "index": index, "delta": delta}
        yield event(payload, "content_block_delta", tokens)
    yield event({"type": "content_block_stop", "index": index}, "content_block_stop")
