"""Gemini generateContent, streamed and not.

Shapes: the vendor's API reference, "Generating content"; proved with its SDK.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

from paid.demo.scripted_model.conversation import Ask, Chunk, Entry, Json, Reply, Tool, Usage
from paid.demo.scripted_model.tokens import count, pieces
from paid.demo.scripted_model.wires import event, text_of

SCHEMAS = ("parametersJsonSchema", "parameters_json_schema", "parameters")
"""Where a tool's parameters are: the command line, the SDK and the reference differ."""
ERROR_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


class GeminiWire:
    """`POST /v1beta/models/MODEL:generateContent` and `:streamGenerateContent`."""

    vendor = "gemini"

    def parse(self, body: Json, model: str | None = None) -> Ask:
        """The model and whether to stream are in the path, not in the body."""
        instruction = body.get("systemInstruction") or body.get("system_instruction") or {}
        entries = [Entry("system", text_of(instruction.get("parts")))] if instruction else []
        for content in body["contents"]:
            entries += _entries(content)
        declared = [tool for group in body.get("tools") or [] for tool in _declarations(group)]
        tools = tuple(_tool(tool) for tool in declared)
        return Ask(model or "gemini", bool(body.get("stream")), tuple(entries), tools)

    def whole(self, ask: Ask, reply: Reply, usage: Usage | None) -> Json:
        """A `GenerateContentResponse`."""
        parts = [{"text": reply.text}] if reply.text else []
        return _answer(ask, parts + _call_parts(reply), usage, last=True)

    def stream(self, ask: Ask, reply: Reply, usage: Usage | None) -> Iterator[Chunk]:
        """Whole responses one after the other; the last has the finish reason."""
        for piece in pieces(reply.text):
            yield event(_answer(ask, [{"text": piece}], None), tokens=count(piece))
        spoken = sum(count(json.dumps(part)) for part in _call_parts(reply))
        parts = _call_parts(reply) or [{"text": ""}]
        yield event(_answer(ask, parts, usage, last=True), tokens=spoken)

    def error(self, status: int, message: str) -> Json:
        """`{"error": {"code": …, "status": …}}`."""
        name = ERROR_STATUSES.get(status, "INTERNAL")
        return {"error": {"code": status, "message": message, "status": name}}


def _entries(content: Json) -> list[Entry]:
    parts = content.get("parts") or []
    results = [part for part in parts if "functionResponse" in part]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    found = [Entry("tool", json.dumps(part["functionResponse"])) for part in results]
    text = text_of(parts) + "".join(json.dumps(call) for call in calls)
    if text or not found:
        role = "assistant" if content.get("role") == "model" else "user"
        found.append(Entry(role, text, len(calls)))  # type: ignore[arg-type]
    return found


def _declarations(group: Json) -> list[Json]:
    return list(group.get("functionDeclarations") or group.get("function_declarations") or [])


def _tool(tool: Json) -> Tool:
    found = (tool.get(name) for name in SCHEMAS)
    schema: Json = next((each for each in found if each), {})
    return Tool(tool["name"], schema.get("properties") or {}, tuple(schema.get("required") or ()))


def _call_parts(reply: Reply) -> list[Json]:
    return [{"functionCall": {"name": c.name, "args": c.arguments}} for c in reply.calls]


def _answer(ask: Ask, parts: list[Json], usage: Usage | None, last: bool = False) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
    if last:
        candidate["finishReason"] = "STOP"
    answer: Json = {
        "candidates": [candidate],
        "modelVersion": ask.model,
        "responseId": uuid.uuid4().hex,
    }
    return answer | {"usageMetadata": _usage(usage)} if usage else answer


def _usage(usage: Usage) -> Json:
    """Gemini counts cached tokens within the prompt, and thoughts beside the candidates."""
    return {
        "promptTokenCount": usage.input,
        "cachedContentTokenCount": usage.cached,
        "candidatesTokenCount": usage.output - usage.reasoning,
        "thoughtsTokenCount": usage.reasoning,
        "totalTokenCount": usage.input + usage.output,
    }
