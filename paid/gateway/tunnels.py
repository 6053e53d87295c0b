"""A tunnel's mechanics: its request, its refusal, its two directions, a proxy in between."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

IDLE_SECONDS = 300.0
CHUNK_BYTES = 1 << 16
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_HEAD = re.compile(rb"CONNECT ([^\x00-\x20\x7f/?#@]{1,261}):(\d{1,5}) HTTP/1\.[01]\r\n")
_AUTHORISATION = re.compile(
    rb"(?im)^proxy-authorization:[ \t]*basic[ \t]+([A-Za-z0-9+/=]+)[ \t]*\r$"
)


class RefusedTunnelError(Exception):
    """Raised when a tunnel is not opened; `status` is what the client is told."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class CapReachedError(Exception):
    """Raised to end both directions of a tunnel."""


async def pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[int], bool]
) -> None:
    """One direction, until its end or a long silence; `count` says whether more may pass.

    Raises CapReachedError, OSError and TimeoutError.
    """
    while True:
        async with asyncio.timeout(IDLE_SECONDS):
            chunk = await reader.read(CHUNK_BYTES)
        if not chunk:
            break
        if not count(len(chunk)):
            raise CapReachedError
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        with suppress(OSError):
            writer.write_eof()


def streams(transport: asyncio.Transport) -> Streams:
    """A connection that was begun otherwise, as a pair of streams."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=CHUNK_BYTES, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    transport.resume_reading()
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def target(head: bytes) -> tuple[str, int]:
    """Host, in lower case, and port of a CONNECT request. Raises RefusedTunnelError."""
    found = _HEAD.match(head)
    if found is None:
        raise RefusedTunnelError(400, "CONNECT wants HOST:PORT.")
    port = int(found[2])
    if port > 65535:
        raise RefusedTunnelError(400, "There is no such port.")
    return found[1].decode("ascii", "replace").lower(), port


def token(head: bytes) -> str | None:
    """The password of `Proxy-Authorization: Basic`; the user's name does not matter."""
    found = _AUTHORISATION.findall(head)
    if len(found) != 1:
        return None
    try:
        _, _, password = base64.b64decode(found[0], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password


def refusal(error: RefusedTunnelError) -> bytes:
    """The answer that says why not."""
    words = {400: "Bad Request", 403: "Forbidden", 407: "Proxy Authentication Required"}
    body = f"{error}\n".encode()
    challenge = "proxy-authenticate: Basic realm=paid\r\n" if error.status == 407 else ""
    return (
        f"HTTP/1.1 {error.status} {words.get(error.status, 'Refused')}\r\n{challenge}"
        f"content-type: text/plain\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    ).encode() + body


async def through(proxy: str, host: str, port: int) -> Streams:
    """A tunnel through this host's own proxy. Raises OSError when the proxy refuses."""
    place = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    reader, writer = await asyncio.open_connection(place.hostname, place.port or 80)
    head = f"CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n"
    if place.username is not None:
        pair = f"{place.username}:{place.password or ''}".encode()
        head += f"proxy-authorization: Basic {base64.b64encode(pair).decode()}\r\n"
    writer.write(head.encode() + b"\r\n")
    try:
        answer = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        writer.close()
        raise OSError("the proxy's answer makes no sense") from error
    if answer.split(b" ", 2)[1:2] != [b"200"]:
        writer.close()
        raise OSError("the proxy refuses")
    return reader, writer
