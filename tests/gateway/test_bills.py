"""The ledger beside the bill that a vendor would write, worked out by hand from its price list.

The answers are as the vendors' documents show them, with what their streams hold besides text:
pings, comments, thoughts, usage in several places. Dollars a million tokens are micro-dollars each.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.gateway.conftest import ANTHROPIC, CHAT, RESPONSES, Bench
from tests.gateway.vendor import SSE, Play

pytestmark = pytest.mark.anyio

SONNET = "claude-sonnet-4-5-20250929"
GEMINI = "/gemini/v1beta/models/gemini-2.5-pro"
MESSAGES = [{"role": "user", "content": "Hi"}]


def sse(*events: Any, named: bool = False) -> bytes:
    """Server-sent events; a str is written as it is."""
    lines = [
        each
        if isinstance(each, str)
        else (f"event: {each['type']}\n" if named else "") + f"data: {json.dumps(each)}"
        for each in events
    ]
    return "".join(f"{line}\n\n" for line in lines).encode()


@dataclass(frozen=True)
class Case:
    """A request, the vendor's answer, and what it would bill."""

    path: str
    ask: dict[str, Any]
    answer: bytes
    microdollars: float
    headers: dict[str, str]
    basis: str = "vendor"


# --- Anthropic: 3 in, 15 out, 0.30 read, 3.75 written for five minutes, 6 for an hour -------------

STARTED = {
    "type": "message_start",
    "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": SONNET, "content": [],
        "stop_reason": None, "stop_sequence": None,
        "usage": {
            "input_tokens": 25, "cache_creation_input_tokens": 2000,
            "cache_read_input_tokens": 10000, "output_tokens": 1, "service_tier": "standard",
            "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1500},
        },
    },
}  # fmt: skip
BEGUN = 25 * 3 + 500 * 3.75 + 1500 * 6 + 10_000 * 0.3
THOUGHT = [
    {"type": "content_block_start", "index": 0,
     "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0,
     "delta": {"type": "thinking_delta", "thinking": "Let me see: \"usage\" of the page"}},
    {"type": "content_block_delta", "index": 0,
     "delta": {"type": "signature_delta", "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3h"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Yes."}},
    {"type": "content_block_stop", "index": 1},
]  # fmt: skip
STOP = {"type": "message_stop"}
MESSAGES_ASK = {"model": "claude-sonnet-4-5", "max_tokens": 1000, "stream": True}
MESSAGES_ASK |= {"messages": MESSAGES}


def delta(stop: str | None, **usage: Any) -> dict[str, Any]:
    """A message_delta; its usage is the sum so far, not what came since the last."""
    ended = {"stop_reason": stop, "stop_sequence": None}
    return {"type": "message_delta", "delta": ended, "usage": usage}


def messages(*ends: Any, begin: Any = STARTED, middle: Any = THOUGHT) -> bytes:
    return sse(begin, *middle, *ends, named=True)


USED_UP = {"input_tokens": 25, "cache_creation_input_tokens": 2000}
USED_UP |= {"cache_read_input_tokens": 10000}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
SUMMED_UP = {
    "type": "compaction", "input_tokens": 180_000, "output_tokens": 3500,
    "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
}  # fmt: skip
SAMPLED = {"type": "message", "input_tokens": 25, "output_tokens": 350,
           "cache_creation_input_tokens": 2000, "cache_read_input_tokens": 10000}  # fmt: skip
OPUS_US = {
    "id": "msg_2", "type": "message", "role": "assistant", "model": "claude-opus-4-6",
    "content": [{"type": "text", "text": "Yes."}], "stop_reason": "end_turn",
    "usage": {"input_tokens": 1000, "output_tokens": 100, "inference_geo": "us"},
}  # fmt: skip

# --- OpenAI: gpt-5.2 is 1.75 in, 0.175 cached, 14 out; gpt-5 1.25 and 10, flex half, fast twice --

CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
         "model": "gpt-5.2-2025-12-11", "service_tier": "default"}  # fmt: skip
CHAT_USAGE = {
    "prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 192, "audio_tokens": 0,
        "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
    },
}  # fmt: skip
CHAT_COST = (2006 - 1920) * 1.75 + 1920 * 0.175 + 300 * 14
CHAT_ASK = {"model": "gpt-5.2", "stream": True, "max_completion_tokens": 1000, "n": 2}
CHAT_ASK |= {"messages": MESSAGES}


def choice(index: int, text: str | None = None, end: str | None = None) -> dict[str, Any]:
    said = {} if text is None else {"content": text}
    return {"index": index, "delta": said, "logprobs": None, "finish_reason": end}


