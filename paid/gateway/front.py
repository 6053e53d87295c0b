"""The first bytes of a connection decide: a tunnel for the egress proxy, or HTTP for the relay.

They also have to come soon and to be short, which is what keeps slow clients from holding
connections open for nothing; how many there may be, and whose, is for the gate to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, cast

from paid.gateway.gate import Gate as Gate
from paid.gateway.vendors import error_body, vendor_of

LONGEST_HEAD_BYTES = 64 << 10
LONGEST_PATH_BYTES = 200
"""More than it takes to see whose API is asked."""

Tunnel = Callable[[asyncio.Transport, bytes], Coroutine[Any, Any, None]]
_TOO_SLOW = HTTPStatus.REQUEST_TIMEOUT, "The request's head comes too slowly.", "too_slow"
_TOO_LONG = (
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    f"The request's head is longer than {LONGEST_HEAD_BYTES} bytes.",
    "head_too_long",
)
_TOO_MANY = (
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The gateway has as many connections as it serves; close some, or try again soon.",
    "too_many_connections",
)


class Front(asyncio.Protocol):
    """Waits for a request's whole head, then hands what was read, and what follows, on."""

    def __init__(self, gate: Gate, http: Callable[[], asyncio.Protocol], tunnel: Tunnel) -> None:
        self._gate = gate
        self._http = http
        self._tunnel = tunnel
        self._head = bytearray()
        self._inner: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not of asyncio's classes, so this can only be said, not asked.
        self._transport = cast(asyncio.Transport, transport)
        if not self._gate.enter(self._transport):
            self._refuse(*_TOO_MANY)
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._gate.head_seconds, self._refuse, *_TOO_SLOW)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)
            return
        self._head += data
        if self._head.startswith((b"\r", b"\n")):
            # Empty lines in front are allowed, and must not count as a head.
            self._head = self._head.lstrip(b"\r\n")
        if b"\r\n\r\n" in self._head[-len(data) - 3 :]:
            self._hand_on()
        elif len(self._head) > LONGEST_HEAD_BYTES:
            self._refuse(*_TOO_LONG)

    def eof_received(self) -> bool | None:
        return None if self._inner is None else self._inner.eof_received()

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._gate.leave(self._transport)
        if self._timer is not None:
            self._timer.cancel()
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def _hand_on(self) -> None:
        assert self._transport is not None  # noqa: S101 - bytes came, so it is there
        if self._timer is None or self._transport.is_closing():
            return
        self._timer.cancel()
        first = bytes(self._head)
        self._head.clear()
        if first.startswith(b"CONNECT "):
            # From here on the tunnel is the connection's protocol, and its end is the tunnel's.
            self._transport.pause_reading()
            self._gate.dig(self._transport, self._tunnel(self._transport, first))
            return
        self._inner = self._http()
        self._inner.connection_made(self._transport)
        self._inner.data_received(first)

    def _refuse(self, status: HTTPStatus, message: str, code: str) -> None:
        assert self._transport is not None  # noqa: S101 - set before the timer
        if self._transport.is_closing():
            return
        body = error_body(_vendor(self._head), status, message, code)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        self._transport.close()


def _vendor(head: bytes | bytearray) -> str:
    """In whose words to answer, by the path, as far as it was read."""
    _, _, rest = bytes(head[:LONGEST_PATH_BYTES]).partition(b" ")
    return vendor_of(rest.partition(b" ")[0].decode("latin-1"))
