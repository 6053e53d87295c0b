"""Carries TCP on the container's loopback to the gateway's Unix socket.

One thread, one epoll: threads would eat the container's process limit, and asyncio, `selectors` and
`socket` would cost their import at each start. Each direction of a stream has one buffer of bounded
size (back-pressure) and ends on its own (half-close): a client that has sent all may still receive.
"""

from __future__ import annotations

import _socket
import _thread
import select

ADDRESS = ("127.0.0.1", 8377)
GATEWAY = "/run/paid/gateway/gateway.sock"
CHUNK_BYTES = 64 * 1024
BACKLOG = 256
CONNECT_SECONDS = 5.0


class Pipe:
    """One direction of a stream: what was read from `source` and not yet written to `sink`."""

    def __init__(self, source: _socket.socket, sink: _socket.socket) -> None:
        self.source = source
        self.sink = sink
        self.waiting = memoryview(b"")
        self.read_all = False
        self.done = False

    def move(self) -> None:
        """Read if there is room, write what is there, pass the end on."""
        if not self.waiting and not self.read_all:
            self._read()
        if self.waiting:
            self._write()
        if self.read_all and not self.waiting and not self.done:
            self.done = True
            try:
                self.sink.shutdown(_socket.SHUT_WR)
            except OSError:
                return

    def _read(self) -> None:
        try:
            data = self.source.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.waiting = memoryview(data)
        self.read_all = not data

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
    """A client's connection and its counterpart at the gateway."""

    def __init__(self, client: _socket.socket, gateway: _socket.socket) -> None:
        self.sockets = (client, gateway)
        self.pipes = (Pipe(client, gateway), Pipe(gateway, client))

    @property
    def done(self) -> bool:
        """Both directions have ended."""
        return all(pipe.done for pipe in self.pipes)

    def wishes(self, end: _socket.socket) -> int:
        """The epoll events that would let this stream go on at one of its two ends."""
        events = 0
        for pipe in self.pipes:
            if pipe.source is end and not pipe.waiting and not pipe.read_all:
                events |= select.EPOLLIN
            if pipe.sink is end and pipe.waiting:
                events |= select.EPOLLOUT
        return events


class Forwarder:
    """Listens, and moves bytes until the process ends."""

    def __init__(self, address: tuple[str, int] = ADDRESS, gateway: str = GATEWAY) -> None:
        self._gateway = gateway
        self._epoll = select.epoll()
        self._listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self._listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        self._listener.bind(address)
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self._streams: dict[int, Stream] = {}
        self.address: tuple[str, int] = self._listener.getsockname()[:2]

    def start(self) -> None:
        """Serve in a thread that ends with the process; `threading` would only cost its import."""
        _thread.start_new_thread(self.serve, ())

    def serve(self) -> None:
        """Serve for ever."""
        while True:
            for descriptor, _ in self._epoll.poll():
                if descriptor == self._listener.fileno():
                    self._accept()
                elif descriptor in self._streams:  # else closed with its other end in this round
                    self._move(self._streams[descriptor])

    def _accept(self) -> None:
        try:
            descriptor, _ = self._listener._accept()  # type: ignore[attr-defined]
        except OSError:
            return
        client = _socket.socket(fileno=descriptor)
        gateway = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        gateway.settimeout(CONNECT_SECONDS)
        try:
            gateway.connect(self._gateway)
        except OSError:
            client.close()
            gateway.close()
            return
        client.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        stream = Stream(client, gateway)
        for end in stream.sockets:
            end.setblocking(False)
        self._watch(stream)

    def _move(self, stream: Stream) -> None:
        for pipe in stream.pipes:
            pipe.move()
        self._watch(stream)

    def _watch(self, stream: Stream) -> None:
        """Ask for exactly what the stream waits for; close it when it is done."""
        for end in stream.sockets:
            events = 0 if stream.done else stream.wishes(end)
            self._ask(end.fileno(), events, stream)
        if stream.done:
            for end in stream.sockets:
                end.close()

    def _ask(self, descriptor: int, events: int, stream: Stream) -> None:
        """Nothing asked for is nothing registered: epoll tells of a hang-up all the same."""
        known = descriptor in self._streams
        if events:
            change = self._epoll.modify if known else self._epoll.register
            change(descriptor, events)
            self._streams[descriptor] = stream
        elif known:
            self._epoll.unregister(descriptor)
            del self._streams[descriptor]
