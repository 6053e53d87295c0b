"""Where each protocol says what an answer used; servers that speak it in their own way included.

After an answer's finish any usage is final, wherever it stands. Without a finish it is final when
the vendor ended the answer in order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from paid.gateway.counts import merged, summed
from paid.gateway.meter import BULK_BYTES, Basis, Meter, Metered

__all__ = ["METERS", "Basis", "Meter", "Metered"]

_ID = re.compile(rb'"id"\s*:\s*"(resp_[A-Za-z0-9_-]{1,200})"')
_NOT_STORED = re.compile(rb'"store"\s*:\s*false')


class AnthropicMeter(Meter):
    """Messages: `message_start` counts the input, each `message_delta` the output so far."""

    vendor = "anthropic"
    _has_counted = False
    """Whether the output was counted after it was written; at the start it is a placeholder."""
    _has_stopped = False

    def _event(self, event: Any) -> None:
        kind = event.get("type")
        if kind == "message_start":
            self._join(event["message"])
        elif kind == "message":
            self._join(event)
            self._is_final = True
        elif kind == "message_delta":
            self._join(event)
            self._has_counted |= bool((event.get("usage") or {}).get("output_tokens"))
            self._has_stopped |= (event.get("delta") or {}).get("stop_reason") is not None
            self._is_final = self._has_stopped
        elif kind == "error":
            self._is_refusal = True

    def _end(self, *, is_whole: bool) -> None:
        if self._has_counted:
            super()._end(is_whole=is_whole)

    def _is_plausible(self, counted: Mapping[str, int]) -> bool:
        is_counted = self._has_counted or not self.is_stream or not self._text_bytes
        return is_counted and super()._is_plausible(counted)

    def _more(self) -> tuple[Mapping[str, int], ...]:
        """Summing the conversation up on the way is a sampling of its own, outside of the usage."""
        passes = self._usage.get("iterations")
        return tuple(
            self._extracted(one)
            for one in (passes if isinstance(passes, list) else ())
            if isinstance(one, dict) and one.get("type") == "compaction"
        )

    def _join(self, event: dict[str, Any]) -> None:
        self._model = event.get("model") or self._model
        usage = event.get("usage") or {}
        self._add(usage)
        for name in ("service_tier", "speed", "inference_geo"):
            if isinstance(usage.get(name), str):
                self._tier[name] = usage[name]


class _Finishing(Meter):
    """Several answers may be asked for at once; usage is final when all of them have finished."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._begun: set[object] = set()
        self._finished: set[object] = set()

    def _see_finish(self, index: object, reason: object) -> None:
        self._begun.add(index)
        if reason:
            self._finished.add(index)

    @property
    def _has_finished(self) -> bool:
        return len(self._finished) >= max(self._copies, len(self._begun))


class _OpenAIMeter(_Finishing):
    vendor = "openai"

    def _see_tier(self, answer: Any) -> None:
        """Until it is served, an answer repeats what was asked for: `auto` says nothing yet."""
        tier = answer.get("service_tier")
        if isinstance(tier, str) and tier != "auto":
            self._tier["service_tier"] = tier


class ChatMeter(_OpenAIMeter):
    """Chat Completions: the last chunk, or the answer, has `usage`.

    OpenRouter's last chunk has choices, too; vLLM, xAI and Perplexity count in each; DeepSeek,
    Mistral and llama.cpp count in the one that finishes, Groq there in `x_groq`, and Moonshot in
    its choice; llama.cpp, when it was not asked to, in `timings` alone.
    """

    flavor = "chat"
    _TELLING = (b"sage", b'"finish_reason":"', b'"finish_reason": "', b'"error"', b'"timings"')

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._usages: dict[str, dict[str, Any]] = {}
        """By choice, where each is counted by itself."""

    def _see_choices(self, choices: Any) -> dict[str, Any]:
        """The usage of all choices so far; empty where they have none of their own."""
        for place, choice in enumerate(choices):
            self._see_finish(choice.get("index", 0), choice.get("finish_reason"))
            if isinstance(choice.get("usage"), dict):
                index = str(choice.get("index", place))
                self._usages[index] = merged(self._usages.get(index, {}), choice["usage"])
        return summed(self._usages.values())

    def _event(self, event: Any) -> None:
        self._model = event.get("model") or self._model
        self._see_tier(event)
        self._is_refusal |= bool(event.get("error"))
        told = [event.get("usage"), (event.get("x_groq") or {}).get("usage")]
        told.append(self._see_choices(event.get("choices") or []))
        for usage in filter(None, told if any(told) else [_timed(event.get("timings"))]):
            self._add(usage)
            self._is_final = self._has_finished


class ResponsesMeter(_OpenAIMeter):
    """Responses: the event that ends the response has all of it, and so does a plain answer."""

    flavor = "responses"
    _ENDS = frozenset(
        f"response.{end}" for end in ("completed", "incomplete", "failed", "cancelled", "done")
    )

    def stored_as(self) -> str | None:
        """The first event has it, and says whether the answer is kept at all."""
        first, found, _ = bytes(self._buffer[:BULK_BYTES]).partition(b"\n\n")
        if not found:
            return None
        named = None if _NOT_STORED.search(first) is not None else _ID.search(first)
        return "" if named is None else named[1].decode()

    def _event(self, event: Any) -> None:
        self._see_finish("response", event.get("type") in self._ENDS)
        response = event.get("response", event)
        self._is_refusal |= event.get("type") == "error" or bool(response.get("error"))
        self._model = response.get("model") or self._model
        if isinstance(response.get("id"), str) and response["id"].isprintable():
            self.answer_id = response["id"][:200]
        self._see_tier(response)
        if response.get("usage"):
            self._add(response["usage"])
            self._is_final = self._has_finished


class GeminiMeter(_Finishing):
    """generateContent: every chunk has `usageMetadata` so far; the one that ends has a reason."""

    vendor = "gemini"
    _root = "usageMetadata"
    _TELLING = (b"sage", b'"finishReason"', b'"blockReason"', b'"error"')

    def _event(self, event: Any) -> None:
        for part in event if isinstance(event, list) else [event]:
            self._part(part)

    def _part(self, part: Any) -> None:
        self._model = part.get("modelVersion") or self._model
        self._is_refusal |= bool(part.get("error"))
        for candidate in part.get("candidates") or []:
            self._see_finish(candidate.get("index", 0), candidate.get("finishReason"))
        if (part.get("promptFeedback") or {}).get("blockReason"):
            self._copies = 0
        if part.get("usageMetadata"):
            self._add(part["usageMetadata"])
            self._is_final = self._has_finished


def _timed(timings: Any) -> dict[str, int] | None:
    """llama.cpp's own count; what it found in its cache stands apart."""
    if not timings or not timings.get("predicted_n"):
        return None
    read = timings.get("prompt_n", 0) + timings.get("cache_n", 0)
    return {"prompt_tokens": read, "completion_tokens": timings["predicted_n"]}


METERS: dict[str, type[Meter]] = {
    "messages": AnthropicMeter,
    "chat": ChatMeter,
    "responses": ResponsesMeter,
    "gemini": GeminiMeter,
}
