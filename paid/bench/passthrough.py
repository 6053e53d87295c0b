"""The least that a model proxy can be: uvicorn in front, an aiohttp client behind, nothing between.

`python -m paid.bench.passthrough PORT_OF_VENDOR` prints its own port.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp
import uvicorn
import uvloop

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def application(vendor_port: int) -> Any:
    """An ASGI application that passes everything on."""
    session: list[aiohttp.ClientSession] = []

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if not session:
            connector = aiohttp.TCPConnector(limit=0)
            session.append(aiohttp.ClientSession(connector=connector, auto_decompress=False))
        headers = {
            name.decode(): value.decode()
            for name, value in scope["headers"]
            if name not in (b"host", b"content-length", b"connection")
        }
        url = f"http://127.0.0.1:{vendor_port}{scope['path']}"
        body = b"".join([part async for part in _body(receive)])
        async with session[0].post(url, data=body, headers=headers) as answer:
            kept = [
                (name.encode().lower(), value.encode())
                for name, value in answer.headers.items()
                if name.lower() != "transfer-encoding"
            ]
            await send({"type": "http.response.start", "status": answer.status, "headers": kept})
            async for chunk in answer.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    return app


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


def main() -> None:
    """Serve on a port of the system's choice."""
    # Named as TCP, or asyncio leaves Nagle's algorithm on and every answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(
        application(int(sys.argv[1])), log_level="error", access_log=False, lifespan="off"
    )
    uvloop.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
