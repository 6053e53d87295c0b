"""A vendor that does what a test says: it records what arrives and plays what it is given."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream"}


@dataclass
class Arrived:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Play:
    """One answer: `cut_at` closes the connection after so many bytes of the body."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    cut_at: int | None = None
    pause: float = 0
    chunk: int = 1 << 20
    chunk_pause: float = 0
    hang: asyncio.Event | None = None
    drop: bool = False


Answer = Callable[[Arrived], Awaitable[Play] | Play]


class FakeVendor:
    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.coming: list[bytearray] = []
        """What came of each body so far, also of those that never were whole."""
        self.cut = 0
        """How many of them ended too early."""
        self.early: list[Play] = []
        """Answers that are given when a body's first bytes came."""
        self.plays: list[Play] = []
        self.default: Answer | None = None
        self.tail = b""
        """What follows a play's body after its `hang`."""
        self.url = ""
        self._runner: web.ServerRunner | None = None

    async def start(self) -> str:
        self._runner = web.ServerRunner(
            web.Server(self._answer, access_log=None), shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0]
        self.url = f"http://{host}:{port}"
        return self.url

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = bytearray()
        self.coming.append(body)
        while chunk := await self._next(request):
            body += chunk
            if self.early:
                return await self._send(request, self.early.pop(0))
        arrived = Arrived(
            request.method,
            request.raw_path,
            {name.lower(): value for name, value in request.headers.items()},
            bytes(body),
        )
        self.arrived.append(arrived)
        play = await self._choose(arrived)
        await asyncio.sleep(play.pause)
        if play.drop:
            request.transport.abort()  # type: ignore[union-attr]
            return web.Response()
        return await self._send(request, play)

    async def _next(self, request: web.BaseRequest) -> bytes:
        try:
            return await request.content.readany()
        except BaseException:
            self.cut += 1
            raise

    async def _choose(self, arrived: Arrived) -> Play:
        if self.plays:
            return self.plays.pop(0)
        if self.default is None:
            return Play()
        chosen = self.default(arrived)
        return chosen if isinstance(chosen, Play) else await chosen

    async def _send(self, request: web.BaseRequest, play: Play) -> web.StreamResponse:
        response = web.StreamResponse(status=play.status, headers=play.headers)
        if play.headers.get("content-type") != SSE["content-type"] and play.cut_at is None:
            response.content_length = len(play.body)
        await response.prepare(request)
        body = play.body if play.cut_at is None else play.body[: play.cut_at]
        for start in range(0, len(body), play.chunk):
            await response.write(body[start : start + play.chunk])
            await asyncio.sleep(play.chunk_pause)
        if play.hang is not None:
            await play.hang.wait()
            if self.tail:
                await response.write(self.tail)
        if play.cut_at is not None:
            await asyncio.sleep(0.01)
            request.transport.close()  # type: ignore[union-attr]
            return response
        await response.write_eof()
        return response


def event(data: dict[str, Any], name: str | None = None) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


def anthropic_usage(fresh: int, output: int, cached: int = 0, written: int = 0) -> dict[str, int]:
    return {
        "input_tokens": fresh,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": written,
        "output_tokens": output,
    }


def anthropic_message(model: str, usage: dict[str, int]) -> bytes:
    content = [{"type": "text", "text": "Hello."}]
    return json.dumps(
        {"type": "message", "id": "m", "model": model, "content": content, "usage": usage}
    ).encode()


def anthropic_stream(model: str, usage: dict[str, int], words: int = 3) -> bytes:
    start = usage | {"output_tokens": 1}
    message = {"type": "message", "id": "m", "model": model, "content": [], "usage": start}
    delta = {"type": "text_delta", "text": "word "}
    return (
        event({"type": "message_start", "message": message}, "message_start")
        + event({"type": "content_block_start", "index": 0, "content_block": {"type": "text"}})
        + b"".join(
            event({"type": "content_block_delta", "index": 0, "delta": delta}) for _ in range(words)
        )
        + event(
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"output_tokens": usage["output_tokens"]},
            },
            "message_delta",
        )
        + event({"type": "message_stop"}, "message_stop")
    )


def chat_usage(prompt: int, output: int, cached: int = 0) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def chat_stream(model: str, usage: dict[str, Any] | None, words: int = 3) -> bytes:
    head = {"id": "c", "object": "chat.completion.chunk", "model": model}
    chunk = event(head | {"choices": [{"index": 0, "delta": {"content": "word "}}]})
    end = event(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    counted = event(head | {"choices": [], "usage": usage}) if usage else b""
    return chunk * words + end + counted + b"data: [DONE]\n\n"


def responses_stream(model: str, prompt: int, output: int, cached: int = 0) -> bytes:
    response = {"id": "r", "object": "response", "model": model, "status": "in_progress"}
    usage = {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    done = response | {"status": "completed", "usage": usage}
    text = {"type": "response.output_text.delta", "delta": "word "}
    return (
        event({"type": "response.created", "response": response | {"usage": None}})
        + event(text) * 3
        + event({"type": "response.completed", "response": done})
    )


def gemini_stream(model: str, prompt: int, output: int) -> bytes:
    def part(done: bool, so_far: int) -> bytes:
        candidate: dict[str, Any] = {"content": {"parts": [{"text": "word "}]}, "index": 0}
        if done:
            candidate["finishReason"] = "STOP"
        usage = {"promptTokenCount": prompt, "candidatesTokenCount": so_far}
        return event({"candidates": [candidate], "usageMetadata": usage, "modelVersion": model})

    return part(False, 1) + part(True, output)
