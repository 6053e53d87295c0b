"""A vendor for benchmarks: as little as speaks HTTP, so that what is in front of it is measured.

`python -m paid.bench.vendor` prints its port. A request's answer is 64 bytes of JSON with a usage,
or, for `"stream":true`, as many chunks as the `x-client-request-id` header says (`chunks,pause`).
`GET /seen` gives the SHA-256 of the last body.
"""

from __future__ import annotations

import asyncio
import hashlib
import json

import uvloop
from aiohttp import web

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
WHOLE = json.dumps(
    {"object": "chat.completion", "model": "gpt-5", "choices": [], "usage": USAGE}
).encode()
_HEAD = {"object": "chat.completion.chunk", "model": "gpt-5"}
CHUNK = (
    b"data: "
    + json.dumps(_HEAD | {"choices": [{"index": 0, "delta": {"content": "word "}}]}).encode()
    + b"\n\n"
)
END = (
    b"data: " + json.dumps(_HEAD | {"choices": [], "usage": USAGE}).encode() + b"\n\n"
    b"data: [DONE]\n\n"
)


class Vendor:
    """Answers, and remembers what the last body was."""

    def __init__(self) -> None:
        self._seen = ""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            return web.Response(text=self._seen)
        digest, is_stream = hashlib.sha256(), False
        async for body in request.content.iter_any():
            digest.update(body)
            is_stream = is_stream or b'"stream":true' in body
        self._seen = digest.hexdigest()
        if not is_stream:
            return web.Response(body=WHOLE, content_type="application/json")
        plan = request.headers.get("x-client-request-id", "100,0").split(",")
        return await self._stream(request, int(plan[0]), float(plan[1]))

    async def _stream(
        self, request: web.BaseRequest, chunks: int, pause: float
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for _ in range(chunks):
            await response.write(CHUNK)
            await asyncio.sleep(pause)
        await response.write(END)
        return response


async def _serve() -> None:
    server = web.Server(Vendor().answer, access_log=None)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(server, "127.0.0.1", 0, backlog=1024)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve())
