"""A socket in front of the engine's, so that Docker can go away from an installation and come back.

Only the installation under test loses it; whatever else uses the engine goes on.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

CHUNK_BYTES = 1 << 16


class DockerSocket:
    """Passes bytes on, both ways; `away` refuses new connections and cuts those that are open."""

    def __init__(self, path: Path, engine: str = "/var/run/docker.sock") -> None:
        self._path, self._engine = path, engine
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.back()

    @property
    def url(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self._path}"

    def away(self) -> None:
        """Docker is gone."""
        with self._lock:
            listener, self._listener = self._listener, None
            cut = list(self._open)
        if listener is not None:
            self._path.unlink()
            _shut(listener)
            listener.close()
        for connection in cut:
            _shut(connection)

    def back(self) -> None:
        """Docker is there again; no effect when it was not away."""
        with self._lock:
            if self._listener is not None:
                return
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(self._path))
            self._listener.listen(128)
            _in_thread(self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            _in_thread(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as engine:
            try:
                engine.connect(self._engine)
            except OSError:
                return
            pair = {client, engine}
            with self._lock:
                self._open |= pair
            answering = _in_thread(_pass_on, engine, client)
            _pass_on(client, engine)
            answering.join()
            with self._lock:
                self._open -= pair


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Until the source ends; the target is told, and the other direction with it."""
    try:
        while data := source.recv(CHUNK_BYTES):
            target.sendall(data)
    except OSError:
        pass
    _shut(target)
    _shut(source)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _in_thread(work: object, *arguments: object) -> threading.Thread:
    assert callable(work)
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread
