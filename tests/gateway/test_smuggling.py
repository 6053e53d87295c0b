"""What no client library would send, byte by byte, on the gateway's own socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from paid.gateway import front
from tests.gateway.conftest import ANTHROPIC, Bench
from tests.gateway.vendor import JSON, Play, anthropic_message, anthropic_usage
from tests.waiting import HANGS_SECONDS, happens

pytestmark = pytest.mark.anyio

MODEL = "claude-sonnet-4-6"
BODY = json.dumps({"model": MODEL, "max_tokens": 5, "messages": []}).encode()
AUTH = b"Authorization: Bearer %TOKEN%\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
INNER = b"POST /anthropic/v1/messages HTTP/1.1\r\nHost: x\r\n" + AUTH + LENGTH + b"\r\n" + BODY
LINE = b"POST /anthropic/v1/messages HTTP/1.1\r\nHost: gateway\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

REST = b" HTTP/1.1\r\nHost: x\r\n" + AUTH + LENGTH + b"\r\n" + BODY

CORPUS = {
    "length and chunked": LINE + AUTH + LENGTH + CHUNKED + b"\r\n0\r\n\r\n" + INNER,
    "chunked and length": LINE + AUTH + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + INNER,
    "two lengths": LINE + AUTH + b"Content-Length: 0\r\n" + LENGTH + b"\r\n" + INNER,
    "a list of lengths": LINE + AUTH + b"Content-Length: 5, 5\r\n\r\nabcde",
    "a length with a sign": LINE + AUTH + b"Content-Length: +5\r\n\r\nabcde",
    "a length below zero": LINE + AUTH + b"Content-Length: -1\r\n\r\n",
    "a length in hex": LINE + AUTH + b"Content-Length: 0x5\r\n\r\nabcde",
    "a space before the colon": LINE + AUTH + b"Content-Length : 5\r\n\r\nabcde",
    "an obsolete fold": LINE + AUTH + b"Transfer-Encoding:\r\n chunked\r\n\r\n",
    "an unknown coding": LINE + AUTH + b"Transfer-Encoding: xchunked\r\n\r\n" + BODY,
    "chunked twice": LINE + AUTH + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked at first": LINE + AUTH + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a chunk size with a sign": LINE + AUTH + CHUNKED + b"\r\n-1\r\n\r\n",
    "a chunk size past 64 bits": LINE
    + AUTH
    + CHUNKED
    + b"\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "a bare line feed": LINE.replace(b"\r\n", b"\n") + AUTH + b"\r\n\r\n",
    "a bare carriage return": LINE + b"X: a\rContent-Length: 5\r\n" + AUTH + b"\r\n\r\n",
    "a NUL in a header": LINE + AUTH + b"X: a\x00b\r\n\r\n",
    "CRLF in the path": b"POST /anthropic/v1/messages\r\nX: y HTTP/1.1\r\nHost: x\r\n\r\n",
    "an encoded CRLF": b"POST /anthropic/v1/messages%0d%0aX:%20y" + REST,
    "an absolute address": b"POST http://evil.example/anthropic/v1/messages" + REST,
    "an absolute address of ours": b"POST http://gateway/anthropic/v1/messages" + REST,
    "a host in the path": b"POST @evil.example/anthropic/v1/messages" + REST,
    "a double slash": b"POST //evil.example/v1/messages" + REST,
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n" + AUTH + b"\r\n",
    "no version": b"GET /anthropic/v1/models\r\n\r\n",
    "a version of long ago": b"GET /anthropic/v1/models HTTP/0.9\r\n" + AUTH + b"\r\n",
    "a version to come": b"GET /anthropic/v1/models HTTP/2.0\r\nHost: x\r\n" + AUTH + b"\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n",
}

PATHS = [
    "/anthropic/v1/files",
    "/anthropic/v1/messages/",
    "/anthropic/v1/messages/batches",
    "/anthropic/v1//messages",
    "/anthropic/v1/./messages",
    "/anthropic/v1/x/../messages",
    "/anthropic/v1/..%2fmessages",
    "/anthropic/v1/%6dessages",
    "/anthropic/v1/messages%00",
    "/anthropic/v1/messages;a=b",
    "/anthropic/v1/messages\\..\\files",
    "/anthropic/v1/messages?redirect=http://169.254.169.254/",
    "/anthropic/v1/messages?key=a&url=b",
    "/Anthropic/v1/messages",
    "/openai/v1/files",
    "/openai/v1/batches",
    "/openai/v1/responses/resp_123",
    "/openai/v1/organization/admin_api_keys",
    "/openai/v1/../../admin",
    "/gemini/v1beta/models/../files:generateContent",
    "/gemini/v1beta/models/a%2fb:generateContent",
    "/gemini/v1beta/models/x:batchGenerateContent",
    "/gemini/v1beta/cachedContents",
    "/gemini/upload/v1beta/files",
    "/v1/messages",
    "/",
]


@pytest.mark.parametrize("name", CORPUS)
async def test_ambiguous_requests_never_reach_the_vendor(bench: Bench, name: str) -> None:
    data = CORPUS[name].replace(b"%TOKEN%", bench.token.encode())
    answer = await bench.raw(data, quiet_seconds=0.4)
    assert bench.vendor.arrived == []
    assert answer
    assert not answer.startswith(b"HTTP/1.1 2"), answer
    assert answer.count(b"HTTP/1.") <= 2
    said = in_json(answer)
    assert said["error"]["message"]
    assert said["error"].keys() & {"type", "status"}


def in_json(answer: bytes) -> Any:
    """The body of the first of the answers."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert lines[b"content-type"].startswith(b"application/json")
    return json.loads(rest[: int(lines[b"content-length"])])


