"""Frames into lines, and cursors that lose and repeat nothing."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from paid.containers.logs import HEADER, FrameReader, nanoseconds

Frame = tuple[int, int, bytes]
START = 1_790_000_000_000_000_000


def stamp(moment: int) -> str:
    whole = datetime.fromtimestamp(moment // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{moment % 10**9:09d}Z"


def response(frames: list[Frame], since: str | None) -> io.BytesIO:
    """What the engine answers: every frame whose stamp is not before `since`, in file order."""
    begin = 0
    if since:
        seconds, _, fraction = since.partition(".")
        begin = int(seconds) * 10**9 + int(fraction)
    data = b""
    for stream, moment, part in frames:
        if moment >= begin:
            payload = stamp(moment).encode() + b" " + part
            data += HEADER.pack(stream, len(payload)) + payload
    return io.BytesIO(data)


@st.composite
def logs(draw: st.DrawFn) -> list[Frame]:
    """A log with late stamps, equal stamps, partial lines and two streams."""
    moment, frames = START, []
    for _ in range(draw(st.integers(0, 60))):
        moment += draw(st.sampled_from([0, 1, 1000, 400_000_000, 3_000_000_000]))
        late = draw(st.sampled_from([0, 0, 0, 5, 900_000]))
        part = draw(st.sampled_from([b"a\n", b"bb\n", b"\n", b"part", b"\xff\n"]))
        frames.append((draw(st.sampled_from([1, 2])), max(START, moment - late), part))
    return frames


@given(logs(), st.data())
@settings(max_examples=150, deadline=None)
def test_reading_on_from_any_line_gives_the_rest(frames: list[Frame], data: st.DataObject) -> None:
    reader = FrameReader(None)
    whole = list(reader.lines(response(frames, None).read))
    if not whole:
        return
    index = data.draw(st.integers(0, len(whole) - 1))
    again = FrameReader(whole[index].cursor)
    rest = [line.text for line in again.lines(response(frames, again.since).read)]
    expected = [line.text for line in whole[index + 1 :]]
    assert rest == expected
    if all(part.endswith(b"\n") for _, _, part in frames):
        assert rest == expected


@given(st.integers(0, 4_000_000_000), st.integers(0, 999_999_999))
def test_time_stamps_are_read_as_the_calendar_has_them(seconds: int, fraction: int) -> None:
    moment = seconds * 10**9 + fraction
    assert nanoseconds(stamp(moment)) == moment


def test_a_response_that_is_cut_anywhere_ends_quietly() -> None:
    data = response([(1, START, b"one\n"), (2, START, b"two\n")], None).read()
    for size in range(len(data)):
        lines = list(FrameReader(None).lines(io.BytesIO(data[:size]).read))
        assert len(lines) <= 1
