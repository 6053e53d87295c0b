"""A container's output as lines, resumable, in bounded memory.

The engine sends frames: 8 bytes of header (stream, size), a time stamp with nanoseconds, a space,
and up to 16 KiB of a line; the last frame of a line ends with a newline.

A cursor is "anchor/skip/last/lines": the log from `anchor` on, less the first `skip` frames.
Stamps are not quite in order (two pipes are copied by two threads), but the engine's filter on a
fixed anchor always gives the same frames in the same order, so skipping by count is exact. The
anchor moves on about once a second of log time, so that a resumed reader skips little. `last` is
the newest stamp seen: a newer frame ends the skipping, because the engine throws the oldest part of
a long log away and the count may be of frames that are gone. `lines` are those that ended behind
that place: a line that ends beside a half-read one of the other stream cannot move it on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from paid.containers.contract import LogLine

HEADER = struct.Struct(">BxxxI")
LINE_BYTES = 1024 * 1024
"""Longer lines are cut and end with MARKER: agents print whole files in one line of JSON."""
MARKER = "… [line cut: {dropped} bytes left out]"
ANCHOR_NANOSECONDS = 1_000_000_000
NANOSECONDS = 1_000_000_000

Read = Callable[[int], bytes]


@dataclass
class Cursor:
    """Where a reader is: an anchor in nanoseconds, and how many frames it saw since."""

    anchor: int = 0
    seen: int = 0
    last: int = 0
    lines: int = 0
    next_anchor: int = 0
    next_seen: int = 0

    @classmethod
    def parse(cls, text: str | None) -> Cursor:
        """The cursor in `text`; the beginning of the log if None."""
        if not text:
            return cls()
        anchor, seen, last, lines = (*text.split("/"), "0")[:4]
        return cls(anchor=int(anchor), seen=int(seen), last=int(last), lines=int(lines))

    def __str__(self) -> str:
        lines = f"/{self.lines}" if self.lines else ""
        return f"{self.anchor}/{self.seen}/{self.last}{lines}"

    @property
    def since(self) -> str | None:
        """The anchor as the engine wants it; None for the whole log."""
        if not self.anchor:
            return None
        return f"{self.anchor // NANOSECONDS}.{self.anchor % NANOSECONDS:09d}"

    def passed(self, stamp: int) -> None:
        """Count a frame; move the anchor when a second has passed since the next one was chosen.

        Frames that are late by less than that second fall before the new anchor, seen already.
        """
        self.seen += 1
        self.last = max(self.last, stamp)
        if self.next_anchor and stamp >= self.next_anchor:
            self.next_seen += 1
        if not self.next_anchor:
            self.next_anchor, self.next_seen = stamp + 1, 0
        elif stamp >= self.next_anchor + ANCHOR_NANOSECONDS:
            self.anchor, self.seen = self.next_anchor, self.next_seen
            self.next_anchor, self.next_seen = stamp + 1, 0


@dataclass
class _Line:
    """The frames of one line so far; each stream has its own."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    dropped: int = 0

    def add(self, data: bytes) -> None:
        kept = data[: LINE_BYTES - self.size]
        if kept:
            self.parts.append(kept)
            self.size += len(kept)
        self.dropped += len(data) - len(kept)

    def text(self) -> str:
        text = b"".join(self.parts).decode(errors="replace")
        return text + MARKER.format(dropped=self.dropped) if self.dropped else text


class FrameReader:
    """Turns the frames of one response into lines, and keeps the cursor.

    The cursor of a line names a place where no line is half read, since resuming in the middle of
    one would lose its beginning, and how many lines have ended since. So each line has its own, and
    none is read twice.
    """

    def __init__(self, cursor: str | None) -> None:
        self._reached = Cursor.parse(cursor)
        self._safe = cursor or str(self._reached)
        self._place, self._ended = replace(self._reached, lines=0), self._reached.lines
        self._lines = {1: _Line(), 2: _Line()}

    @property
    def since(self) -> str | None:
        """Where the engine has to begin."""
        return Cursor.parse(self._safe).since

    def lines(self, read: Read) -> Iterator[LogLine]:
        """The lines of one response, from the last safe cursor on, until it ends."""
        self._reached = Cursor.parse(self._safe)
        self._lines = {1: _Line(), 2: _Line()}
        skip, newest = self._reached.seen, self._reached.last
        told, self._ended = self._reached.lines, 0
        self._reached.seen = self._reached.lines = 0
        for stream, stamp, data in _frames(read):
            self._reached.passed(stamp)
            if skip and stamp <= newest:
                skip -= 1
                continue
            skip = 0
            line = self._take(stream, data)
            if line is not None and told:
                told -= 1
            elif line is not None:
                yield line

    def last_lines(self) -> Iterator[LogLine]:
        """What the container wrote without a newline before it ended."""
        for stream, line in self._lines.items():
            if line.size:
                yield self._finished(stream, line)
        self._lines = {1: _Line(), 2: _Line()}

    def _take(self, stream: int, data: bytes) -> LogLine | None:
        line = self._lines[stream]
        ended = data.endswith(b"\n")
        line.add(data[:-1] if ended else data)
        if not ended:
            return None
        self._lines[stream] = _Line()
        self._ended += 1
        if not any(other.size for other in self._lines.values()):
            self._place, self._ended = replace(self._reached), 0
        self._safe = str(replace(self._place, lines=self._ended))
        return self._finished(stream, line)

    def _finished(self, stream: int, line: _Line) -> LogLine:
        name: Literal["stdout", "stderr"] = "stderr" if stream == 2 else "stdout"
        return LogLine(self._safe, name, line.text(), truncated=line.dropped > 0)


def _frames(read: Read) -> Iterator[tuple[int, int, bytes]]:
    """Stream number, time stamp in nanoseconds, and the frame's part of a line."""
    while True:
        header = read(HEADER.size)
        if len(header) < HEADER.size:
            return
        stream, size = HEADER.unpack(header)
        payload = read(size)
        if len(payload) < size:
            return
        stamp, _, data = payload.partition(b" ")
        if stream in (1, 2):
            yield stream, nanoseconds(stamp.decode("ascii")), data


def nanoseconds(stamp: str) -> int:
    """An RFC 3339 time in UTC with up to nine digits of a second, as nanoseconds since 1970."""
    date, _, rest = stamp.partition("T")
    year, month, day = map(int, date.split("-"))
    clock, _, fraction = rest.removesuffix("Z").partition(".")
    hour, minute, second = map(int, clock.split(":"))
    seconds = ((_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    return seconds * NANOSECONDS + int(fraction.ljust(9, "0") if fraction else 0)


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of the Gregorian calendar, counted from a first of March."""
    year -= month <= 2
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return 365 * year + year // 4 - year // 100 + year // 400 + of_year - 719_468


def reader_of(response: Any) -> Read:
    """Reads exactly as many bytes as asked from a streamed response; fewer at its end."""

    def read(size: int) -> bytes:
        data: bytes = response.raw.read(size)
        while data and len(data) < size:
            more = response.raw.read(size - len(data))
            if not more:
                break
            data += more
        return data

    return read
