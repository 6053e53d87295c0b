"""The door to Docker: what calls are named, and blows that fall exactly between two of them."""

from __future__ import annotations

import http.client
import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from paid.chaos.docker_calls import Ambush, Call, DockerDoor, call_of
from paid.chaos.plan import Aim, Moment

NAMED = {
    "GET /v1.41/_ping HTTP/1.1": ("ping", 0),
    "POST /v1.41/containers/create?name=paid-run-12-agent-1-ab12cd34 HTTP/1.1": (
        "create agent",
        12,
    ),
    "GET /v1.41/containers/paid-run-12-verify-2-ab12cd34/json HTTP/1.1": ("inspect verify", 12),
    "POST /v1.41/containers/paid-run-3-collect-1-ab12cd34/start HTTP/1.1": ("start collect", 3),
    "GET /containers/paid-run-3-agent-1-ab/logs?follow=1 HTTP/1.1": ("logs agent", 3),
    "DELETE /v1.41/containers/paid-base-3f2a-ab12cd34?force=True HTTP/1.1": ("remove base", 0),
    "POST /v1.41/containers/paid-run-0-probe-77-ab12cd34/wait HTTP/1.1": ("wait probe", 0),
    "GET /v1.41/containers/json?all=1 HTTP/1.1": ("list containers", 0),
    "GET /v1.41/volumes?filters=x HTTP/1.1": ("list volumes", 0),
    "DELETE /v1.41/volumes/paid-run-9-verify-1-ab12cd34 HTTP/1.1": ("remove volume", 9),
    "DELETE /v1.41/volumes/paid-try-0a0b-ab12cd34 HTTP/1.1": ("remove try-volume", 0),
    "GET /v1.41/volumes/paid-run-9-ab12cd34 HTTP/1.1": ("inspect volume", 9),
    "GET /version HTTP/1.1": ("GET version", 0),
}


@pytest.mark.parametrize("line", NAMED)
def test_a_call_is_named_by_its_first_line(line: str) -> None:
    assert call_of(f"{line}\r\nHost: docker\r\n\r\n".encode(), 5) == Call(*NAMED[line], 5)


def test_a_volume_is_named_in_the_body_of_its_making() -> None:
    head = b"POST /v1.41/volumes/create HTTP/1.1\r\nContent-Length: 40\r\n\r\n"
    assert call_of(head + b'{"Name": "paid-run-4-ab"}', 5) == Call("create volume", 4, 5)
    assert call_of(head + b'{"Name": "paid-try-4-ab"}', 5) == Call("create try-volume", 0, 5)


class _Engine(BaseHTTPRequestHandler):
    """Answers every call, and notes it."""

    protocol_version = "HTTP/1.1"
    calls: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", "0")))
        self.calls.append(self.path)
        self.send_response(204)
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_DELETE = do_POST

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def address_string(self) -> str:
        """A Unix socket's client has no address."""
        return ""


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class _Client(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))

    def call(self, method: str, path: str) -> int:
        """The answer's status."""
        self.request(method, path)
        response = self.getresponse()
        response.read()
        return response.status


@contextmanager
def standing(folder: Path) -> Iterator[tuple[DockerDoor, list[str]]]:
    """A door in front of an engine that notes its calls."""
    calls: list[str] = []
    handler = type("Engine", (_Engine,), {"calls": calls})
    server = _UnixServer(str(folder / "engine"), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    door = DockerDoor(folder / "door", folder / "engine")
    door.open()
    try:
        yield door, calls
    finally:
        door.shut()
        server.shutdown()
        server.server_close()


def start(number: int) -> str:
    return f"/v1.41/containers/paid-run-{number}-verify-1-ab/start"


def test_calls_pass_on_one_connection_and_are_counted(tmp_path: Path) -> None:
    with standing(tmp_path) as (door, calls):
        client = _Client(tmp_path / "door")
        assert [client.call("POST", start(n)) for n in (1, 2)] == [204, 204]
        client.close()
        assert calls == [start(1), start(2)]
        assert door.calls == {"start verify": 2}


@pytest.mark.parametrize(("moment", "seen"), [("before", []), ("after", [start(1)])])
def test_a_blow_falls_before_or_after_the_call_and_the_caller_hears_nothing(
    tmp_path: Path, moment: Moment, seen: list[str]
) -> None:
    struck: list[tuple[Call, list[str]]] = []
    with standing(tmp_path) as (door, calls):
        aim = Aim("start verify", moment)
        door.lie_in_wait(
            Ambush(aim, lambda _: True, lambda call: struck.append((call, [*calls])), cuts=True)
        )
        client = _Client(tmp_path / "door")
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            client.call("POST", start(1))
        client.close()
        assert struck == [(Call("start verify", 1, os.getpid()), seen)]
        assert calls == seen


def test_a_blow_on_another_process_lets_the_call_through(tmp_path: Path) -> None:
    struck: list[Call] = []
    with standing(tmp_path) as (door, calls):
        aim = Aim("start verify", "before")
        door.lie_in_wait(Ambush(aim, lambda call: call.run_id == 2, struck.append, cuts=False))
        client = _Client(tmp_path / "door")
        assert [client.call("POST", start(n)) for n in (1, 2, 3)] == [204, 204, 204]
        client.close()
        assert [call.run_id for call in struck] == [2]
        assert len(calls) == 3


def test_blows_wait_side_by_side_and_one_that_left_falls_no_more(tmp_path: Path) -> None:
    struck: list[str] = []
    with standing(tmp_path) as (door, _):
        first, second, third = (
            Ambush(
                Aim("start verify", moment),
                lambda _: True,
                lambda _, name=name: struck.append(name),  # type: ignore[misc]
                cuts=False,
            )
            for name, moment in (("1", "before"), ("2", "after"), ("3", "before"))
        )
        for ambush in (first, second, third):
            door.lie_in_wait(ambush)
        assert door.leave(first)
        with closing(_Client(tmp_path / "door")) as client:
            assert client.call("POST", start(1)) == 204
            assert client.call("POST", start(1)) == 204
        assert struck == ["3", "2"]
        assert not door.leave(third)


def test_a_door_that_is_shut_refuses_and_cuts_until_it_is_opened(tmp_path: Path) -> None:
    with standing(tmp_path) as (door, _):
        with closing(_Client(tmp_path / "door")) as client:
            assert client.call("POST", start(1)) == 204
            door.shut()
            with pytest.raises((OSError, http.client.HTTPException)):
                client.call("POST", start(2))
        with closing(_Client(tmp_path / "door")) as client, pytest.raises(OSError, match="No such"):
            client.call("POST", start(2))
        door.open()
        with closing(_Client(tmp_path / "door")) as client:
            assert client.call("POST", start(3)) == 204
