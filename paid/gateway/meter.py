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
from typing import Any, ClassVar, Literal

from paid.gateway.counts import OUTPUTS, merged, read_counts

Basis = Literal["vendor", "partial", "estimated"]

BULK_BYTES = 64 << 10
LONGEST_EVENT_BYTES = 16 << 20
LONGEST_ANSWER_BYTES = 64 << 20
BYTES_PER_TOKEN = 2
"""Where nobody counted. Text has three to four bytes a token, code and CJK fewer."""
MOST_BYTES_A_TOKEN = 100
"""Of text that passed, with its escapes, and several times in a Responses stream. A count of the
output that allows more is none of the whole: some servers count each piece by itself."""
UNCOUNTED_BYTES = 900
"""Of text, which any count allows."""

_EVENTS = (b"data:", b"event:", b":")
"""How a stream begins that was announced as something else."""
_TEXT = re.compile(
    rb'"(?:text|content|delta|thinking|partial_json|arguments|reasoning|reasoning_content|input'
    rb'|refusal|encrypted_content)"\s*:\s*"([^"\\]*+(?:\\.[^"\\]*+)*+)',
    re.DOTALL,
)
"""Possessive, so that nothing is remembered for a way back: a text of 8 MB took a gigabyte."""


@dataclass(frozen=True)
class Metered:
    """What is known of an answer's usage; counts are under genai-prices' names.

    `basis` vendor: the vendor counted all of it. partial: it counted the input, and the output is
    estimated from what was seen. estimated: it counted nothing. Without counts, the answer was a
    refusal, though it began as a stream. `more` has what was done besides and is billed apart.
    `seen_bytes` is the text that passed; `is_whole` tells an answer that its vendor ended, and
    `is_failed` one that it broke off with an error.
    """

    counts: Mapping[str, int]
    basis: Basis
    model: str | None = None
    tier: Mapping[str, str] = field(default_factory=dict)
    more: tuple[Mapping[str, int], ...] = ()
    seen_bytes: int = 0
    is_whole: bool = False
    is_failed: bool = False


class Meter(ABC):
    """Feed it an answer's bytes in order, then ask it.

    `copies` is how many answers were asked for at once.
    """

    vendor: str
    flavor = "default"
    _root = "usage"
    _TELLING: ClassVar[tuple[bytes, ...]] = (b"sage",)
    """What stands in each event that has to be read whole; an expression would take ten times as
    long to find it."""

    def __init__(
        self,
        *,
        sent_bytes: int,
        copies: int = 1,
        longest_event_bytes: int = LONGEST_EVENT_BYTES,
    ) -> None:
        self.is_stream = False
        """Whether the answer is server-sent events; set it before the first byte is fed."""
        self.answer_id: str | None = None
        """Under which its vendor stores it, where requests may go on from there."""
        self._sent_bytes = sent_bytes
        self._copies = copies
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

    def stored_as(self) -> str | None:
        """The id by which the vendor can be asked for this answer again; empty when it keeps none,
        and None until that is known."""
        return ""

    def result(self, *, is_whole: bool) -> Metered:
        """What was used. `is_whole` tells an answer that ended from one that was cut."""
        if not self.is_stream and not self._buffer.startswith(_EVENTS):
            self._read_whole()
        elif not self._skipping:
            self._read_block(bytes(self._buffer))
        self._end(is_whole=is_whole)
        counted = self._counts()
        said = (self._model, self._tier)
        if self._is_final and self._is_plausible(counted):
            return Metered(counted, "vendor", *said, self._more())
        if self._is_refusal and not counted and not self._text_bytes:
            return Metered({}, "vendor")
        ended = is_whole and not self._is_refusal
        seen = -(-self._text_bytes // BYTES_PER_TOKEN)
        if counted.get("input_tokens"):
            written = counted | {"output_tokens": max(counted.get("output_tokens", 0), seen)}
            failed = self._is_refusal
            return Metered(written, "partial", *said, (), self._text_bytes, ended, failed)
        guess = {
            "input_tokens": -(-self._sent_bytes // BYTES_PER_TOKEN),
            "output_tokens": seen,
        }
        return Metered(guess, "estimated", *said, (), self._text_bytes, ended)

    @abstractmethod
    def _event(self, event: Any) -> None:
        """Take what an event, or a whole answer, says of usage."""

    def _more(self) -> tuple[Mapping[str, int], ...]:
        """What the vendor did besides, which its usage does not hold."""
        return ()

    def _end(self, *, is_whole: bool) -> None:
        """Nothing more comes: what the vendor counted before it ended in order stands."""
        if self._usage and is_whole and not self._is_refusal:
            self._is_final = True

    def _is_plausible(self, counted: Mapping[str, int]) -> bool:
        """No request is without input, and no text without output: such a zero counts nothing, and
        neither does what is far too little for the text."""
        if not counted.get("input_tokens") or not self._text_bytes:
            return counted.get("input_tokens", 0) > 0
        is_told = any(self._usage.get(name) for name in OUTPUTS)
        is_told = is_told or counted.get("output_reasoning_tokens", 0) > 0
        allowed = counted.get("output_tokens", 0) * MOST_BYTES_A_TOKEN + UNCOUNTED_BYTES
        return is_told and self._text_bytes <= allowed

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
        if not self._tells(block):
            self._see_text(block)
            return
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        for event in block.removeprefix(codecs.BOM_UTF8).split(b"\n\n"):
            if not self._is_final:
                self._see_text(event)
            if self._tells(event):
                self._take(_data(event))

    def _tells(self, block: bytes) -> bool:
        return any(word in block for word in self._TELLING)

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
        except (TypeError, AttributeError, KeyError, IndexError, RecursionError):
            return

    def _read_whole(self) -> None:
        self._take(bytes(self._buffer))
        self._is_final = bool(self._usage)
        if not self._usage:
            self._text_bytes = self._bytes
        else:
            self._see_text(bytes(self._buffer))

    def _add(self, usage: object) -> None:
        """Usage that was told; it joins what was told before."""
        if isinstance(usage, dict):
            self._usage = merged(self._usage, usage)

    def _counts(self) -> dict[str, int]:
        return self._extracted(self._usage)

    def _extracted(self, raw: Mapping[str, Any]) -> dict[str, int]:
        return read_counts(self.vendor, self.flavor, self._root, self._model, raw)


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
