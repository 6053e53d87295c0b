"""Vendors that pack their answers, though the gateway asks them not to."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from paid.gateway.encodings import PIECE_BYTES, _Unpacker
from tests.gateway.conftest import ANTHROPIC, Bench
from tests.gateway.vendor import SSE, Play, anthropic_message, anthropic_stream, anthropic_usage

pytestmark = pytest.mark.anyio

SONNET = "claude-sonnet-4-6"
BODY: dict[str, Any] = {"model": SONNET, "max_tokens": 100, "messages": []}
WHOLE = anthropic_message(SONNET, anthropic_usage(1000, 50))
STREAM = anthropic_stream(SONNET, anthropic_usage(1000, 50))
COST = 3000 + 50 * 15


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def in_two_members(data: bytes) -> bytes:
    return gzip.compress(data[:100]) + gzip.compress(data[100:])


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "gzip by its old name": ("X-GZip", gzip.compress),
    "gzip in two members": ("gzip", in_two_members),
    "deflate": ("deflate", zlib.compress),
    "deflate without a frame": ("deflate", raw_deflate),
    "nothing, said aloud": ("identity", lambda data: data),
}


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize(("answer", "kind"), [(WHOLE, {}), (STREAM, SSE)], ids=["whole", "stream"])
async def test_what_can_be_unpacked_is_metered_and_reaches_the_client_plain(
    bench: Bench, name: str, answer: bytes, kind: dict[str, str]
) -> None:
    encoding, pack = PACKERS[name]
    headers = {"content-type": "application/json"} | kind | {"content-encoding": encoding}
    bench.vendor.plays = [Play(pack(answer), headers=headers, chunk=37)]
    async with bench.post(ANTHROPIC, BODY | {"stream": bool(kind)}) as got:
        assert (got.status, await got.read()) == (200, answer)
        assert "content-encoding" not in got.headers
    (entry,) = await bench.settled()
    assert (entry.basis, entry.amount_microdollars) == ("vendor", COST)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br", "of-next-year"])
async def test_what_cannot_be_unpacked_passes_as_it_came_and_costs_the_reservation(
    bench: Bench, encoding: str
) -> None:
    packed = b"\x28\xb5\x2f\xfd" + bytes(range(256))
    headers = {"content-type": "application/json", "content-encoding": encoding}
    bench.vendor.plays = [Play(packed, headers=headers)]
    async with bench.post(ANTHROPIC, BODY, auto_decompress=False) as got:
        assert (got.status, await got.read()) == (200, packed)
        assert got.headers["content-encoding"] == encoding
    (entry,) = await bench.settled()
    assert entry.basis == "estimated"
    assert entry.amount_microdollars == entry.detail["reserved_microdollars"]


@pytest.mark.parametrize("spoil", [lambda data: data[:-9], lambda data: data[:20] + b"x" * 40])
async def test_a_packed_answer_that_is_damaged_is_cut_and_charged_at_its_worst(
    bench: Bench, spoil: Callable[[bytes], bytes]
) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    bench.vendor.plays = [Play(spoil(gzip.compress(WHOLE * 20)), headers=headers)]
    async with bench.post(ANTHROPIC, BODY) as got:
        with pytest.raises(aiohttp.ClientError):
            await got.read()
    (entry,) = await bench.settled()
    assert entry.amount_microdollars == entry.detail["reserved_microdollars"]


async def test_a_packed_refusal_is_read_too(bench: Bench) -> None:
    said = json.dumps({"error": {"message": "no such model"}}).encode()
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    bench.vendor.plays = [Play(gzip.compress(said), status=404, headers=headers)]
    async with bench.post(ANTHROPIC, BODY) as got:
        assert (got.status, await got.read()) == (404, said)
    headers["content-encoding"] = "br"
    bench.vendor.plays = [Play(said, status=404, headers=headers)]
    async with bench.post(ANTHROPIC, BODY) as got:
        assert (got.status, (await got.json())["error"]["message"]) == (
            404, "anthropic answered 404.",
        )  # fmt: skip
    assert await bench.settled(0) == []


async def test_a_packed_list_of_models_is_read_too(bench: Bench) -> None:
    headers = {"content-type": "application/json", "content-encoding": "deflate"}
    bench.vendor.plays = [Play(zlib.compress(b'{"data": []}'), headers=headers)]
    async with bench.get("/anthropic/v1/models") as got:
        assert (got.status, await got.read()) == (200, b'{"data": []}')


def test_a_few_bytes_that_stand_for_gigabytes_are_unpacked_in_small_pieces() -> None:
    bomb = gzip.compress(b"x" * (40 << 20))
    pieces = [len(piece) for piece in _Unpacker("gzip").feed(bomb)]
    assert (sum(pieces), max(pieces)) == (40 << 20, PIECE_BYTES)
