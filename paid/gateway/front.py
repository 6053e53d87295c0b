"""The first bytes of a connection decide: a tunnel for the egress proxy, or HTTP for the relay.

They also have to come soon and to be short, which is what keeps slow clients from holding
connections open for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

HEAD_SECONDS = 10.0
LONGEST_HEAD_BYTES = 64 << 10
MOST_CONNECTIONS = 4096

Tunnel = Callable[[asyncio.Transport, bytes], Coroutine[Any, Any, None]]
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)
_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Front(asyncio.Protocol):
    """Waits for a request's whole head, then hands the connection on with what was read."""

    connections = 0

    def __init__(self, http: Callable[[], asyncio.Protocol], tunnel: Tunnel) -> None:
        self._http = http
        self._tunnel = tunnel
        self._head = bytearray()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not of asyncio's classes, so this can only be said, not asked.
        self._transport = cast(asyncio.Transport, transport)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HEAD_SECONDS, self._refuse, _TOO_SLOW)

    def data_received(self, data: bytes) -> None:
        self._head += data
        if b"\r\n\r\n" in self._head[-len(data) - 3 :]:
            self._hand_on()
        elif len(self._head) > LONGEST_HEAD_BYTES:
            self._refuse(_TOO_LONG)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _hand_on(self) -> None:
        assert self._transport is not None  # noqa: S101 - bytes came, so it is there
        assert self._timer is not None  # noqa: S101
        self._timer.cancel()
        first = bytes(self._head)
        self._head.clear()
        if first.startswith(b"CONNECT "):
            self._transport.pause_reading()
            task = asyncio.get_running_loop().create_task(self._tunnel(self._transport, first))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        protocol = self._http()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(first)

    def _refuse(self, answer: bytes) -> None:
        assert self._transport is not None  # noqa: S101 - set before the timer
        if not self._transport.is_closing():
            self._transport.write(answer)
            self._transport.close()
