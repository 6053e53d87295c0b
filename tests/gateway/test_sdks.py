"""The vendors' own SDKs through a gateway's process, and a vendor that writes its bytes by hand.

The stranger's view: nothing here is shared with the scripted model, and the vendor's server is a
socket, so that chunks fall where no library would put them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest
from google import genai
from google.genai import types

from paid.store import ledger
from paid.store.database import Database
from tests.gateway.conftest import gateway_settings
from tests.gateway.test_bills import (
    BEGUN,
    CHAT_CHUNKS,
    CHAT_COST,
    GEMINI_COST,
    GEMINI_PARTS,
    MESSAGES,
    OVERLOADED,
    STOP,
    delta,
    messages,
    responses,
    sse,
)
from tests.gateway.test_process import Process
from tests.waiting import happens

pytestmark = pytest.mark.anyio


class HandVendor:
    """Answers each request with the next bytes, cut into chunks of `step` and sent one by one."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.answers: list[bytes] = []
        self.url = ""

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        await reader.readexactly(int(lines.get(b"content-length", b"0")))
        self.heads.append(head)
        answer = self.answers.pop(0)
        for start in range(0, len(answer), 97):
            writer.write(answer[start : start + 97])
            await writer.drain()
            await asyncio.sleep(0.002)  # so that they arrive apart, as they do from far away
        writer.close()


def streamed(body: bytes, step: int = 11) -> bytes:
    """An answer in chunks with extensions and a trailer, as the standard has them."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    head += b"Transfer-Encoding: chunked\r\nTrailer: X-Took\r\nrequest-id: req_1\r\n\r\n"
    chunks = [body[start : start + step] for start in range(0, len(body), step)]
    parts = [b"%X;note=%d\r\n%s\r\n" % (len(c), n, c) for n, c in enumerate(chunks)]
    return head + b"".join(parts) + b"0\r\nX-Took: 5\r\n\r\n"


def refused(status: int, body: object, *headers: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in headers)
    text = json.dumps(body)
    head = f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\n{lines}"
    return f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode()


@pytest.fixture
async def hand_vendor() -> AsyncIterator[HandVendor]:
    vendor = HandVendor()
    server = await vendor.start()
    yield vendor
    server.close()


@pytest.fixture
async def gateway(
    short_folder: Path, database: Database, hand_vendor: HandVendor
) -> AsyncIterator[Process]:
    process = Process(gateway_settings(short_folder, database.url, hand_vendor.url), database)
    await process.start()
    yield process
    assert await process.stop() == 0


def over(gateway: Process, kind: Any = httpx) -> Any:
    """An HTTP client that reaches nothing but the gateway's socket."""
    socket = str(gateway.settings.gateway_socket_path)
    return kind.AsyncClient(transport=kind.AsyncHTTPTransport(uds=socket))


def claude(gateway: Process) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(
        api_key=gateway.token,
        base_url="http://gateway/anthropic",
        http_client=over(gateway, httpx2),
        max_retries=0,
    )


async def bill(gateway: Process, database: Database, requests: int = 1) -> int:
    """What the run was charged, once so many requests are settled and nothing is reserved."""

    def settled() -> bool:
        with database.session() as session:
            cost = ledger.run_cost(session, gateway.rows.run_id)
        return cost.requests == requests and cost.reserved_microdollars == 0

    await happens(settled, "the settlement")
    with database.session() as session:
        return ledger.run_cost(session, gateway.rows.run_id).spent_microdollars


async def test_anthropics_sdk_streams_thoughts_and_caches(
    gateway: Process, database: Database, hand_vendor: HandVendor
) -> None:
    hand_vendor.answers = [streamed(messages(delta("end_turn", output_tokens=350), STOP))]
    async with claude(gateway) as client, client.beta.messages.stream(
        model="claude-sonnet-4-6", max_tokens=1000, messages=MESSAGES,  # type: ignore[arg-type]
        betas=["interleaved-thinking-2025-05-14"],
    ) as stream:  # fmt: skip
        message = await stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert (message.usage.output_tokens, message.usage.cache_read_input_tokens) == (350, 10_000)
    assert b"anthropic-beta: interleaved-thinking-2025-05-14" in hand_vendor.heads[0].lower()
    assert await bill(gateway, database) == int(BEGUN + 350 * 15 + 0.5)