CHAT_CHUNKS = [
    ": OPENROUTER PROCESSING",
    CHUNK | {"choices": [choice(0, "")], "usage": None},
    CHUNK | {"choices": [choice(1, "A")], "usage": None},
    ": still here",
    CHUNK | {"choices": [choice(0, "B")], "usage": None},
    CHUNK | {"choices": [choice(0, end="stop")], "usage": None},
    CHUNK | {"choices": [choice(1, end="length")], "usage": None},
    CHUNK | {"choices": [], "usage": CHAT_USAGE},
]
RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-5-2025-08-07",
            "status": "in_progress", "store": False, "usage": None, "output": []}  # fmt: skip
RESPONSES_USAGE = {
    "input_tokens": 1000, "input_tokens_details": {"cached_tokens": 600},
    "output_tokens": 50, "output_tokens_details": {"reasoning_tokens": 20}, "total_tokens": 1050,
}  # fmt: skip
RESPONSES_ASK: dict[str, Any] = {
    "model": "gpt-5", "stream": True, "max_output_tokens": 500, "input": "Hi", "store": False,
    "include": ["reasoning.encrypted_content"],
}  # fmt: skip


def responses(end: str, **values: Any) -> bytes:
    """A stream of the Responses API that ends in this event."""
    last = RESPONSE | {"status": end, "usage": RESPONSES_USAGE} | values
    thought = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA" * 90}
    return sse(
        {"type": "response.created", "response": RESPONSE, "sequence_number": 0},
        {"type": "response.in_progress", "response": RESPONSE, "sequence_number": 1},
        {"type": "response.output_item.done", "item": thought, "output_index": 0},
        {"type": "response.output_text.delta", "delta": "my usage", "obfuscation": "xYz"},
        {"type": f"response.{end}", "response": last, "sequence_number": 9},
        named=True,
    )


# --- Gemini 2.5 Pro: 1.25 in, 0.125 cached, 10 out, thoughts as output ----------------------------


def gemini_part(text: str, end: str | None = None, **usage: int) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}}
    candidate |= {"index": 0} | ({"finishReason": end} if end else {})
    return {
        "candidates": [candidate], "modelVersion": "gemini-2.5-pro", "responseId": "r",
        "usageMetadata": {"promptTokenCount": 1000, "totalTokenCount": 0} | usage,
    }  # fmt: skip


GEMINI_PARTS = [
    gemini_part("A", thoughtsTokenCount=10),
    gemini_part("B", candidatesTokenCount=3, thoughtsTokenCount=90),
    gemini_part(
        "", "STOP", candidatesTokenCount=7, thoughtsTokenCount=90, cachedContentTokenCount=400,
        toolUsePromptTokenCount=50,
    ),
]  # fmt: skip
GEMINI_COST = (1000 - 400 + 50) * 1.25 + 400 * 0.125 + (7 + 90) * 10

