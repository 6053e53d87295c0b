"""Carries TCP on the container's loopback to the gateway's Unix socket.

One thread, one epoll: threads would eat the container's process limit, and asyncio, `selectors` and
`socket` would cost their import at each start.

While no gateway listens, because it is being started again, connections are held and not closed:
agents give up after a few tries. A gateway that is frozen needs nothing: it has the connection.
"""

from __future__ import annotations

import _socket
import _thread
import select
import time

from .streams import Stream

TYPE_CHECKING = False  # as `typing` has it, which is not loaded
if TYPE_CHECKING:
    from .reports import Reporter

ADDRESS = ("127.0.0.1", 8377)
GATEWAY = "/run/paid/gateway/gateway.sock"
BACKLOG = 256
HOLD_SECONDS = 3600.0
"""Longer than any turn, whose own limit comes first."""
AGAIN_SECONDS = 0.2
TOLD_AFTER_SECONDS = 2.0
"""A gateway that was killed is back sooner on a quick machine, and nobody needs to hear of it."""
_HANGS_UP = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


class Forwarder:
    """Listens, and moves bytes until the process ends.

    `hold_seconds` is how long a connection waits for a gateway; `reporter` is told when one has
    to wait for more than a moment (`waiting`), and when the gateway is back (`waited`).
    """

    def __init__(
        self,
        address: tuple[str, int] = ADDRESS,
        gateway: str = GATEWAY,
        *,
        hold_seconds: float = HOLD_SECONDS,
        reporter: Reporter | None = None,
    ) -> None:
        self._gateway = gateway
        self._hold_seconds = hold_seconds
        self._reporter = reporter
        self._told_at: float | None = None
        self._epoll = select.epoll()
        self._listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self._listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        self._listener.bind(address)
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self._streams: dict[int, Stream] = {}
        self._held: list[Stream] = []
        self.address: tuple[str, int] = self._listener.getsockname()[:2]

    def start(self) -> None:
        """Serve in a thread that ends with the process; `threading` would only cost its import."""
        _thread.start_new_thread(self.serve, ())

    def serve(self) -> None:
        """Serve for ever; an idle forwarder sleeps until somebody comes."""
        again_at = 0.0
        while True:
            for descriptor, events in self._epoll.poll(AGAIN_SECONDS if self._held else -1):
                if descriptor == self._listener.fileno():
                    self._accept()
                elif descriptor in self._streams:  # else closed with its other end in this round
                    self._move(self._streams[descriptor], events)
            if self._held and time.monotonic() >= again_at:
                self._look_after_held()
                again_at = time.monotonic() + AGAIN_SECONDS

    def _accept(self) -> None:
        try:
            descriptor, _ = self._listener._accept()  # type: ignore[attr-defined]
        except OSError:
            return
        client = _socket.socket(fileno=descriptor)
        client.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        client.setblocking(False)
        stream = Stream(client)
        if not self._join(stream):
            self._hold(stream)
        self._watch(stream)

    def _join(self, stream: Stream) -> bool:
        """Connect the stream to the gateway; False when none listens, or too many wait for it."""
        gateway = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        gateway.setblocking(False)
        try:
            gateway.connect(self._gateway)
        except OSError:
            gateway.close()
            return False
        stream.join(gateway)
        self._tell_that_it_is_back()
        return True

    def _hold(self, stream: Stream) -> None:
        stream.held_since = time.monotonic()
        self._held.append(stream)

    def _move(self, stream: Stream, events: int) -> None:
        if stream.is_held:
            if events & _HANGS_UP:
                self._held.remove(stream)
                self._close(stream)
        elif stream.move():
            self._watch(stream)
        else:
            self._forget_gateway(stream)

    def _forget_gateway(self, stream: Stream) -> None:
        """Hold a stream whose gateway hung up without a word, until it is known whether it died."""
        assert stream.gateway is not None  # noqa: S101 - it has just been read from
        self._ask(stream.gateway.fileno(), 0, stream)
        stream.part()
        stream.in_doubt = True
        self._hold(stream)
        self._watch(stream)

    def _look_after_held(self) -> None:
        """Join held streams to the gateway, if it is there; give up those that waited too long."""
        now, held = time.monotonic(), self._held
        self._held, is_gone = [], False
        for stream in held:
            if stream.in_doubt and now - stream.held_since < AGAIN_SECONDS:
                self._held.append(stream)
            elif not is_gone and self._join(stream):
                # One that lives meant to hang up; its client shall see that.
                self._close(stream) if stream.in_doubt else self._watch(stream)
            elif now - stream.held_since > self._hold_seconds:
                self._close(stream)
            else:
                is_gone = True  # for the others, too: they are not tried in this round
                stream.in_doubt = False
                self._held.append(stream)
        self._tell_of_a_wait(now)

    def _tell_of_a_wait(self, now: float) -> None:
        """Report a wait that is no short one."""
        waits = [now - stream.held_since for stream in self._held if not stream.in_doubt]
        if self._told_at is None and waits and max(waits) >= TOLD_AFTER_SECONDS:
            self._told_at = now - max(waits)
            if self._reporter is not None:
                self._reporter.send("waiting", on="gateway", reason="nobody listens")

    def _tell_that_it_is_back(self) -> None:
        if self._told_at is not None:
            seconds = round(time.monotonic() - self._told_at, 1)
            self._told_at = None
            if self._reporter is not None:
                self._reporter.send("waited", on="gateway", seconds=seconds)

    def _watch(self, stream: Stream) -> None:
        """Ask for exactly what the stream waits for; close it when it is done."""
        if stream.done:
            self._close(stream)
            return
        for end in stream.sockets:
            self._ask(end.fileno(), stream.wishes(end), stream)

    def _close(self, stream: Stream) -> None:
        for end in stream.sockets:
            self._ask(end.fileno(), 0, stream)
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
