"""OpenAI Responses, streamed and not; the wire that codex speaks.

Shapes: the vendor's API reference, "Responses" and "Streaming events"; proved with its SDK and
with codex itself.
"""

from __future__ import annotations

import base64
import json
import os
import time
import uuid
from collections.abc import Iterator

from paid.demo.scripted_model.chat_wire import ChatWire
from paid.demo.scripted_model.conversation import Ask, Call, Chunk, Entry, Json, Reply, Tool, Usage
from paid.demo.scripted_model.tokens import arguments_text, count, pieces
from paid.demo.scripted_model.wires import event, text_of

SEALED = "reasoning.encrypted_content"
"""What a client that stores nothing at the vendor lists in `include`, as codex does."""
CALLS = {"function_call", "custom_tool_call", "local_shell_call"}
EMPTY: dict[str, Json] = {"message": {"content": []}, "reasoning": {"summary": []}}
"""What an item lacks when it is added to a stream and not yet filled."""
RESULTS = {"function_call_output", "custom_tool_call_output", "local_shell_call_output"}


class ResponsesWire:
    """`POST /v1/responses`."""

    vendor = "openai"

    def parse(self, body: Json, model: str | None = None) -> Ask:
        """`input` is a text, or the whole conversation as a list of items."""
        entries = [Entry("system", body["instructions"])] if body.get("instructions") else []
        given = body["input"]
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        entries += [entry for item in items for entry in _entries(item)]
        tools = [_tool(tool) for tool in body.get("tools") or [] if "name" in tool]
        return Ask(
            body["model"],
            bool(body.get("stream")),
            tuple(entries),
            tuple(tools),
            wants_sealed_thoughts=SEALED in (body.get("include") or ()),
        )

    def whole(self, ask: Ask, reply: Reply, usage: Usage | None) -> Json:
        """A completed `response` object."""
        return _response(ask, "completed", _items(ask, reply), usage)

    def stream(self, ask: Ask, reply: Reply, usage: Usage | None) -> Iterator[Chunk]:
        """Numbered events from response.created to response.completed."""
        begun = _response(ask, "in_progress", [], None)
        return _numbered(_events(begun, _items(ask, reply), usage))

    def error(self, status: int, message: str) -> Json:
        """The same error body as Chat Completions."""
        return ChatWire().error(status, message)


def _entries(item: Json) -> Iterator[Entry]:
    kind = item.get("type", "message")
    if kind in CALLS:
        text = str(item.get("arguments") or item.get("input") or item.get("action") or "")
        yield Entry("assistant", text, 1)
    elif kind in RESULTS:
        output = item.get("output")
        yield Entry("tool", output if isinstance(output, str) else json.dumps(output))
    elif kind == "message":
        role = {"developer": "system"}.get(item["role"], item["role"])
        yield Entry(role, text_of(item.get("content")))  # type: ignore[arg-type]


def _tool(tool: Json) -> Tool:
    schema = tool.get("parameters") or {}
    freeform = tool.get("type") == "custom"
    required = tuple(schema.get("required") or ())
    return Tool(tool["name"], schema.get("properties") or {}, required, freeform)


def _response(ask: Ask, status: str, output: list[Json], usage: Usage | None) -> Json:
    return {
        "id": f"resp_{uuid.uuid4().hex}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": ask.model,
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "top_p": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "usage": _usage(usage) if usage else None,
    }


def _items(ask: Ask, reply: Reply) -> list[Json]:
    items = []
    if reply.thought:
        summary = [{"type": "summary_text", "text": reply.thought}]
        thought = {"type": "reasoning", "id": _id("rs"), "summary": summary}
        if ask.wants_sealed_thoughts:
            sealed = base64.b64encode(os.urandom(len(reply.thought)))
            thought["encrypted_content"] = sealed.decode()
        items.append(thought)
    if reply.text:
        items.append(_message(reply.text))
    return items + [_call(call) for call in reply.calls]


def _id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


def _message(text: str) -> Json:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        "type": "message",
        "id": _id("msg"),
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }


def _call(call: Call) -> Json:
    text = arguments_text(call)
    named: Json = {"call_id": f"call_{call.id}", "name": call.name, "status": "completed"}
    if isinstance(call.arguments, str):
        return {"type": "custom_tool_call", "id": _id("ctc"), "input": text} | named
    return {"type": "function_call", "id": _id("fc"), "arguments": text} | named


def _numbered(events: Iterator[tuple[Json, int]]) -> Iterator[Chunk]:
    for number, (payload, tokens) in enumerate(events):
        yield event(payload | {"sequence_number": number}, payload["type"], tokens)


def _events(response: Json, items: list[Json], usage: Usage | None) -> Iterator[tuple[Json, int]]:
    yield {"type": "response.created", "response": response}, 0
    yield {"type": "response.in_progress", "response": response}, 0
    for index, item in enumerate(items):
        place = {"item_id": item["id"], "output_index": index}
        begun = (
            item
            | EMPTY.get(item["type"], {})
            | ({"status": "in_progress"} if "status" in item else {})
        )
        added = {"type": "response.output_item.added", "output_index": index, "item": begun}
        yield added, 0
        yield from _inside(item, place)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}, 0
    done = response | {"status": "completed", "output": items}
    done["usage"] = _usage(usage) if usage else None
    yield {"type": "response.completed", "response": done}, 0


def _inside(item: Json, place: Json) -> Iterator[tuple[Json, int]]:
    if item["type"] == "message":
        yield from _text(item, place | {"content_index": 0})
    elif item["type"] == "reasoning":
        yield from _thought(item, place | {"summary_index": 0})
    elif item["type"] == "custom_tool_call":
        text, kind = item["input"], "response.custom_tool_call_input"
        yield place | {"type": f"{kind}.delta", "delta": text}, count(text)
        yield place | {"type": f"{kind}.done", "input": text}, 0
    else:
        text, kind = item["arguments"], "response.function_call_arguments"
        yield place | {"type": f"{kind}.delta", "delta": text}, count(text)
        yield place | {"type": f"{kind}.done", "arguments": text, "name": item["name"]}, 0


def _text(item: Json, place: Json) -> Iterator[tuple[Json, int]]:
    part = item["content"][0]
    kind = "response.output_text"
    yield place | {"type": "response.content_part.added", "part": part | {"text": ""}}, 0
    for piece in pieces(part["text"]):
        yield place | {"type": f"{kind}.delta", "delta": piece, "logprobs": []}, count(piece)
    yield place | {"type": f"{kind}.done", "text": part["text"], "logprobs": []}, 0
    yield place | {"type": "response.content_part.done", "part": part}, 0


def _thought(item: Json, place: Json) -> Iterator[tuple[Json, int]]:
    part = item["summary"][0]
    kind = "response.reasoning_summary"
    yield place | {"type": f"{kind}_part.added", "part": part | {"text": ""}}, 0
    for piece in pieces(part["text"]):
        yield place | {"type": f"{kind}_text.delta", "delta": piece}, count(piece)
    yield place | {"type": f"{kind}_text.done", "text": part["text"]}, 0
    yield place | {"type": f"{kind}_part.done", "part": part}, 0


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }
