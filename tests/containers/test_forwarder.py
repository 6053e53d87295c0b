"""The way from a container's loopback to the gateway's socket."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paid.containers.image.paid_step.forwarder import Forwarder
from tests.waiting import wait_until

Serve = Callable[[socket.socket], None]


class Gateway:
    """A Unix socket that treats each connection as told."""

    def __init__(self, path: Path, serve: Serve) -> None:
        self._serve = serve
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(128)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._server.accept()
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        with client:
            self._serve(client)


def read_all(end: socket.socket) -> bytes:
    parts = []
    while data := end.recv(65536):
        parts.append(data)
    return b"".join(parts)


def echo_after_the_end(client: socket.socket) -> None:
    """Answer only when the other side has sent all: needs a half-close."""
    client.sendall(read_all(client))


@pytest.fixture
def forward(tmp_path: Path) -> Iterator[Callable[[Serve], tuple[str, int]]]:
    def make(serve: Serve) -> tuple[str, int]:
        path = tmp_path / "g.sock"
        Gateway(path, serve)
        forwarder = Forwarder(("127.0.0.1", 0), str(path))
        forwarder.start()
        return forwarder.address

    return make


def exchange(address: tuple[str, int], data: bytes) -> bytes:
    with socket.create_connection(address) as client:
        client.settimeout(60)
        sender = threading.Thread(target=send_and_end, args=(client, data))
        sender.start()
        answer = read_all(client)
        sender.join()
        return answer


def send_and_end(client: socket.socket, data: bytes) -> None:
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)


def test_a_half_closed_stream_still_gets_its_answer(
    forward: Callable[[Serve], tuple[str, int]],
) -> None:
    data = os.urandom(3_000_000)
    assert exchange(forward(echo_after_the_end), data) == data


def test_fifty_streams_at_once_arrive_whole(forward: Callable[[Serve], tuple[str, int]]) -> None:
    address = forward(echo_after_the_end)
    wrong: list[int] = []

    def one(number: int) -> None:
        data = hashlib.sha256(str(number).encode()).digest() * 6000
        if exchange(address, data) != data:
            wrong.append(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_reader_that_does_not_read_holds_the_writer_back(
    forward: Callable[[Serve], tuple[str, int]],
) -> None:
    sent = [0]

    def pour(client: socket.socket) -> None:
        client.settimeout(1.5)
        try:
            while True:
                sent[0] += client.send(b"x" * 65536)
        except OSError:
            return

    with socket.create_connection(forward(pour)) as client:
        client.settimeout(60)
        time.sleep(2)
        assert sent[0] < 20_000_000


def test_a_client_that_breaks_off_ends_the_gateways_side(
    forward: Callable[[Serve], tuple[str, int]],
) -> None:
    ended = threading.Event()

    def wait_for_the_end(client: socket.socket) -> None:
        read_all(client)
        ended.set()

    client = socket.create_connection(forward(wait_for_the_end))
    client.sendall(b"half a request")
    client.close()
    assert ended.wait(60)


def test_a_gateway_that_is_not_there_closes_the_connection(tmp_path: Path) -> None:
    forwarder = Forwarder(("127.0.0.1", 0), str(tmp_path / "none.sock"))
    forwarder.start()
    with socket.create_connection(forwarder.address) as client:
        client.settimeout(60)
        assert client.recv(10) == b""


def test_idle_streams_cost_no_processor_time(forward: Callable[[Serve], tuple[str, int]]) -> None:
    address = forward(lambda client: (read_all(client), None)[1])
    clients = [socket.create_connection(address) for _ in range(50)]

    def rests() -> bool:
        before = time.process_time()
        time.sleep(0.5)
        return time.process_time() - before < 0.1

    wait_until(rests, "half a second without work")
    for client in clients:
        client.close()