async def test_anthropics_sdk_tries_an_overloaded_vendor_again(
    gateway: Process, database: Database, hand_vendor: HandVendor
) -> None:
    whole = streamed(messages(delta("end_turn", output_tokens=350), STOP))
    hand_vendor.answers = [refused(529, OVERLOADED, "retry-after-ms: 5"), whole]
    async with claude(gateway) as client:  # fmt: skip
        with pytest.raises(anthropic.APIStatusError) as raised:
            await client.messages.create(
                model="claude-sonnet-4-6", max_tokens=1000, messages=MESSAGES,  # type: ignore[arg-type]
            )  # fmt: skip
    assert raised.value.status_code == 529
    assert raised.value.response.headers["retry-after-ms"] == "5"
    assert "Overloaded" in str(raised.value)
    assert await bill(gateway, database, requests=0) == 0


async def test_anthropics_sdk_hears_of_an_error_in_mid_stream(
    gateway: Process, database: Database, hand_vendor: HandVendor
) -> None:
    hand_vendor.answers = [streamed(messages(OVERLOADED))]
    async with claude(gateway) as client:  # fmt: skip
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
            async with client.messages.stream(
                model="claude-sonnet-4-6", max_tokens=1000, messages=MESSAGES,  # type: ignore[arg-type]
            ) as stream:  # fmt: skip
                await stream.get_final_message()
    assert BEGUN < await bill(gateway, database) < BEGUN + 1000 * 15


async def test_openais_sdk_streams_two_choices_with_comments_between(
    gateway: Process, database: Database, hand_vendor: HandVendor
) -> None:
    body = sse(*CHAT_CHUNKS, "data: [DONE]").replace(b"\n", b"\r\n")
    hand_vendor.answers = [streamed(body)]
    async with openai.AsyncOpenAI(
        api_key=gateway.token, base_url="http://gateway/openai/v1", http_client=over(gateway)
    ) as client:
        stream = await client.chat.completions.create(
            model="gpt-5.2", n=2, stream=True, messages=MESSAGES,  # type: ignore[arg-type]
            max_completion_tokens=1000,
        )  # fmt: skip
        chunks = [chunk async for chunk in stream]
    assert {choice.index for chunk in chunks for choice in chunk.choices} == {0, 1}
    assert chunks[-1].usage is not None
    assert await bill(gateway, database) == int(CHAT_COST + 0.5)


@pytest.mark.parametrize("end", ["completed", "incomplete", "failed"])
async def test_openais_sdk_hears_how_a_response_ended(
    gateway: Process, database: Database, hand_vendor: HandVendor, end: str
) -> None:
    hand_vendor.answers = [streamed(responses(end))]
    async with openai.AsyncOpenAI(
        api_key=gateway.token, base_url="http://gateway/openai/v1", http_client=over(gateway)
    ) as client:
        stream = await client.responses.create(
            model="gpt-5", input="Hi", stream=True, store=False, max_output_tokens=500,
            include=["reasoning.encrypted_content"],
        )  # fmt: skip
        events = [event.type async for event in stream]
    assert events[-1] == f"response.{end}"
    assert await bill(gateway, database) == 400 * 1.25 + 600 * 0.125 + 500


async def test_googles_sdk_streams_thoughts_and_a_cache(
    gateway: Process, database: Database, hand_vendor: HandVendor
) -> None:
    hand_vendor.answers = [streamed(sse(*GEMINI_PARTS))]
    async with over(gateway) as http:  # the SDK would take aiohttp, which knows no socket by name
        options = types.HttpOptions(base_url="http://gateway/gemini", httpx_async_client=http)
        client = genai.Client(api_key=gateway.token, http_options=options)
        stream = await client.aio.models.generate_content_stream(
            model="models/gemini-2.5-pro", contents="Hi"
        )
        parts = [part async for part in stream]
        await client.aio.aclose()
    usage = parts[-1].usage_metadata
    assert usage is not None
    assert (usage.thoughts_token_count, usage.cached_content_token_count) == (90, 400)
    assert await bill(gateway, database) == int(GEMINI_COST + 0.5)
