from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paid.gateway.scan import BadBodyError, Scan
from paid.gateway.scanner import Scanner
from paid.gateway.spool import IN_MEMORY_BYTES, Edit, Spool
from tests.waiting import happens

pytestmark = pytest.mark.anyio

WANTED = frozenset({"model", "max_tokens", "stream", "tools"})

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=15,
)
keys = st.sampled_from([*sorted(WANTED), "messages", "x", "\u00e4", 'a"b', "a\\b", "a,b:c"])


def scan(body: bytes, *, step: int | None = None, wire: str = "") -> Scan:
    """Read in one go, or in pieces as they come."""
    scanner = Scanner(WANTED, wire) if step is None else Scanner(WANTED, wire, quick_bytes=-1)
    for start in range(0, len(body), step or len(body) or 1):
        scanner.feed(body[start : start + (step or len(body))])
    return scanner.finish()


def verdict(body: bytes, *, step: int | None = None) -> Scan | str:
    try:
        return scan(body, step=step)
    except BadBodyError as error:
        return str(error)


async def read(chunks: Any) -> bytes:
    return b"".join([chunk async for chunk in chunks])


@given(
    members=st.dictionaries(keys, values, max_size=6),
    step=st.integers(1, 40),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
)
def test_it_reads_what_a_json_parser_reads_however_the_bytes_are_cut(
    members: dict[str, Any], step: int, indent: int | None, ascii_only: bool
) -> None:
    body = json.dumps(members, indent=indent, ensure_ascii=ascii_only).encode()
    found = scan(body, step=step)
    assert {name: member.value for name, member in found.members.items()} == {
        name: value for name, value in members.items() if name in WANTED
    }
    for name, member in found.members.items():
        assert json.loads(body[member.start : member.end]) == members[name]
        key, colon = body[member.key : member.start].decode().split('"')[1:]
        assert (key, colon.strip()) == (name, ":")
        assert body[member.end : member.after].strip() == b""
        assert body[member.after :][:1] in (b",", b"}")
    assert body[found.opening : found.opening + 1] == b"{"
    assert scan(body) == found


ODD = [
    "{}",
    "[1]",
    '{"model":1,"MODEL":2}',
    '{"Model":1}',
    '{"model":{"a":1,"a":2}}',
    '{"model":NaN}',
]


@given(
    st.sampled_from(ODD)
    | st.text(alphabet='{}[]",:\\aeä1 \n', max_size=30).map(lambda text: '{"model":' + text + "}"),
    st.integers(1, 5),
)
def test_what_is_read_in_one_go_gets_the_verdict_of_what_is_read_in_pieces(
    text: str, step: int
) -> None:
    body = text.encode()
    assert verdict(body) == verdict(body, step=step) == verdict(body, step=1000)


@pytest.mark.parametrize("size", [2_000, 2_000_000])
def test_a_body_is_read_alike_whatever_its_length(size: int) -> None:
    parts = [{"type": "text", "text": '\u00e4 \\ "image" ' * 20}, {"type": "image"}]
    messages = [{"role": "user", "content": parts}] * (size // 500)
    members = {"tools": ["ä"], "messages": messages, "model": "m"}
    body = json.dumps(members, ensure_ascii=False).encode()
    read = scan(body, wire="messages")
    assert read == scan(body, step=70_000, wire="messages")
    assert read.seen.unseen == "the source of a image"


@given(st.binary(max_size=60), st.integers(1, 7))
def test_any_bytes_are_either_read_or_refused(body: bytes, step: int) -> None:
    try:
        scan(body, step=step)
    except BadBodyError:
        return
    assert body.strip().startswith(b"{")


@given(st.text(alphabet='{}[]",:\\ae1 ', max_size=40))
def test_what_it_accepts_has_the_members_that_a_json_parser_finds(text: str) -> None:
    """Where both accept, both find the same: what is reserved for is what the vendor runs."""
    body = ('{"model":' + text + "}").encode()
    try:
        found = scan(body)
        parsed = json.loads(body)
    except (BadBodyError, ValueError):
        return
    assert {n: m.value for n, m in found.members.items()} == {
        name: value for name, value in parsed.items() if name in WANTED
    }


@pytest.mark.parametrize("size", [100, IN_MEMORY_BYTES + 1])
async def test_what_was_spooled_comes_back_with_the_edits_made(size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    spool = Spool()
    for start in range(0, len(body), 70_000):
        spool.write(body[start : start + 70_000])
    edits = [Edit(50, 52, b"new"), Edit(5, 5, b"put in")]
    expected = body[:5] + b"put in" + body[5:50] + b"new" + body[52:]
    for _ in range(2):
        sent = spool.body(edits)
        assert sent.length == len(expected)
        is_small = isinstance(sent.data, bytes)
        assert is_small == (size <= IN_MEMORY_BYTES)
        assert (sent.data if is_small else await read(sent.data)) == expected
    assert (spool.whole([]) is None) == (size > IN_MEMORY_BYTES)
    spool.close()


@pytest.mark.parametrize("step", [9_973, 400_000, 3_000_000])
async def test_a_body_that_is_followed_goes_without_its_end_until_it_is_paid(step: int) -> None:
    body = b' {"model": "a", "x": "' + b"}" * 2_500_000 + b'"} \n '
    spool, scanner = Spool(), Scanner(WANTED)
    go_on: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    sent = bytearray()

    def ready() -> tuple[int, list[Edit]]:
        end = spool.size - 1 if scanner.scan.closing is None else scanner.scan.closing
        return end, []

    async def follow() -> None:
        chunks = spool.followed(ready, len(body), go_on).data
        assert not isinstance(chunks, bytes)
        async for chunk in chunks:
            sent.extend(chunk)

    following: asyncio.Task[None] | None = None
    for start in range(0, len(body), step):
        spool.write(body[start : start + step])
        scanner.feed(body[start : start + step])
        if following is None and not spool.is_in_memory:
            following = asyncio.create_task(follow())
        await asyncio.sleep(0)
    assert following is not None
    spool.finish()
    await happens(lambda: len(sent) == len(body) - len(b"} \n "), "all of it but its end")
    assert not following.done()
    go_on.set_result(None)
    await following
    assert bytes(sent) == body
    spool.close()
