"""Usage as servers that speak a vendor's protocol report it: each in a way of its own."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from paid.gateway.estimate import Ask
from paid.gateway.metering import METERS, Metered
from paid.gateway.prices import Prices
from tests.gateway.vendor import event

CHUNK = {"id": "c", "object": "chat.completion.chunk", "model": "m"}
USAGE = {"prompt_tokens": 150, "completion_tokens": 50, "total_tokens": 200}
ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
KNOWN = ("vendor", 150, 50)


def chunk(text: str | None = None, end: str | None = None, **more: Any) -> dict[str, Any]:
    delta = {} if text is None else {"content": text}
    return CHUNK | {"choices": [{"index": 0, "delta": delta, "finish_reason": end}]} | more


def so_far(output: int) -> dict[str, Any]:
    return {"usage": {"prompt_tokens": 150, "completion_tokens": output}}


def metered(
    wire: str, *events: dict[str, Any], cut: bool = False, copies: int = 1, step: int = 1 << 20
) -> Metered:
    body = b"".join(event(each) for each in events) + (b"" if cut else b"data: [DONE]\n\n")
    found = METERS[wire](sent_bytes=1000, copies=copies)
    found.is_stream = True
    for start in range(0, len(body), step):
        found.feed(body[start : start + step])
    return found.result(is_whole=not cut)


def known(found: Metered) -> tuple[str, int, int]:
    return found.basis, found.counts["input_tokens"], found.counts["output_tokens"]


NULL: dict[str, Any] = {"usage": None}
CHATS: dict[str, list[dict[str, Any]]] = {
    "OpenRouter: choices in the chunk after the finish": [
        chunk("Hi", **NULL),
        chunk(end="stop", **NULL),
        chunk("", usage=USAGE | {"cost": 0.00123, "cost_details": {"upstream": 1e-3}}),
    ],
    "OpenRouter: a finish that is not followed by a null": [
        chunk("Hi"), chunk("", end="stop"), chunk("", usage=USAGE),
    ],
    "vLLM: a sum in every chunk": [
        chunk("H", **so_far(1)), chunk("i", **so_far(2)), chunk(end="stop", **so_far(50)),
        CHUNK | {"choices": [], "usage": USAGE},
    ],
    "xAI: the finish has it, and thoughts are in the total alone": [
        chunk("H", usage={"prompt_tokens": 150, "completion_tokens": 1, "total_tokens": 160}),
        chunk(end="stop", usage={
            "prompt_tokens": 150, "completion_tokens": 10, "total_tokens": 200,
            "completion_tokens_details": {"reasoning_tokens": 40},
            "cost_in_usd_ticks": 123_456_789_012_345,
        }),
    ],
    "DeepSeek and Mistral: in the chunk that finishes": [
        chunk("Hi", **NULL), chunk("", end="stop", usage=USAGE),
    ],
    "Groq: beside the choices": [
        chunk("Hi", x_groq={"id": "r"}),
        chunk(end="stop", x_groq={"id": "r", "usage": USAGE | {"queue_time": 0.02}}),
    ],
    "Moonshot: in the choice": [
        chunk("Hi"),
        CHUNK | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]},
    ],
    "Azure: an empty list of choices in front": [
        CHUNK | {"choices": [], "prompt_filter_results": [], "usage": None},
        chunk("Hi", **NULL), chunk(end="stop", **NULL), CHUNK | {"choices": [], "usage": USAGE},
    ],
    "llama.cpp: timings alone": [
        chunk("Hi"),
        chunk(end="stop", timings={"prompt_n": 30, "cache_n": 120, "predicted_n": 50,
                                   "predicted_per_second": 31.5}),
    ],
    "zeros after the count": [
        chunk("Hi", **so_far(50)), chunk(end="stop", usage=USAGE), chunk("", usage=ZEROS),
    ],
    "zeros before the count": [
        CHUNK | {"choices": [], "usage": ZEROS}, chunk("Hi", usage=ZEROS), chunk(end="stop"),
        CHUNK | {"choices": [], "usage": USAGE},
    ],
    "a null after the count": [chunk("Hi"), chunk(end="stop", usage=USAGE), chunk("", **NULL)],
    "JavaScript's numbers": [
        chunk("Hi"), chunk(end="stop", usage={"prompt_tokens": 150.0, "completion_tokens": 50.0}),
    ],
    "no finish at all": [chunk("Hi"), CHUNK | {"choices": [{"delta": {}}], "usage": USAGE}],
}  # fmt: skip


@pytest.mark.parametrize("step", [1 << 20, 7])
@pytest.mark.parametrize("name", CHATS)
def test_usage_is_found_where_each_server_has_it(name: str, step: int) -> None:
    assert known(metered("chat", *CHATS[name], step=step)) == KNOWN


@pytest.mark.parametrize("name", [name for name in CHATS if name != "no finish at all"])
def test_after_the_finish_usage_is_final_also_when_the_rest_is_lost(name: str) -> None:
    assert known(metered("chat", *CHATS[name], cut=True)) == KNOWN


def test_a_sum_in_mid_stream_is_not_final_when_the_rest_is_lost() -> None:
    found = metered("chat", chunk("H", **so_far(1)), chunk("i", **so_far(2)), cut=True)
    assert (found.basis, found.counts["input_tokens"]) == ("partial", 150)
    head = CHUNK | {"choices": [], "usage": {"prompt_tokens": 150, "completion_tokens": 0}}
    assert metered("chat", head, chunk("Hi"), cut=True).basis == "partial"


def test_usage_is_not_final_before_every_answer_that_was_asked_for_has_finished() -> None:
    one = CHUNK | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **so_far(20)}
    two = CHUNK | {"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}], **so_far(50)}
    assert metered("chat", one, cut=True, copies=2).basis == "partial"
    assert known(metered("chat", one, two, cut=True, copies=2)) == KNOWN


def test_an_error_in_mid_stream_leaves_a_sum_that_is_not_final() -> None:
    error = {"error": {"message": "overloaded", "code": 502}}
    assert metered("chat", chunk("H", **so_far(1)), error).basis == "partial"


def start(**usage: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {"model": "m", "content": [], "usage": usage}}


def delta(stop: str | None, **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": usage}


WORD = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "word"}}
CACHES = {"cache_read_input_tokens": 30, "cache_creation_input_tokens": 20}
NO_CACHES = {"cache_read_input_tokens": 0, "cache_creation_input_tokens": None}
MESSAGES = {
    "zeros at the end": [
        start(input_tokens=100, output_tokens=1, **CACHES), WORD, delta(None, output_tokens=50),
        delta("end_turn", input_tokens=0, output_tokens=0, **NO_CACHES),
    ],
    "an end without input": [
        start(input_tokens=100, output_tokens=1, **CACHES), WORD,
        delta("end_turn", input_tokens=0, output_tokens=50, **NO_CACHES),
    ],
    "zeros at the beginning": [
        start(input_tokens=0, output_tokens=0), WORD,
        delta("end_turn", input_tokens=100, output_tokens=50, **CACHES),
    ],
    "usage after the stop": [
        start(input_tokens=0, output_tokens=0), WORD, delta("end_turn"),
        delta(None, input_tokens=100, output_tokens=50, **CACHES),
    ],
    "no reason to stop": [
        start(input_tokens=100, output_tokens=1, **CACHES), WORD, delta(None, output_tokens=50),
        {"type": "message_stop"},
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_a_zero_never_replaces_a_count(name: str) -> None:
    found = metered("messages", *MESSAGES[name])
    assert known(found) == KNOWN
    assert (found.counts["cache_read_tokens"], found.counts["cache_write_tokens"]) == (30, 20)


def test_a_zero_within_the_details_replaces_no_count_either() -> None:
    hour = {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 15}
    none = dict.fromkeys(hour, 0)
    begun = start(input_tokens=100, output_tokens=1, cache_creation=hour, **CACHES)
    found = metered(
        "messages", begun, WORD, delta("end_turn", output_tokens=50, cache_creation=none)
    )
    assert found.counts["cache_write_1h_tokens"] == 15
    cached = USAGE | {"prompt_tokens_details": {"cached_tokens": 30}}
    lost = USAGE | {"prompt_tokens_details": {"cached_tokens": 0}}
    found = metered("chat", chunk("Hi", usage=cached), chunk(end="stop", usage=lost))
    assert found.counts["cache_read_tokens"] == 30


def test_the_placeholder_of_a_beginning_is_no_count_of_the_output() -> None:
    begun = start(input_tokens=150, output_tokens=1)
    found = metered("messages", begun, WORD, delta("end_turn", output_tokens=0))
    assert (found.basis, found.counts["input_tokens"]) == ("partial", 150)


THOUGHTS = {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 30010}


@pytest.mark.parametrize(
    "details", [{}, {"completion_tokens_details": {"reasoning_tokens": 30000}}]
)
def test_thoughts_count_also_where_nothing_else_was_written(details: dict[str, Any]) -> None:
    found = metered("chat", chunk(end="length", usage=THOUGHTS | details))
    assert known(found) == ("vendor", 10, 30_000)
    usage = {"input_tokens": 10, "output_tokens": 0, "total_tokens": 30010}
    ended = {"type": "response.completed", "response": RESPONSE | {"usage": usage}}
    assert known(metered("responses", ended)) == ("vendor", 10, 30_000)
    only = {"prompt_tokens": 10, "completion_tokens": 0} | details
    if details:
        shown = CHUNK | {"choices": [{"index": 0, "delta": {"reasoning_content": "Hm"}}]}
        assert known(metered("chat", shown, chunk(end="length", usage=only))) == (
            "vendor",
            10,
            30_000,
        )


TOLD = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}
CACHED: dict[str, dict[str, Any]] = {
    "OpenAI": TOLD | {"prompt_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 300}},
    "LiteLLM": TOLD | {
        "prompt_tokens_details": {"cached_tokens": 600, "cache_creation_tokens": 300},
        "cache_read_input_tokens": 600, "cache_creation_input_tokens": 300,
    },
    "LiteLLM of old": TOLD | {
        "prompt_tokens_details": {"cached_tokens": 600}, "cache_creation_input_tokens": 300,
    },
    "Portkey, whose prompt is what was neither": TOLD | {
        "prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 600},
        "cache_read_input_tokens": 600, "cache_creation_input_tokens": 300,
    },
    "Moonshot": TOLD | {"cached_tokens": 600},
    "DeepSeek": TOLD | {"prompt_cache_hit_tokens": 600, "prompt_cache_miss_tokens": 400},
}  # fmt: skip


@pytest.mark.parametrize("name", CACHED)
def test_what_was_cached_is_found_by_every_servers_name_for_it(name: str) -> None:
    """Written to a cache, tokens cost a quarter more with Anthropic; read from it, a tenth."""
    counts = metered("chat", chunk("Hi"), chunk(end="stop", usage=CACHED[name])).counts
    assert (counts["input_tokens"], counts["output_tokens"]) == (1000, 50)
    assert counts["cache_read_tokens"] == 600
    wrote = 0 if name in ("Moonshot", "DeepSeek") else 300
    assert counts.get("cache_write_tokens", 0) == wrote


def test_more_in_a_cache_than_there_was_is_not_believed() -> None:
    usage = TOLD | {"cached_tokens": 5000}
    found = metered("chat", chunk("Hi"), chunk(end="stop", usage=usage))
    assert known(found) == ("vendor", 1000, 50)
    assert "cache_read_tokens" not in found.counts


def test_usage_of_several_choices_is_summed() -> None:
    usage = {"prompt_tokens": 150, "completion_tokens": 9000, "total_tokens": 9150}
    few = usage | {"completion_tokens": 20, "total_tokens": 170}
    ends = [
        CHUNK | {"choices": [{"index": n, "delta": {}, "finish_reason": "stop", "usage": each}]}
        for n, each in enumerate([usage, few])
    ]
    assert known(metered("chat", *ends, copies=2)) == ("vendor", 300, 9020)
    both = CHUNK | {"choices": [choice for each in ends for choice in each["choices"]]}
    assert known(metered("chat", both, copies=2)) == ("vendor", 300, 9020)
    assert known(metered("chat", ends[0], ends[0], ends[1], copies=2)) == ("vendor", 300, 9020)


def test_a_prompt_that_is_counted_for_each_choice_is_reserved_for_each(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text('{"models": {"kimi-*": {"input_mtok": 1, "output_mtok": 4}}}')
    tariff = Prices(file).tariff("openai", "kimi-k2")
    usage = {"prompt_tokens": 40_000, "completion_tokens": 10, "total_tokens": 40_010}
    ends = [
        CHUNK | {"choices": [{"index": n, "delta": {}, "finish_reason": "stop", "usage": usage}]}
        for n in range(5)
    ]
    found = metered("chat", *ends, copies=5)
    ask = Ask("kimi-k2", True, 10, 5, 40_000, 0, "", False, {})
    assert tariff.cost(found.counts) <= ask.worst(tariff)


def test_a_count_never_shrinks() -> None:
    big = {"prompt_tokens": 1000, "completion_tokens": 9000}
    small = {"prompt_tokens": 1, "completion_tokens": 1}
    found = metered("chat", chunk("Hi", usage=big), chunk(end="stop", usage=small))
    assert known(found) == ("vendor", 1000, 9000)
    found = metered("messages", start(input_tokens=1000), WORD, delta(None, output_tokens=9000),
                    delta("end_turn", input_tokens=1, output_tokens=1))  # fmt: skip
    assert known(found) == ("vendor", 1000, 9000)
    found = metered("gemini", gemini("A", promptTokenCount=1000, candidatesTokenCount=9000),
                    gemini("", "STOP", promptTokenCount=1, candidatesTokenCount=1))  # fmt: skip
    assert known(found) == ("vendor", 1000, 9000)


@pytest.mark.parametrize("count", [1, 7])
def test_a_count_that_is_far_too_little_for_the_text_is_not_believed(count: int) -> None:
    text = "Many words. " * 10
    usage = {"prompt_tokens": 150, "completion_tokens": count}
    pieces = [chunk(text, usage=usage)] * 40
    found = metered("chat", *pieces, chunk(end="stop", usage=usage))
    assert (found.basis, found.seen_bytes) == ("partial", 40 * len(text))
    assert found.counts["output_tokens"] == 20 * len(text)
    whole = METERS["chat"](sent_bytes=10)
    answer = {"choices": [{"message": {"content": text * 40}, "finish_reason": "stop"}]}
    whole.feed(json.dumps(answer | {"usage": usage}).encode())
    assert whole.result(is_whole=True).basis == "partial"
    words = [{"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}] * 40
    ended = delta("end_turn", output_tokens=count)
    assert metered("messages", start(input_tokens=150), *words, ended).basis == "partial"


RESPONSE = {"object": "response", "model": "m", "usage": None}
RESPONSES_USAGE = {"input_tokens": 150, "output_tokens": 50}


@pytest.mark.parametrize("end", ["completed", "done", "incomplete", "failed", "cancelled"])
def test_a_response_counts_at_its_end_whatever_that_is_called(end: str) -> None:
    ended = {"type": f"response.{end}", "response": RESPONSE | {"usage": RESPONSES_USAGE}}
    begun = {"type": "response.created", "response": RESPONSE}
    assert known(metered("responses", begun, ended, cut=True)) == KNOWN


def gemini(text: str, end: str | None = None, index: int = 0, **usage: int) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}]}, "index": index}
    candidate |= {"finishReason": end} if end else {}
    return {"candidates": [candidate], "modelVersion": "m"} | (
        {"usageMetadata": usage} if usage else {}
    )


GEMINIS = {
    "usage after the finish": [
        gemini("A", promptTokenCount=150, candidatesTokenCount=1), gemini("", "STOP"),
        {"usageMetadata": {"promptTokenCount": 150, "candidatesTokenCount": 50}},
    ],
    "zeros at the end": [
        gemini("A", promptTokenCount=150, candidatesTokenCount=50),
        gemini("", "STOP", promptTokenCount=150, candidatesTokenCount=0),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", GEMINIS)
def test_geminis_usage_is_final_after_its_finish(name: str) -> None:
    assert known(metered("gemini", *GEMINIS[name], cut=True)) == KNOWN


def test_geminis_usage_is_not_final_before_every_candidate_has_finished() -> None:
    first = gemini("A", "STOP", promptTokenCount=150, candidatesTokenCount=20)
    assert metered("gemini", first, cut=True, copies=2).basis == "partial"


NONSENSE = [10**30, -1, "50", True, [50], 0.5, float("nan"), float("inf"), 1e30, {}]


@pytest.mark.parametrize("count", NONSENSE, ids=str)
@pytest.mark.parametrize("wire", ["chat", "messages", "responses", "gemini"])
def test_a_count_that_is_none_is_not_taken_for_the_vendors_word(wire: str, count: Any) -> None:
    answers = {
        "chat": [chunk("Hi"), chunk(end="stop", usage=USAGE | {"completion_tokens": count})],
        "messages": [start(input_tokens=150), WORD, delta("end_turn", output_tokens=count)],
        "responses": [{
            "type": "response.completed",
            "response": RESPONSE | {"usage": RESPONSES_USAGE | {"output_tokens": count}},
        }],
        "gemini": [gemini("A", "STOP", promptTokenCount=150, thoughtsTokenCount=count)],
    }  # fmt: skip
    found = metered(wire, *answers[wire])
    assert found.basis != "vendor"
    assert all(0 <= number <= 100_000_000 for number in found.counts.values())


def test_zeros_alone_count_nothing() -> None:
    assert metered("chat", chunk("Hi"), chunk(end="stop", usage=ZEROS)).basis == "estimated"
    whole = METERS["chat"](sent_bytes=10)
    answer = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    whole.feed(json.dumps(answer | {"usage": USAGE | {"completion_tokens": 0}}).encode())
    assert whole.result(is_whole=True).basis == "partial"


@pytest.mark.parametrize("piece", [b"x", b"\\n", b"\\\\u00e9x"])
def test_a_long_text_takes_little_time_and_memory(piece: bytes) -> None:
    """8 MB took 5 s and 1.1 GB, for an expression that remembered its way back."""
    text = piece * ((8 << 20) // len(piece))
    body = b'data: {"choices": [{"delta": {"content": "' + text + b'"}}]}\n\n'
    found = METERS["chat"](sent_bytes=10)
    found.is_stream = True
    found.feed(body)
    tracemalloc.start()
    began = monotonic()
    seen = found.result(is_whole=True).seen_bytes
    took, (_, most) = monotonic() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen == len(text)
    assert most < 100 << 20
    assert took < 30
