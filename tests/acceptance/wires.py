"""Wires between an installation and its servers, which a test cuts, silences or mends.

Only the installation under test loses the server; whatever else uses it goes on.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

CHUNK_BYTES = 1 << 16
Address = Path | tuple[str, int]
"""A Unix socket's path, or a host and a port."""


class Wire:
    """Passes bytes on, both ways, between who connects to `address` and the server at `target`."""

    def __init__(self, address: Address, target: Address) -> None:
        self.address, self._target = address, target
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._speaks = threading.Event()
        self.back()

    def away(self) -> None:
        """The server is gone: new connections are refused, and those that are open cut."""
        with self._lock:
            listener, self._listener = self._listener, None
            cut = list(self._open)
        if listener is not None:
            if isinstance(self.address, Path):
                self.address.unlink()
            shut(listener)
            listener.close()
        self._speaks.set()
        for connection in cut:
            shut(connection)

    def silence(self) -> None:
        """The server cannot be reached: connections stay open, and nothing passes on them."""
        self._speaks.clear()

    def back(self) -> None:
        """The server is there again; no effect when it was not away or silent."""
        self._speaks.set()
        with self._lock:
            if self._listener is not None:
                return
            self._listener = _listening(self.address)
            if not isinstance(self.address, Path):
                self.address = self._listener.getsockname()
            in_thread(self._accept, self._listener)

    def relay(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on what either says until both have ended."""
        answering = in_thread(self.pass_on, server, client)
        self.pass_on(client, server)
        answering.join()

    def pass_on(self, source: socket.socket, target: socket.socket) -> None:
        """Until the source ends; the target is told, and the other direction with it."""
        with suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                self._speaks.wait()
                target.sendall(data)
        shut(target)
        shut(source)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            in_thread(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, _socket_for(self._target) as server:
            try:
                server.connect(_plain(self._target))
            except OSError:
                return
            pair = {client, server}
            with self._lock:
                self._open |= pair
            self.relay(client, server)
            with self._lock:
                self._open -= pair


class DockerSocket(Wire):
    """The engine's socket, so that Docker can go away from an installation and come back."""

    def __init__(self, path: Path, engine: Path = Path("/var/run/docker.sock")) -> None:
        super().__init__(path, engine)
        self._stops: list[str] = []
        self._let_go = threading.Event()
        self.stopped: list[str] = []
        """Calls that stand still now, and have not reached the engine."""

    def stop_before(self, *calls: str) -> None:
        """Stop a connection right before a call, once for each: a piece of its method and path."""
        self._let_go.clear()
        self._stops += calls

    def let_go(self) -> None:
        """Cut the connections that were stopped: their calls are never made."""
        self._let_go.set()
        self.stopped.clear()

    def pass_on(self, source: socket.socket, target: socket.socket) -> None:
        """As every wire, and stop before what is marked."""
        with suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                self._speaks.wait()
                if self._stops and (call := self._marked(data)):
                    self.stopped.append(call)
                    self._let_go.wait()
                    break
                target.sendall(data)
        shut(target)
        shut(source)

    def _marked(self, data: bytes) -> str:
        line = data.partition(b"\r\n")[0].decode("latin-1")
        with self._lock:
            for call in self._stops:
                method, _, piece = call.partition(" ")
                if line.startswith(method) and piece in line:
                    self._stops.remove(call)
                    return call
        return ""

    @property
    def url(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self.address}"


Moment = Literal["before", "after"]


class PostgresWire(Wire):
    """PostgreSQL's socket, with an eye on what transactions say.

    At the commit of a marked one a connection stops, or its answer is lost: the server has made
    the commit, and nobody is told.
    """

    def __init__(self, folder: Path, server: Path) -> None:
        super().__init__(folder / server.name, server)
        self._stops: list[tuple[Moment, str]] = []
        self._losses: list[str] = []
        self._let_go = threading.Event()
        self._goes_on = False
        self.stopped: list[tuple[Moment, str]] = []
        """Where connections stand still now."""
        self.lost: list[str] = []
        """Whose answers were lost."""

    def stop_at(self, *moments: tuple[Moment, str]) -> None:
        """Stop a connection right before or after the commit of a transaction that has the value.

        Each of them once: whoever comes first.
        """
        self._let_go.clear()
        self._stops += moments

    def let_go(self) -> None:
        """Cut the connections that were stopped; what had not been committed is rolled back."""
        self._goes_on = False
        self._let_go.set()
        self.stopped.clear()

    def go_on(self) -> None:
        """Let the connections that were stopped after a commit have their answer at last."""
        self._goes_on = True
        self._let_go.set()
        self.stopped.clear()

    def lose_answers_to(self, *words: str) -> None:
        """Cut a connection right after a commit, once for each word, without an answer."""
        self._losses += words

    def back(self) -> None:
        """Nothing is marked any more either."""
        self._stops, self._losses = [], []
        super().back()

    def relay(self, client: socket.socket, server: socket.socket) -> None:
        """As every wire, and stop at what is marked."""
        ending = _Ending()
        answering = in_thread(self._answer, server, client, ending)
        said = b""
        with suppress(OSError):
            while data := client.recv(CHUNK_BYTES):
                self._speaks.wait()
                said += data
                if b"COMMIT" in data or b'"request_id": ' in data:  # the ledger's need no COMMIT
                    ending.word, ending.moment = self._marked(said)
                if ending.moment == "before":
                    self._stand_still("before", ending.word)
                    break
                server.sendall(data)
                if b"COMMIT" in data or b"ROLLBACK" in data:
                    said = b""
        shut(server)
        shut(client)
        answering.join()

    def _answer(self, server: socket.socket, client: socket.socket, ending: _Ending) -> None:
        with suppress(OSError):
            while data := server.recv(CHUNK_BYTES):
                self._speaks.wait()
                if ending.moment == "after":
                    self._stand_still("after", ending.word)
                    ending.moment = None if self._goes_on else "after"
                elif ending.moment == "lost":
                    self.lost.append(ending.word)
                if ending.moment is not None:
                    break
                client.sendall(data)
        shut(client)
        shut(server)

    def _stand_still(self, moment: Moment, word: str) -> None:
        self.stopped.append((moment, word))
        self._let_go.wait()

    def _marked(self, said: bytes) -> tuple[str, Literal["before", "after", "lost"] | None]:
        with self._lock:
            for stop in self._stops:
                if _has(said, stop[1]):
                    self._stops.remove(stop)
                    return stop[1], stop[0]
            for word in self._losses:
                if _has(said, word):
                    self._losses.remove(word)
                    return word, "lost"
        return "", None


@dataclass
class _Ending:
    """How a connection will end, once that is decided."""

    word: str = ""
    moment: Literal["before", "after", "lost"] | None = None


def _has(said: bytes, word: str) -> bool:
    """Whether a statement was given the word as a value: its length stands before it then.

    That tells an event from a question that names its kind. Pieces of JSON are looked for anywhere.
    """
    text = word.encode()
    return (text if word.startswith('"') else struct.pack(">I", len(text)) + text) in said


def shut(connection: socket.socket) -> None:
    """End both directions; whoever reads there comes back."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def in_thread(work: object, *arguments: object) -> threading.Thread:
    """Start work that ends with its socket."""
    assert callable(work)
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def _listening(address: Address) -> socket.socket:
    listener = _socket_for(address)
    if isinstance(address, Path):
        address.parent.mkdir(parents=True, exist_ok=True)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(_plain(address))
    listener.listen(128)
    return listener


def _socket_for(address: Address) -> socket.socket:
    return socket.socket(socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET)


def _plain(address: Address) -> str | tuple[str, int]:
    return str(address) if isinstance(address, Path) else address
