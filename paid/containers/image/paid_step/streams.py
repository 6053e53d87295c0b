"""One connection of a client in the container, and its counterpart at the gateway.

Each direction has one buffer of bounded size (back-pressure) and ends on its own (half-close): a
client that has sent all may still receive.
"""

from __future__ import annotations

import _socket
import select

CHUNK_BYTES = 64 * 1024
MOST_KEPT_BYTES = 4 * 1024 * 1024
"""Of one request, so that it can be sent again to a gateway that takes a dead one's place."""
_METHODS = (b"POST ", b"GET ", b"PUT ", b"PATCH ", b"DELETE ", b"HEAD ", b"OPTIONS ")


class Pipe:
    """One direction of a stream: what was read from `source` and not yet written to `sink`."""

    def __init__(
        self, source: _socket.socket, sink: _socket.socket, waiting: bytes | bytearray = b""
    ) -> None:
        self.source = source
        self.sink = sink
        self.waiting = memoryview(bytes(waiting))
        self.read_all = False
        self.done = False

    def fill(self) -> bytes:
        """Read if there is room; what was read."""
        if self.waiting or self.read_all:
            return b""
        try:
            data = self.source.recv(CHUNK_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        self.waiting = memoryview(data)
        self.read_all = not data
        return data

    def drain(self) -> None:
        """Write what is there, and pass the end on."""
        if self.waiting:
            self._write()
        if self.read_all and not self.waiting and not self.done:
            self.done = True
            try:
                self.sink.shutdown(_socket.SHUT_WR)
            except OSError:
                return

    def _write(self) -> None:
        try:
            self.waiting = self.waiting[self.sink.send(self.waiting) :]
        except BlockingIOError:
            return
        except OSError:
            # Nobody reads any more: what is left has no reader, and the source is not read on.
            self.waiting = memoryview(b"")
            self.read_all = True


class Stream:
    """A client's connection, which waits for a gateway (`is_held`) or has one.

    What the client has sent since the last answer is kept: when the gateway dies before it
    answers, the next one is asked. The client would do so itself, as often as it has patience.
    """

    def __init__(self, client: _socket.socket) -> None:
        self.client = client
        self.gateway: _socket.socket | None = None
        self.pipes: tuple[Pipe, ...] = ()
        self.kept: bytearray | None = bytearray()
        self.answered = False
        self.held_since = 0.0
        self.in_doubt = False
        """The gateway hung up without a word: it died, or it meant to."""

    @property
    def is_held(self) -> bool:
        """There is no gateway for it at present."""
        return self.gateway is None

    @property
    def sockets(self) -> tuple[_socket.socket, ...]:
        return (self.client,) if self.gateway is None else (self.client, self.gateway)

    @property
    def done(self) -> bool:
        """Both directions have ended."""
        return bool(self.pipes) and all(pipe.done for pipe in self.pipes)

    def join(self, gateway: _socket.socket) -> None:
        """Go on with this gateway, from the beginning of the request that has no answer yet."""
        self.gateway = gateway
        self.pipes = (Pipe(self.client, gateway, self.kept or b""), Pipe(gateway, self.client))

    def move(self) -> bool:
        """Move what can be moved; False when the gateway is gone and another may be asked."""
        upwards, downwards = self.pipes
        self._keep(upwards.fill())
        if downwards.fill():
            self.answered, self.kept = True, None
        if downwards.read_all and not self.answered and self.kept is not None:
            return False
        for pipe in self.pipes:
            pipe.drain()
        return True

    def part(self) -> None:
        """Let go of the gateway."""
        if self.gateway is not None:
            self.gateway.close()
        self.gateway, self.pipes = None, ()

    def wishes(self, end: _socket.socket) -> int:
        """The epoll events that would let this stream go on at one of its ends.

        Of a client that is held, only that it hangs up: a request that nobody waits for any more
        would cost money.
        """
        if self.is_held:
            return select.EPOLLRDHUP
        events = 0
        for pipe in self.pipes:
            if pipe.source is end and not pipe.waiting and not pipe.read_all:
                events |= select.EPOLLIN
            if pipe.sink is end and pipe.waiting:
                events |= select.EPOLLOUT
        return events

    def _keep(self, data: bytes) -> None:
        """Remember what may have to be sent again; a request behind an answer begins anew."""
        if self.answered and data.startswith(_METHODS):
            self.answered, self.kept = False, bytearray()
        if self.kept is not None and data:
            self.kept += data
            if len(self.kept) > MOST_KEPT_BYTES:
                self.kept = None
