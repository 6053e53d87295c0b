from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paid.gateway.metering import METERS, Metered
from tests.gateway.vendor import (
    anthropic_message,
    anthropic_stream,
    anthropic_usage,
    chat_stream,
    chat_usage,
    event,
    gemini_stream,
    responses_stream,
)

STREAMS = {
    "messages": anthropic_stream("m", anthropic_usage(100, 50, 30, 20), words=10),
    "chat": chat_stream("m", chat_usage(150, 50, 30), words=10),
    "responses": responses_stream("m", 150, 50, 30),
    "gemini": gemini_stream("m", 150, 50),
}
KNOWN = {"input_tokens": 150, "output_tokens": 50}


def meter(wire: str, body: bytes, *, step: int = 1 << 20, is_stream: bool = True) -> Metered:
    found = METERS[wire](sent_bytes=1000)
    found.is_stream = is_stream
    for start in range(0, len(body), step):
        found.feed(body[start : start + step])
    return found.result(is_whole=True)


@pytest.mark.parametrize("wire", STREAMS)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_whole_stream_is_counted_as_the_vendor_says(wire: str, step: int) -> None:
    found = meter(wire, STREAMS[wire], step=step)
    assert found.basis == "vendor"
    assert {name: found.counts[name] for name in KNOWN} == KNOWN
    assert found.model == "m"


@pytest.mark.parametrize("wire", STREAMS)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_line_ends_of_both_kinds_are_read(wire: str, end: bytes) -> None:
    found = meter(wire, STREAMS[wire].replace(b"\n", end), step=5)
    assert found.basis == "vendor"


@pytest.mark.parametrize("wire", STREAMS)
def test_a_stream_cut_at_every_byte_never_counts_more_and_never_nothing(wire: str) -> None:
    stream = STREAMS[wire]
    order = {"estimated": 0, "partial": 1, "vendor": 2}
    last = 0
    for place in range(len(stream) + 1):
        found = meter(wire, stream[:place])
        assert found.counts["input_tokens"] > 0
        assert found.counts.get("output_tokens", 0) <= 50
        assert order[found.basis] >= last, place
        last = order[found.basis]
    assert last == 2


@given(st.sampled_from(sorted(STREAMS)), st.binary(max_size=300), st.booleans(), st.integers(1, 50))
def test_no_answer_breaks_a_meter(wire: str, body: bytes, is_stream: bool, step: int) -> None:
    found = meter(wire, body, step=step, is_stream=is_stream)
    assert found.counts["input_tokens"] >= 0


ODD: list[Any] = [
    {"usage": 5},
    {"usage": {"input_tokens": "many", "output_tokens": None}},
    {"usage": {"input_tokens": -5, "output_tokens": -5}},
    {"type": "message", "usage": []},
    {"type": "message_delta", "usage": {"output_tokens": 1e400}, "delta": None},
    {"type": "response.completed", "response": None, "usage": {}},
    {"usageMetadata": {"promptTokenCount": [1]}},
    [[["usage"]]],
    "usage",
]


@pytest.mark.parametrize("wire", STREAMS)
@pytest.mark.parametrize("odd", ODD)
def test_usage_that_makes_no_sense_is_estimated(wire: str, odd: Any) -> None:
    body = json.dumps(odd).encode()
    for is_stream in (True, False):
        found = meter(wire, b"data: " + body if is_stream else body, is_stream=is_stream)
        assert all(count >= 0 for count in found.counts.values())


def test_an_answer_that_is_not_streamed_is_counted_too() -> None:
    body = anthropic_message("m", anthropic_usage(100, 50, 30, 20))
    found = meter("messages", body, step=10, is_stream=False)
    assert (found.basis, found.counts["output_tokens"]) == ("vendor", 50)
    listed = (
        b"[" + STREAMS["gemini"].replace(b"data: ", b"").replace(b"\n\n", b",").rstrip(b",") + b"]"
    )
    found = meter("gemini", listed, is_stream=False)
    assert (found.basis, found.counts["output_tokens"]) == ("vendor", 50)


def test_a_prompt_that_was_blocked_has_its_usage() -> None:
    blocked = {
        "promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 9},
    }
    assert meter("gemini", event(blocked)).basis == "vendor"


def test_text_that_was_seen_is_counted_when_nobody_else_does() -> None:
    delta = {"choices": [{"delta": {"content": "12345678"}}]}
    found = meter("chat", event(delta) * 10, step=11)
    assert (found.basis, found.counts["output_tokens"]) == ("estimated", 40)
    refused = event({"choices": [{"delta": {"refusal": "12345678"}}]})
    assert meter("chat", refused).counts["output_tokens"] == 4


def test_a_line_without_an_end_is_not_kept() -> None:
    body = b"data: " + b"x" * 500_000 + b"\n\n" + STREAMS["chat"]
    found = METERS["chat"](sent_bytes=10, longest_event_bytes=100_000)
    found.is_stream = True
    for start in range(0, len(body), 8192):
        found.feed(body[start : start + 8192])
        assert len(found._buffer) < 200_000
    assert found.result(is_whole=True).basis == "vendor"


def test_the_tier_that_served_it_is_reported() -> None:
    stream = responses_stream("m", 1, 1).replace(
        b'"status": "completed"', b'"service_tier": "flex"'
    )
    assert meter("responses", stream).tier == {"service_tier": "flex"}