async def test_what_is_no_http_is_told_so_in_a_form_that_clients_read(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    secret = b"sk-secret"
    line = b"POST /anthropic/v1/messages HTTP/1.1\r\nx-api-key : %b\r\n\r\n" % secret
    answer = await bench.raw(line)
    assert answer.split(b" ")[1] == b"400"
    said = in_json(answer)["error"]
    assert said["type"] == "invalid_request_error"
    assert said["message"].startswith("This is not HTTP as the gateway takes it: ")
    assert said["message"] in caplog.text
    assert secret not in answer + caplog.text.encode()
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize("path", PATHS)
async def test_only_listed_paths_pass(bench: Bench, path: str) -> None:
    data = INNER.replace(b"/anthropic/v1/messages", path.encode(), 1)
    data = data.replace(b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n", 1)
    answer = await bench.raw(data.replace(b"%TOKEN%", bench.token.encode()), quiet_seconds=2)
    assert answer.split(b" ")[1] in (b"400", b"404"), answer
    assert bench.vendor.arrived == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"])
async def test_only_listed_methods_pass(bench: Bench, method: str) -> None:
    data = INNER.replace(b"POST", method.encode(), 1).replace(
        b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n", 1
    )
    answer = await bench.raw(data.replace(b"%TOKEN%", bench.token.encode()), quiet_seconds=2)
    assert answer.split(b" ")[1] in (b"400", b"405"), answer
    assert bench.vendor.arrived == []


async def test_headers_that_a_hop_must_not_pass_on_stay_here(bench: Bench) -> None:
    bench.vendor.plays = [Play(anthropic_message(MODEL, anthropic_usage(1, 1)))]
    extra = (
        b"Connection: close, anthropic-beta\r\nTE: trailers\r\nProxy-Authorization: Basic eA==\r\n"
    )
    data = INNER.replace(b"Host: x\r\n", b"Host: evil.example\r\n" + extra, 1)
    answer = await bench.raw(data.replace(b"%TOKEN%", bench.token.encode()))
    assert answer.startswith(b"HTTP/1.1 200")
    (arrived,) = bench.vendor.arrived
    assert not arrived.headers.keys() & {"te", "proxy-authorization"}
    assert arrived.headers["host"] != "evil.example"


async def test_what_is_the_vendors_hop_or_the_accounts_stays_here_too(bench: Bench) -> None:
    hidden = {
        "set-cookie": "session=1",
        "anthropic-organization-id": "org-canary",
        "openai-organization": "org-canary",
        "proxy-authenticate": "Basic",
        "alt-svc": 'h3=":443"',
        "location": "http://169.254.169.254/",
        "keep-alive": "timeout=5",
        "x-named": "by connection",
    }
    shown = {"x-ratelimit-remaining-requests": "9", "request-id": "req_1"}
    named = {"connection": "keep-alive, x-named"}
    body = anthropic_message("claude-sonnet-4-6", anthropic_usage(1, 1))
    bench.vendor.plays = [Play(body, headers=JSON | hidden | shown | named)]
    async with bench.post(ANTHROPIC, BODY) as got:
        assert got.status == 200
        assert not got.headers.keys() & hidden.keys()
        assert {name: got.headers[name] for name in shown} == shown


async def test_two_requests_behind_each_other_are_two_at_the_vendor(bench: Bench) -> None:
    play = Play(anthropic_message(MODEL, anthropic_usage(1, 1)))
    bench.vendor.plays = [play, play]
    data = INNER + INNER.replace(b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n")
    answer = await bench.raw(data.replace(b"%TOKEN%", bench.token.encode()))
    assert answer.count(b"HTTP/1.1 200") == 2
    assert len(bench.vendor.arrived) == 2


async def test_a_websocket_is_told_to_use_http(bench: Bench) -> None:
    data = (
        b"GET /openai/v1/responses HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n"
    )
    assert (await bench.raw(data, quiet_seconds=2)).startswith(b"HTTP/1.1 426")


async def test_a_head_without_measure_is_refused(bench: Bench) -> None:
    answer = await bench.raw(b"GET / HTTP/1.1\r\nX: " + b"a" * (front.LONGEST_HEAD_BYTES + 1))
    assert _told(answer, 431)["code"] == "head_too_long"


async def test_the_gateway_says_that_it_is_well(bench: Bench) -> None:
    async with bench.session.get("http://gateway/health") as got:
        assert (got.status, await got.text()) == (200, "ok\n")


# --- the gate alone -------------------------------------------------------------------------------


class Greeting(asyncio.Protocol):
    """Says hello to whatever gets past the gate."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


async def _no_tunnel(_transport: asyncio.Transport, _head: bytes) -> None:
    raise AssertionError("a tunnel")


@asynccontextmanager
async def _guarded(gate: front.Gate, folder: Path) -> AsyncIterator[str]:
    """A socket behind a gate."""
    path = str(folder / "gate.sock")
    server = await asyncio.get_running_loop().create_unix_server(
        lambda: front.Front(gate, Greeting, _no_tunnel), path
    )
    async with server:
        yield path


def _told(answer: bytes, status: int) -> dict[str, Any]:
    """The error of an answer with this status and nothing behind it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert f"content-length: {len(body)}".encode() in head
    error = json.loads(body)["error"]
    assert isinstance(error, dict)
    return error


async def _answer(path: str, data: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    "head", [b"POST / HTTP/1.1\r\nHost: x\r\nX: ", b"\r\n\r\n", b"\r\n\r\n\r\n\r\nPOST / HT"]
)
async def test_a_head_that_never_ends_is_given_up(short_folder: Path, head: bytes) -> None:
    async with _guarded(front.Gate(head_seconds=0.2), short_folder) as path:
        answer = await asyncio.wait_for(_answer(path, head), HANGS_SECONDS)
    assert _told(answer, 408)["code"] == "too_slow"


async def test_whoever_is_refused_early_reads_it_in_the_words_of_the_api_that_was_asked(
    short_folder: Path,
) -> None:
    head = b"POST /anthropic/v1/messages HTTP/1.1\r\nHost: x\r\n"
    async with _guarded(front.Gate(head_seconds=0.2), short_folder) as path:
        answer = await asyncio.wait_for(_answer(path, head), HANGS_SECONDS)
    assert _told(answer, 408)["type"] == "timeout_error"


async def test_empty_lines_in_front_of_a_request_are_passed_over(short_folder: Path) -> None:
    async with _guarded(front.Gate(), short_folder) as path:
        assert await _answer(path, b"\r\n\r\nGET / HTTP/1.1\r\n\r\n") == b"hello"


async def test_more_connections_than_it_can_serve_are_told_so_and_the_rest_goes_on(
    short_folder: Path,
) -> None:
    gate = front.Gate(most=2)
    async with _guarded(gate, short_folder) as path:
        held = [await asyncio.open_unix_connection(path) for _ in range(2)]
        assert _told(await _answer(path, b""), 503)["code"] == "too_many_connections"
        for _, writer in held:
            writer.close()
        await happens(lambda: gate.open == 0, "the end of all connections")
        assert await _answer(path, b"GET / HTTP/1.1\r\n\r\n") == b"hello"
