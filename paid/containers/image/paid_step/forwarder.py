"""Carries TCP on the container's loopback to the gateway's Unix socket.

One thread, one selector: threads would eat the container's process limit, and asyncio would cost
its import at each start. Each direction of a stream has one buffer of bounded size (back-pressure)
and ends on its own (half-close): a client that has sent all may still receive.
"""

from __future__ import annotations

import _thread
import selectors
import socket
from contextlib import suppress

ADDRESS = ("127.0.0.1", 8377)
GATEWAY = "/run/paid/gateway/gateway.sock"
CHUNK_BYTES = 64 * 1024
BACKLOG = 256
CONNECT_SECONDS = 5.0


class Pipe:
    """One direction of a stream: what was read from `source` and not yet written to `sink`."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
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
            with suppress(OSError):
                self.sink.shutdown(socket.SHUT_WR)

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

    def __init__(self, client: socket.socket, gateway: socket.socket) -> None:
        self.sockets = (client, gateway)
        self.pipes = (Pipe(client, gateway), Pipe(gateway, client))

    @property
    def done(self) -> bool:
        """Both directions have ended."""
        return all(pipe.done for pipe in self.pipes)

    def wishes(self, end: socket.socket) -> int:
        """The selector events that would let this stream go on at one of its two ends."""
        events = 0
        for pipe in self.pipes:
            if pipe.source is end and not pipe.waiting and not pipe.read_all:
                events |= selectors.EVENT_READ
            if pipe.sink is end and pipe.waiting:
                events |= selectors.EVENT_WRITE
        return events


class Forwarder:
    """Listens, and moves bytes until the process ends."""

    def __init__(self, address: tuple[str, int] = ADDRESS, gateway: str = GATEWAY) -> None:
        self._gateway = gateway
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(address, backlog=BACKLOG)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]

    def start(self) -> None:
        """Serve in a thread that ends with the process; `threading` would only cost its import."""
        _thread.start_new_thread(self.serve, ())

    def serve(self) -> None:
        """Serve for ever."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    self._accept()
                elif key.data.sockets[0].fileno() >= 0:
                    self._move(key.data)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        gateway = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        gateway.settimeout(CONNECT_SECONDS)
        try:
            gateway.connect(self._gateway)
        except OSError:
            client.close()
            gateway.close()
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = Stream(client, gateway)
        for end in stream.sockets:
            end.setblocking(False)
        self._watch(stream)

    def _move(self, stream: Stream) -> None:
        for pipe in stream.pipes:
            pipe.move()
        self._watch(stream)

    def _watch(self, stream: Stream) -> None:
        """Ask the selector for exactly what the stream waits for; close it when it is done."""
        for end in stream.sockets:
            events = 0 if stream.done else stream.wishes(end)
            known = end in self._selector.get_map()
            if known and events:
                self._selector.modify(end, events, stream)
            elif events:
                self._selector.register(end, events, stream)
            elif known:
                self._selector.unregister(end)
        if stream.done:
            for end in stream.sockets:
                end.close()
