"""What the vendor gets of a Chat Completions body that left before it was whole."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paid.gateway.estimate import WANTED
from paid.gateway.job import followed
from paid.gateway.refusal import RefusedError
from paid.gateway.routes import find_route
from paid.gateway.scanner import Scanner
from paid.gateway.spool import Body, Spool
from paid.gateway.usage_request import usage_edits
from tests.gateway.conftest import CHAT
from tests.gateway.test_body import values

pytestmark = pytest.mark.anyio

ROUTE = find_route("POST", CHAT)
ASKED = {"include_usage": True}


class Passage:
    """A body that comes in pieces, and leaves from the first one on that names its model."""

    def __init__(self, *, has_length: bool) -> None:
        self.spool = Spool(in_memory_bytes=0)
        self.scanner = Scanner(WANTED["chat"], quick_bytes=0)
        self.client = b""
        self.sent = bytearray()
        self.again = b""
        """What the next key would get, when all is known."""
        self.body: Body | None = None
        self._has_length = has_length
        self._go_on: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._following: asyncio.Task[None] | None = None

    def take(self, piece: bytes, length: int) -> None:
        self.client += piece
        self.spool.write(piece)
        self.scanner.feed(piece)
        if self.body is None and "model" in self.scanner.scan.members:
            told = length if self._has_length else None
            self.body = followed(ROUTE, self.scanner.scan, self.spool, told, self._go_on)
            self._following = asyncio.create_task(self._follow(self.body))

    async def _follow(self, body: Body) -> None:
        assert not isinstance(body.data, bytes)
        async for chunk in body.data:
            self.sent += chunk

    async def end(self) -> bytes:
        """What was sent before the end was let go."""
        self.spool.finish()
        await turns(30)
        before = bytes(self.sent)
        self._go_on.set_result(None)
        assert self._following is not None
        await self._following
        self.again = self._again()
        self.spool.close()
        return before

    def _again(self) -> bytes:
        exact = self.spool.part(0, self.spool.size)
        for edit in usage_edits(ROUTE, self.scanner.finish(), self.spool):
            exact = exact[: edit.start] + edit.new + exact[edit.end :]
        return exact


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def pass_through(
    body: bytes, cuts: list[int], pace: int, *, has_length: bool
) -> tuple[Passage, bytes]:
    passage = Passage(has_length=has_length)
    places = [0, *sorted(cut % len(body) for cut in cuts), len(body)]
    for start, end in pairwise(places):
        if start < end:
            passage.take(body[start:end], len(body))
            await turns(pace)
    return passage, await passage.end()


def shuffled(members: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.permutations(list(members.items())).map(dict)


asking = st.sampled_from([True, False, None, 0, "longer than what stands there then", {"a": [1]}])
others = dict.fromkeys(["a", "\u00e4", 'b"', "}", "Include_usage_"], values)
options = st.none() | st.fixed_dictionaries(
    {}, optional={"include_usage": asking, **others}
).flatmap(shuffled)
ABSENT = "absent"
requests = (
    st.fixed_dictionaries(
        {
            "model": st.just("gpt-5"),
            "stream": st.sampled_from([True, True, True, False, None, ABSENT]),
            "stream_options": st.just(ABSENT) | options,
        },
        optional={"messages": st.lists(values, max_size=3), **others},
    )
    .map(lambda given: {name: value for name, value in given.items() if value != ABSENT})
    .flatmap(shuffled)
)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    assert len(found) == len(pairs), pairs
    return found


@given(
    request=requests,
    cuts=st.lists(st.integers(0, 1000), max_size=12),
    pace=st.integers(0, 6),
    has_length=st.booleans(),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
    after=st.sampled_from(["", " \n"]),
)
def test_a_body_is_asked_for_its_usage_once_and_otherwise_its_clients_wherever_it_is_cut(
    request: dict[str, Any],
    cuts: list[int],
    pace: int,
    has_length: bool,
    indent: int | None,
    ascii_only: bool,
    after: str,
) -> None:
    body = (json.dumps(request, indent=indent, ensure_ascii=ascii_only) + after).encode()
    passage, before = asyncio.run(pass_through(body, cuts, pace, has_length=has_length))
    sent = bytes(passage.sent)
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid"):
        json.loads(before)
    asks = {"stream_options": (request.get("stream_options") or {}) | ASKED}
    expected = request | (asks if request.get("stream") is True else {})
    assert json.loads(sent, object_pairs_hook=unique) == expected
    assert passage.body is not None
    assert passage.body.length == (len(sent) if has_length else None)
    exact = passage.again
    assert exact == body or request.get("stream") is True
    if list(json.loads(sent)) != list(expected):
        exact = with_its_options_last(request, passage)
    end = exact.rindex(b"}")
    filled = b" " * (len(sent) - len(exact))
    assert sent == exact[:end] + filled + exact[end:]
    assert has_length or not filled


def with_its_options_last(request: dict[str, Any], passage: Passage) -> bytes:
    """What is to be sent of a body whose options came before its `stream`, and do not ask."""
    names = list(request)
    assert "stream" not in names or names.index("stream_options") < names.index("stream")
    options, exact = passage.scanner.scan.members["stream_options"], passage.again
    value = exact[options.start : len(exact) - passage.spool.size + options.end]
    body = passage.client[: options.key] + passage.client[options.after + 1 :]
    end = body.rindex(b"}")
    return body[:end] + b',"stream_options":' + value + body[end:]


SURE = [
    (b'"stream":false,', b"", 0),
    (b'"stream":null,', b',"stream_options":null', 0),
    (b'"stream_options":{"include_usage": true },', b',"stream":true', 0),
    (b'"stream":true,"stream_options":{"include_usage":true},', b"", 0),
    (b'"stream":true,"stream_options":null,', b"", 18),
    (b'"stream":true,"stream_options":{"include_usage": false},', b"", 0),
    (b'"stream":true,"stream_options":{"include_usage":0},', b"", 3),
    (b'"stream":true,"stream_options":{ "a":1},', b"", 21),
    (b'"stream":true,', b"", 40),
    (b"", b"", 40),
    (b"", b',"stream":false', 40),
    (b"", b',"stream":true,"stream_options":{"include_usage":true}', 40),
]
"""Members that come before a body leaves, and after it; the room that is left for a change."""


@pytest.mark.parametrize(("first", "last", "room"), SURE)
def test_a_body_grows_by_no_more_than_what_is_not_sure_when_it_leaves(
    first: bytes, last: bytes, room: int
) -> None:
    body = b"{%b" % first + b'"model":"gpt-5","messages":[]' + last + b"}"
    leaves_at = body.index(b'"messages"')
    passage, _ = asyncio.run(pass_through(body, [leaves_at], 5, has_length=True))
    assert passage.body is not None
    assert passage.body.length == len(body) + room == len(passage.sent)
    if not room and b"false}" not in first:
        assert passage.sent == body


@pytest.mark.parametrize(
    "begun",
    [
        b'"stream":true,"stream_options":{"a"',
        b'"stream":true,"stream_opt',
        b'"stream_options" : {"a":1} ',
        b'"stream_options":',
        b'"str',
    ],
)
async def test_what_may_become_options_is_held_back_until_that_is_whole(begun: bytes) -> None:
    passage = Passage(has_length=False)
    passage.take(b'{"model":"gpt-5",' + begun, 0)
    await turns(5)
    assert passage.sent == b'{"model":"gpt-5",' + begun[: begun.rindex(b'"str')]
    passage.spool.close()


MOVED = [
    (b"null", b'{"include_usage":true}'),
    (b"{}", b'{"include_usage":true}'),
    (b'{ "a":[1]}', b'{"include_usage":true, "a":[1]}'),
    (b'{"a":1,"include_usage": "no" }', b'{"a":1,"include_usage": true }'),
    (b'"x"', None),
]
"""Options as they come, and as they have to be for a stream; None where that is refused."""


@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize("stream", [b',"stream":true', b',"stream":false ', b""])
@pytest.mark.parametrize(("given", "asked"), MOVED)
async def test_options_of_what_may_be_a_stream_go_before_the_last_brace_and_nothing_waits(
    given: bytes, asked: bytes | None, stream: bytes, *, has_length: bool
) -> None:
    options = b'"stream_options" : ' + given + b" ,"
    begun = b'{"model":"gpt-5",' + options + b'"x":["yz'
    rest = b'"]' + stream + b"} \n"
    passage, length = Passage(has_length=has_length), len(begun + rest)
    comma = begun.index(options) + len(options)
    for piece in (begun[:comma], begun[comma:]):
        passage.take(piece, length)
        await turns(5)
    assert passage.sent == begun.replace(options, b"")[:-1]
    passage.take(rest, length)
    if stream.endswith(b"true") and asked is None:
        with pytest.raises(RefusedError):
            await passage.end()
        passage.spool.close()
        return
    before = await passage.end()
    last = asked if stream.endswith(b"true") else given
    assert last is not None
    expected = begun.replace(options, b"") + b'"]' + stream + b',"stream_options":' + last
    assert before == begun.replace(options, b"") + b'"]' + stream
    assert passage.sent.replace(b" ", b"") == (expected + b"} \n").replace(b" ", b"")
    assert passage.sent.startswith(expected)
    assert passage.body is not None
    assert passage.body.length == (len(passage.sent) if has_length else None)
    assert len(passage.sent) <= length + 21


def test_options_that_are_no_object_are_refused_for_a_stream_alone() -> None:
    stream, other = Scanner(WANTED["chat"]), Scanner(WANTED["chat"])
    stream.feed(b'{"stream":true,"stream_options":"x"}')
    other.feed(b'{"stream":false,"stream_options":"x"}')
    with pytest.raises(RefusedError, match="stream_options must be an object"):
        usage_edits(ROUTE, stream.finish(), Spool())
    assert usage_edits(ROUTE, other.finish(), Spool()) == []