JSON = {"content-type": "application/json"}
CASES = {
    "thoughts, pings and both caches": Case(
        ANTHROPIC,
        MESSAGES_ASK,
        messages(delta(None, output_tokens=40), delta("end_turn", output_tokens=350), STOP),
        BEGUN + 350 * 15,
        SSE,
    ),
    "an end that repeats all of the usage": Case(
        ANTHROPIC,
        MESSAGES_ASK,
        messages(
            delta(
                "tool_use", output_tokens=350, server_tool_use={"web_search_requests": 0}, **USED_UP
            ),
            STOP,
        ),
        BEGUN + 350 * 15,
        SSE,
    ),
    "an error in mid-stream": Case(
        ANTHROPIC,
        MESSAGES_ASK,
        messages(OVERLOADED, middle=THOUGHT[:6]),
        BEGUN + 17 * 15,
        SSE,
        "partial",
    ),
    "an error before anything else": Case(
        ANTHROPIC, MESSAGES_ASK, sse({"type": "ping"}, OVERLOADED, named=True), 0, SSE
    ),
    "a conversation that was summed up on the way": Case(
        ANTHROPIC,
        MESSAGES_ASK
        | {"context_management": {"edits": [{"type": "compact_20260112"}]}}
        | {"messages": [{"role": "user", "content": "word " * 40_000}]},
        messages(
            delta("end_turn", output_tokens=350, iterations=[SUMMED_UP, SAMPLED], **USED_UP), STOP
        ),
        BEGUN + 350 * 15 + 180_000 * 3 + 3500 * 15,
        SSE,
    ),
    "a model that had to stay in one country": Case(
        ANTHROPIC,
        MESSAGES_ASK | {"model": "claude-opus-4-6", "stream": False, "inference_geo": "us"},
        json.dumps(OPUS_US).encode(),
        (1000 * 5 + 100 * 25) * 11 // 10,
        JSON,
    ),
    "two choices, comments and usage at the end": Case(
        CHAT, CHAT_ASK, sse(*CHAT_CHUNKS, "data: [DONE]"), CHAT_COST, SSE
    ),
    "carriage returns and no newline at the end": Case(
        CHAT, CHAT_ASK, sse(*CHAT_CHUNKS).replace(b"\n", b"\r\n").rstrip(), CHAT_COST, SSE
    ),
    "carriage returns alone": Case(
        CHAT, CHAT_ASK, sse(*CHAT_CHUNKS).replace(b"\n", b"\r"), CHAT_COST, SSE
    ),
    "data over several lines": Case(
        CHAT,
        CHAT_ASK,
        sse(
            *CHAT_CHUNKS[:-1],
            "\n".join(
                f"data: {line}" for line in json.dumps(CHAT_CHUNKS[-1], indent=1).split("\n")
            ),
        ),
        CHAT_COST,
        SSE,
    ),
    "a stream that does not say that it is one": Case(
        CHAT,
        CHAT_ASK,
        sse(*CHAT_CHUNKS, "data: [DONE]"),
        CHAT_COST,
        {"content-type": "application/octet-stream"},
    ),
    "a byte order mark and a charset": Case(
        CHAT,
        CHAT_ASK,
        b"\xef\xbb\xbf" + sse(CHAT_CHUNKS[-1]),
        CHAT_COST,
        {"content-type": "text/event-stream; charset=utf-8"},
    ),
    "an answer that was cheaper, because it could wait": Case(
        CHAT,
        CHAT_ASK | {"model": "gpt-5", "service_tier": "flex"},
        sse(
            CHUNK
            | {
                "model": "gpt-5-2025-08-07",
                "service_tier": "flex",
                "choices": [],
                "usage": CHAT_USAGE,
            }
        ),
        ((2006 - 1920) * 1.25 + 1920 * 0.125 + 300 * 10) / 2,
        SSE,
    ),
    "the old name of the maximum": Case(
        CHAT,
        {"model": "gpt-4o-2024-11-20", "max_tokens": 500, "messages": MESSAGES},
        json.dumps(
            {
                "object": "chat.completion",
                "model": "gpt-4o-2024-11-20",
                "choices": [choice(0, end="stop")],
                "usage": CHAT_USAGE,
            }
        ).encode(),
        (2006 - 1920) * 2.5 + 1920 * 1.25 + 300 * 10,
        JSON,
    ),
    "a response that is complete": Case(
        RESPONSES, RESPONSES_ASK, responses("completed"), 400 * 1.25 + 600 * 0.125 + 500, SSE
    ),
    "a response that was cut off by its maximum": Case(
        RESPONSES, RESPONSES_ASK, responses("incomplete"), 400 * 1.25 + 600 * 0.125 + 500, SSE
    ),
    "a response that failed": Case(
        RESPONSES, RESPONSES_ASK, responses("failed"), 400 * 1.25 + 600 * 0.125 + 500, SSE
    ),
    "a response in a hurry, on top of an earlier one": Case(
        RESPONSES,
        RESPONSES_ASK | {"previous_response_id": "resp_0", "service_tier": "priority"},
        responses("completed", service_tier="priority"),
        2 * (400 * 1.25 + 600 * 0.125 + 500),
        SSE,
    ),
    "a packed answer, though none was asked for": Case(
        RESPONSES,
        RESPONSES_ASK | {"stream": False},
        gzip.compress(
            json.dumps(RESPONSE | {"status": "completed", "usage": RESPONSES_USAGE}).encode()
        ),
        400 * 1.25 + 600 * 0.125 + 500,
        JSON | {"content-encoding": "gzip"},
    ),
    "thoughts, a cache and a tool of Gemini's": Case(
        f"{GEMINI}:streamGenerateContent?alt=sse",
        {"contents": []},
        sse(*GEMINI_PARTS),
        GEMINI_COST,
        SSE,
    ),
    "Gemini's stream as one JSON array": Case(
        f"{GEMINI}:streamGenerateContent",
        {"contents": []},
        json.dumps(GEMINI_PARTS, indent=1).encode(),
        GEMINI_COST,
        {"content-type": "application/json; charset=UTF-8"},
    ),
}


@pytest.mark.parametrize("chunk", [1 << 20, 13])
@pytest.mark.parametrize("name", CASES)
async def test_the_ledger_says_what_the_vendor_would_bill(
    bench: Bench, name: str, chunk: int
) -> None:
    case = CASES[name]
    if "content-encoding" in case.headers:
        chunk = 1 << 20
    bench.vendor.plays = [Play(case.answer, headers=case.headers, chunk=chunk)]
    async with bench.post(case.path, case.ask) as got:
        assert got.status == 200, await got.text()
        body = await got.read()
    assert body == case.answer or gzip.decompress(case.answer) == body
    if case.microdollars == 0:
        assert (await bench.settled(0), bench.cost().spent_microdollars) == ([], 0)
        return
    (entry,) = await bench.settled()
    assert (entry.basis, entry.amount_microdollars) == (case.basis, int(case.microdollars + 0.5))
    assert entry.amount_microdollars <= entry.detail["reserved_microdollars"]
