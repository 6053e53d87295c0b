"""What a vendor's answer says of its usage, read while it passes, streamed or not.

A meter never holds an answer back and never changes it. It reads whole the few events that carry
usage, and of the others only how much text they brought, for the answer that is cut before the
vendor has counted.
"""

from __future__ import annotations

import codecs
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from genai_prices.data_snapshot import get_snapshot

from paid.gateway.prices import PROVIDERS

Basis = Literal["vendor", "partial", "estimated"]

BULK_BYTES = 64 << 10
LONGEST_EVENT_BYTES = 16 << 20
LONGEST_ANSWER_BYTES = 64 << 20
BYTES_PER_TOKEN = 2
"""Where nobody counted. Text has three to four bytes a token, code and CJK fewer."""

_EVENTS = (b"data:", b"event:", b":")
"""How a stream begins that was announced as something else."""
_TEXT = re.compile(
    rb'"(?:text|content|delta|thinking|partial_json|arguments|reasoning|reasoning_content|input'
    rb'|refusal|encrypted_content)"\s*:\s*"((?:[^"\\]|\\.)*)'
)


@dataclass(frozen=True)
class Metered:
    """What is known of an answer's usage; counts are under genai-prices' names.

    `basis` vendor: the vendor counted all of it. partial: it counted the input, and the output is
    estimated from what was seen. estimated: it counted nothing. Without counts, the answer was a
    refusal, though it began as a stream. `more` has what was done besides and is billed apart.
    """

    counts: Mapping[str, int]
    basis: Basis
    model: str | None = None
    tier: Mapping[str, str] = field(default_factory=dict)
    more: tuple[Mapping[str, int], ...] = ()


