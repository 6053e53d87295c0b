"""OpenAI Chat Completions, streamed and not.

Shapes: the vendor's API reference, "Chat"; proved with its SDK.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator

from paid.demo.scripted_model.conversation import Ask, Call, Chunk, Entry, Json, Reply, Tool, Usage
from paid.demo.scripted_model.tokens import arguments_text, count, pieces
from paid.demo.scripted_model.wires import event, text_of

ERROR_TYPES = {401: "invalid_api_key", 429: "rate_limit_exceeded", 404: "model_not_found"}


class ChatWire:
    """`POST /v1/chat/completions`."""

    vendor = "openai"

    def parse(self, body: Json, model: str | None = None) -> Ask:
        """A stream reports usage only where `stream_options.include_usage` asks for it."""
        stream = bool(body.get("stream"))
        options = body.get("stream_options") or {}
        return Ask(
            model=body["model"],
            stream=stream,
            entries=tuple(_entry(message) for message in body["messages"]),
            tools=tuple(_tool(tool) for tool in body.get("tools") or [] if "function" in tool),
            include_usage=not stream or bool(options.get("include_usage")),
        )

    def whole(self, ask: Ask, reply: Reply, usage: Usage | None) -> Json:
        """A `chat.completion` object."""
        message: Json = {"role": "assistant", "content": reply.text or None, "refusal": None}
        if reply.calls:
            message["tool_calls"] = [_call(call) for call in reply.calls]
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": _finish(reply),
            "logprobs": None,
        }
        answer = _head(ask, "chat.completion") | {"choices": [choice]}
        return answer | {"usage": _usage(usage)} if usage else answer

    def stream(self, ask: Ask, reply: Reply, usage: Usage | None) -> Iterator[Chunk]:
        """Deltas, a finish, the usage on a chunk without choices, and `[DONE]`."""
        head = _head(ask, "chat.completion.chunk")
        yield _delta(head, {"role": "assistant", "content": ""})
        for piece in pieces(reply.text):
            yield _delta(head, {"content": piece}, count(piece))
        for index, call in enumerate(reply.calls):
            yield from _call_deltas(head, index, call)
        finish = {"index": 0, "delta": {}, "finish_reason": _finish(reply), "logprobs": None}
        yield event(head | {"choices": [finish]})
        if usage and ask.include_usage:
            yield event(head | {"choices": [], "usage": _usage(usage)})
        yield Chunk(b"data: [DONE]\n\n")

    def error(self, status: int, message: str) -> Json:
        """`{"error": {…}}`; the Responses wire shares it."""
        kind = "invalid_request_error" if status < 429 else "server_error"
        code = ERROR_TYPES.get(status)
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _entry(message: Json) -> Entry:
    calls = message.get("tool_calls") or []
    text = text_of(message.get("content"))
    text += "".join(json.dumps(call.get("function")) for call in calls)
    role = {"developer": "system", "function": "tool"}.get(message["role"], message["role"])
    return Entry(role, text, len(calls))  # type: ignore[arg-type]


def _tool(tool: Json) -> Tool:
    function = tool["function"]
    schema = function.get("parameters") or {}
    required = tuple(schema.get("required") or ())
    return Tool(function["name"], schema.get("properties") or {}, required)


def _head(ask: Ask, kind: str) -> Json:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex[:24]}",
        "object": kind,
        "created": int(time.time()),
        "model": ask.model,
        "service_tier": "default",
        "system_fingerprint": "fp_scripted",
    }


def _call(call: Call) -> Json:
    function = {"name": call.name, "arguments": arguments_text(call)}
    return {"id": f"call_{call.id}", "type": "function", "function": function}


def _finish(reply: Reply) -> str:
    return "tool_calls" if reply.calls else "stop"


def _delta(head: Json, delta: Json, tokens: int = 0) -> Chunk:
    choice = {"index": 0, "delta": delta, "finish_reason": None, "logprobs": None}
    return event(head | {"choices": [choice]}, tokens=tokens)


def _call_deltas(head: Json, index: int, call: Call) -> Iterator[Chunk]:
    text = arguments_text(call)
    first = _call(call) | {"index": index, "function": {"name": call.name, "arguments": ""}}
    yield _delta(head, {"tool_calls": [first]})
    for half in (text[: len(text) // 2], text[len(text) // 2 :]):
        more = {"index": index, "function": {"arguments": half}}
        yield _delta(head, {"tool_calls": [more]}, count(half))


def _usage(usage: Usage) -> Json:
    """OpenAI counts cached tokens within `prompt_tokens`, reasoning within the completion's."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
