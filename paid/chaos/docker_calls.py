"""A door in front of Docker's socket, at which a blow can wait for one call of one process.

Paid talks to Docker through it (DOCKER_HOST). Each call gets a name, such as "create verify"; a
blow that waits for that name falls before Docker gets the call, or after Docker has done it and
before anybody hears so: exactly between two calls. The door can also be shut, as an engine that
restarts shuts it.
"""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from paid.chaos.plan import Aim, Moment

ENGINE = Path("/var/run/docker.sock")
CHUNK_BYTES = 1 << 16
LONGEST_HEAD_BYTES = 1 << 16
_STEP = re.compile(r"^paid-(?:run-(?P<run>\d+)-)?(?P<kind>agent|verify|collect|probe|base)-")
_VERBS = {("GET", "json"): "inspect", ("DELETE", ""): "remove"}


@dataclass(frozen=True)
class Call:
    """A call to Docker: its name, the run that it is for (0: none), and who makes it."""

    name: str
    run_id: int
    pid: int


@dataclass(frozen=True)
class Ambush:
    """A blow that waits for a call. `cuts`: the caller is dead then, and the call goes no further.

    `strike` returns once the blow has fallen; `wanted` says whose calls count.
    """

    aim: Aim
    wanted: Callable[[Call], bool]
    strike: Callable[[Call], None]
    cuts: bool


class DockerDoor:
    """Listens at `path`, and passes every call on to the engine."""

    def __init__(self, path: Path, engine: Path = ENGINE) -> None:
        self._path, self._engine = path, engine
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._ambushes: list[Ambush] = []
        self.calls: dict[str, int] = {}
        """How often each call was made, by name."""

    @property
    def url(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self._path}"

    def open(self) -> None:
        """Listen; no effect when it does."""
        with self._lock:
            if self._listener is not None:
                return
            self._path.unlink(missing_ok=True)
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(self._path))
            self._listener.listen(128)
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Refuse new connections and cut those that are open."""
        with self._lock:
            listener, self._listener = self._listener, None
            cut, self._open = list(self._open), set()
        if listener is not None:
            self._path.unlink(missing_ok=True)
            _end(listener)
            listener.close()
        for connection in cut:
            _end(connection)

    def lie_in_wait(self, ambush: Ambush) -> None:
        """Let a blow wait for its call, once, beside those that wait already."""
        with self._lock:
            self._ambushes.append(ambush)

    def waits(self, ambush: Ambush) -> bool:
        """Whether its call has not come yet."""
        with self._lock:
            return ambush in self._ambushes

    def leave(self, ambush: Ambush) -> bool:
        """Let it wait no more; False when its call has come."""
        with self._lock:
            if ambush not in self._ambushes:
                return False
            self._ambushes.remove(ambush)
            return True

    def meet(self, call: Call, moment: Moment) -> Ambush | None:
        """The blow that waits for this moment of this call; it waits no more."""
        with self._lock:
            for ambush in self._ambushes:
                if ambush.aim == Aim(call.name, moment) and ambush.wanted(call):
                    self._ambushes.remove(ambush)
                    return ambush
            return None

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as engine, suppress(OSError):
            engine.connect(str(self._engine))
            with self._lock:
                self._open |= {client, engine}
            try:
                _Connection(self, client, engine).serve()
            finally:
                with self._lock:
                    self._open -= {client, engine}

    def count(self, call: Call) -> None:
        """Note that a call was made."""
        with self._lock:
            self.calls[call.name] = self.calls.get(call.name, 0) + 1


class _Connection:
    """One client's connection. The SDK sends a request only after the answer to the one before."""

    def __init__(self, door: DockerDoor, client: socket.socket, engine: socket.socket) -> None:
        self._door, self._client, self._engine = door, client, engine
        self._pid = _peer(client)
        self._asked: Call | None = None
        """The call that the engine has not begun to answer."""

    def serve(self) -> None:
        """Pass on what either says until one has ended."""
        while True:
            readable, _, _ = select.select([self._client, self._engine], [], [])
            for source in readable:
                data = source.recv(CHUNK_BYTES)
                passes = self._from_client if source is self._client else self._from_engine
                if not data or not passes(data):
                    return

    def _from_client(self, data: bytes) -> bool:
        if self._asked is None:
            data = self._whole(data)
            call = call_of(data, self._pid)
            self._door.count(call)
            if self._struck(call, "before"):
                return False
            self._asked = call
        self._engine.sendall(data)
        return True

    def _from_engine(self, data: bytes) -> bool:
        call, self._asked = self._asked, None
        if call is not None and self._struck(call, "after"):
            return False
        self._client.sendall(data)
        return True

    def _struck(self, call: Call, moment: Moment) -> bool:
        """Let a blow fall that waits for this; whether the connection ends with it."""
        ambush = self._door.meet(call, moment)
        if ambush is None:
            return False
        ambush.strike(call)
        return ambush.cuts

    def _whole(self, data: bytes) -> bytes:
        """The request's head, and the short body that names a volume, read to their ends."""
        while b"\r\n\r\n" not in data and len(data) < LONGEST_HEAD_BYTES:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        if b"/volumes/create" in head.partition(b"\r\n")[0]:
            found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            while found and len(body) < int(found[1]):
                more = self._more()
                body, data = body + more, data + more
        return data

    def _more(self) -> bytes:
        data = self._client.recv(CHUNK_BYTES)
        if not data:
            raise ConnectionError("The client left in the middle of a request.")
        return data


def call_of(request: bytes, pid: int) -> Call:
    """Name a request by its first line, and by its body where that alone names the volume."""
    head, _, body = request.partition(b"\r\n\r\n")
    method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
    url = urlsplit(rest.rpartition(" ")[0])
    path = re.sub(r"^/v[\d.]+", "", url.path).strip("/").split("/")
    room = path[0]
    if room == "volumes":
        return Call(*_volume_call(method, path[1:], body), pid)
    if room != "containers":
        return Call({"_ping": "ping"}.get(room, f"{method} {room}"), 0, pid)
    if path[1:] == ["json"]:
        return Call("list containers", 0, pid)
    creates = path[1:] == ["create"]
    name = parse_qs(url.query).get("name", [""])[0] if creates else path[1]
    action = path[2] if len(path) > 2 else ""
    verb = "create" if creates else _VERBS.get((method, action), action)
    found = _STEP.match(name)
    subject, run = (found["kind"], int(found["run"] or 0)) if found else ("container", 0)
    return Call(f"{verb} {subject}", run, pid)


def _volume_call(method: str, path: list[str], body: bytes) -> tuple[str, int]:
    if not path:
        return "list volumes", 0
    name = path[0]
    if name == "create":
        with suppress(ValueError):
            name = str(json.loads(body).get("Name", ""))
    verb = {"POST": "create", "GET": "inspect", "DELETE": "remove"}.get(method, method)
    run = re.match(r"paid-run-(\d+)-", name)
    subject = "try-volume" if name.startswith("paid-try-") else "volume"
    return f"{verb} {subject}", int(run[1]) if run else 0


def _peer(connection: socket.socket) -> int:
    """The process at the other end of a Unix socket."""
    size = struct.calcsize("3i")
    pid: int = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )[0]
    return pid


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