class Meter(ABC):
    """Feed it an answer's bytes in order, then ask it."""

    vendor: str
    flavor = "default"

    def __init__(self, *, sent_bytes: int, longest_event_bytes: int = LONGEST_EVENT_BYTES) -> None:
        self.is_stream = False
        """Whether the answer is server-sent events; set it before the first byte is fed."""
        self._sent_bytes = sent_bytes
        self._longest_event_bytes = longest_event_bytes
        self._buffer = bytearray()
        self._skipping = False
        self._text_bytes = 0
        self._bytes = 0
        self._usage: dict[str, Any] = {}
        self._model: str | None = None
        self._tier: dict[str, str] = {}
        self._is_final = False
        self._is_refusal = False

    def feed(self, chunk: bytes) -> None:
        """Read on; never raises, whatever comes. Most of the work is put off, and done in bulk."""
        self._bytes += len(chunk)
        if not self.is_stream:
            if len(self._buffer) + len(chunk) <= LONGEST_ANSWER_BYTES:
                self._buffer += chunk
            return
        self._buffer += chunk
        if len(self._buffer) > BULK_BYTES:
            self._read_lines()

    def result(self, *, is_whole: bool) -> Metered:
        """What was used. `is_whole` tells an answer that ended from one that was cut."""
        if not self.is_stream and not self._buffer.startswith(_EVENTS):
            self._read_whole(is_whole=is_whole)
        elif not self._skipping:
            self._read_block(bytes(self._buffer))
        counted = self._counts()
        if self._is_final and counted:
            return Metered(counted, "vendor", self._model, self._tier, self._more())
        if self._is_refusal and not counted and not self._text_bytes:
            return Metered({}, "vendor")
        seen = -(-self._text_bytes // BYTES_PER_TOKEN)
        if counted.get("input_tokens"):
            output = max(counted.get("output_tokens", 0), seen)
            return Metered(counted | {"output_tokens": output}, "partial", self._model, self._tier)
        guess = {
            "input_tokens": -(-self._sent_bytes // BYTES_PER_TOKEN),
            "output_tokens": seen,
        }
        return Metered(guess, "estimated", self._model, self._tier)

    @abstractmethod
    def _event(self, event: Any) -> None:
        """Take what an event, or a whole answer, says of usage."""

    def _more(self) -> tuple[Mapping[str, int], ...]:
        """What the vendor did besides, which its usage does not hold."""
        return ()

    def _read_lines(self) -> None:
        """Read the whole events that are there. One without an end is skipped, not kept."""
        end = _end_of_events(self._buffer)
        if end == 0:
            if len(self._buffer) > self._longest_event_bytes:
                self._skipping = True
                self._buffer.clear()
            return
        block = bytes(self._buffer[:end])
        del self._buffer[:end]
        if self._skipping:
            self._skipping = False
            block = block.partition(b"\n")[2]
        self._read_block(block)

    def _read_block(self, block: bytes) -> None:
        if b"sage" not in block:
            self._see_text(block)
            return
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        for event in block.removeprefix(codecs.BOM_UTF8).split(b"\n\n"):
            if b"sage" in event:
                self._take(_data(event))
            if not self._is_final:
                self._see_text(event)

    def _see_text(self, block: bytes) -> None:
        for found in _TEXT.finditer(block):
            self._text_bytes += found.end(1) - found.start(1)

    def _take(self, raw: bytes) -> None:
        try:
            event = json.loads(raw)
        except (ValueError, RecursionError):
            return
        try:
            self._event(event)
        except (TypeError, AttributeError, KeyError, IndexError):
            return

    def _read_whole(self, *, is_whole: bool) -> None:
        self._take(bytes(self._buffer))
        if self._usage:
            self._is_final = True
        elif self._bytes:
            self._text_bytes = self._bytes
        if not is_whole and not self._usage:
            self._is_final = False

    def _counts(self) -> dict[str, int]:
        return self._extracted(self._usage)

    def _extracted(self, raw: Mapping[str, Any]) -> dict[str, int]:
        """A vendor's usage under genai-prices' names; empty when it makes no sense."""
        if not raw:
            return {}
        response = {"model": self._model or "", "modelVersion": self._model or ""}
        response |= {self._root: raw}  # type: ignore[dict-item]
        try:
            provider = get_snapshot().find_provider(None, PROVIDERS[self.vendor], None)
            _, usage = provider.extract_usage(response, api_flavor=self.flavor)
        except (LookupError, ValueError, TypeError):
            return {}
        return {
            name: int(value)
            for name, value in vars(usage).items()
            if isinstance(value, int | float) and value >= 0
        }

    _root = "usage"


class AnthropicMeter(Meter):
    """Messages: `message_start` counts the input, each `message_delta` the output so far."""

    vendor = "anthropic"

    def _event(self, event: Any) -> None:
        kind = event.get("type")
        if kind == "message_start":
            event, kind = event["message"], "message"
            self._merge(event)
        elif kind == "message":
            self._merge(event)
            self._is_final = True
        elif kind == "message_delta":
            self._merge(event)
            self._is_final = event.get("delta", {}).get("stop_reason") is not None
        elif kind == "error":
            self._is_refusal = True

    def _more(self) -> tuple[Mapping[str, int], ...]:
        """Summing the conversation up on the way is a sampling of its own, outside of the usage."""
        passes = self._usage.get("iterations")
        return tuple(
            self._extracted(one)
            for one in (passes if isinstance(passes, list) else ())
            if isinstance(one, dict) and one.get("type") == "compaction"
        )

    def _merge(self, event: dict[str, Any]) -> None:
        self._model = event.get("model") or self._model
        usage = {k: v for k, v in (event.get("usage") or {}).items() if v is not None}
        self._usage |= usage
        for name in ("service_tier", "speed", "inference_geo"):
            if isinstance(usage.get(name), str):
                self._tier[name] = usage[name]


class _OpenAIMeter(Meter):
    vendor = "openai"

    def _see_tier(self, answer: Any) -> None:
        """Until it is served, an answer repeats what was asked for: `auto` says nothing yet."""
        tier = answer.get("service_tier")
        if isinstance(tier, str) and tier != "auto":
            self._tier["service_tier"] = tier


class ChatMeter(_OpenAIMeter):
    """Chat Completions: the last chunk, or the answer, has `usage`."""

    flavor = "chat"

    def _event(self, event: Any) -> None:
        self._model = event.get("model") or self._model
        self._see_tier(event)
        self._is_refusal |= bool(event.get("error"))
        if event.get("usage"):
            self._usage = event["usage"]
            choices = event.get("choices") or []
            self._is_final = not choices or any(each.get("finish_reason") for each in choices)


class ResponsesMeter(_OpenAIMeter):
    """Responses: the event that ends the response has all of it, and so does a plain answer."""

    flavor = "responses"
    _ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})

    def _event(self, event: Any) -> None:
        is_end = event.get("type") in self._ENDS
        response = event.get("response", event)
        self._is_refusal |= event.get("type") == "error" or bool(response.get("error"))
        self._model = response.get("model") or self._model
        self._see_tier(response)
        if response.get("usage") and (is_end or response.get("object") == "response"):
            self._usage = response["usage"]
            self._is_final = is_end or not self.is_stream


class GeminiMeter(Meter):
    """generateContent: every chunk has `usageMetadata` so far; the one that ends has a reason."""

    vendor = "gemini"
    _root = "usageMetadata"

    def _event(self, event: Any) -> None:
        for part in event if isinstance(event, list) else [event]:
            self._model = part.get("modelVersion") or self._model
            self._is_refusal |= bool(part.get("error"))
            if part.get("usageMetadata"):
                self._usage |= part["usageMetadata"]
            candidates = part.get("candidates") or []
            is_end = any(candidate.get("finishReason") for candidate in candidates)
            if is_end or part.get("promptFeedback", {}).get("blockReason"):
                self._is_final = True


def _end_of_events(buffer: bytearray) -> int:
    """Where the last whole event ends, behind its empty line; 0 without any."""
    for empty in (b"\n\n", b"\r\n\r\n", b"\r\r"):
        place = buffer.rfind(empty)
        if place >= 0:
            return place + len(empty)
    return 0


def _data(event: bytes) -> bytes:
    """An event's data, which may stand on several lines."""
    lines = event.split(b"\n")
    return b"\n".join(line[5:] for line in lines if line.startswith(b"data:"))


METERS: dict[str, type[Meter]] = {
    "messages": AnthropicMeter,
    "chat": ChatMeter,
    "responses": ResponsesMeter,
    "gemini": GeminiMeter,
}
