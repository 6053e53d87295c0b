"""The way from a container's loopback to the gateway's socket."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from paid.containers.image.paid_step.forwarder import Forwarder
from paid.containers.image.paid_step.reports import Reporter
from paid.containers.reports import ReportReader
from tests.waiting import wait_until

Serve = Callable[[socket.socket], object]


class Gateway:
    """A Unix socket that treats each connection as told."""

    def __init__(self, path: Path, serve: Serve) -> None:
        self._serve = serve
        self.is_dead = False
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(128)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        with client:
            try:
                self._serve(client)
            except Died:
                # as the kernel closes what a killed process had open
                self._server.shutdown(socket.SHUT_RDWR)
                self._server.close()
                self.is_dead = True


class Died(Exception):
    """The gateway was killed."""


def answer_of(size: int, times: int = 1, then: str = "") -> Serve:
    """Answer requests of `size` bytes with their digests, and die behind the last one's reading."""

    def read(client: socket.socket) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            parts += client.recv(size - len(parts))
        return bytes(parts)

    def serve(client: socket.socket) -> None:
        for _ in range(times):
            client.sendall(hashlib.sha256(read(client)).digest())
        if then == "die":
            read(client)
            raise Died

    return serve


def forwarder_to(path: Path, **options: Any) -> Forwarder:
    forwarder = Forwarder(("127.0.0.1", 0), str(path), **options)
    forwarder.start()
    return forwarder


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
        return forwarder_to(path).address

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


def test_a_connection_is_held_while_no_gateway_listens(tmp_path: Path) -> None:
    path, data = tmp_path / "g.sock", os.urandom(100_000)
    with socket.create_connection(forwarder_to(path).address) as client:
        client.sendall(data)
        client.settimeout(1)
        with pytest.raises(TimeoutError):
            client.recv(10)
        Gateway(path, answer_of(len(data)))
        client.settimeout(60)
        assert client.recv(100) == hashlib.sha256(data).digest()


def test_a_connection_waits_no_longer_for_a_gateway_than_it_is_told_to(tmp_path: Path) -> None:
    forwarder = forwarder_to(tmp_path / "none.sock", hold_seconds=0.5)
    with socket.create_connection(forwarder.address) as client:
        client.settimeout(60)
        assert client.recv(10) == b""


@pytest.mark.parametrize("answered_before", [0, 1, 2])
def test_a_request_without_an_answer_is_sent_again_to_a_dead_gateways_successor(
    tmp_path: Path, answered_before: int
) -> None:
    """Also one that follows others on its connection, as agents keep theirs open."""
    path, request = tmp_path / "g.sock", b"POST / HTTP/1.1\r\n\r\n" + os.urandom(1_000_000)
    first = Gateway(path, answer_of(len(request), times=answered_before, then="die"))
    with socket.create_connection(forwarder_to(path).address) as client:
        client.settimeout(60)
        for _ in range(answered_before):
            client.sendall(request)
            assert len(client.recv(100)) == 32
        client.sendall(request)
        wait_until(lambda: first.is_dead, "the gateway's death")
        time.sleep(0.5)  # long enough for a look in vain
        path.unlink()
        Gateway(path, answer_of(len(request)))
        assert client.recv(100) == hashlib.sha256(request).digest()


def test_an_answer_that_was_cut_off_is_not_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "g.sock"
    Gateway(path, lambda client: client.sendall(b"half an ans"))
    with socket.create_connection(forwarder_to(path).address) as client:
        client.settimeout(60)
        client.sendall(b"POST / HTTP/1.1\r\n\r\n")
        assert read_all(client) == b"half an ans"


def test_a_gateway_that_lives_and_hangs_up_is_believed(tmp_path: Path) -> None:
    path, asked = tmp_path / "g.sock", []
    Gateway(path, lambda client: asked.append(client.recv(100)))
    with socket.create_connection(forwarder_to(path).address) as client:
        client.settimeout(60)
        client.sendall(b"POST / HTTP/1.1\r\n\r\n")
        assert client.recv(10) == b""
    assert [said for said in asked if said] == [b"POST / HTTP/1.1\r\n\r\n"]


def test_a_request_whose_client_gave_up_meanwhile_does_not_reach_the_gateway(
    tmp_path: Path,
) -> None:
    path, asked = tmp_path / "g.sock", []
    address = forwarder_to(path).address
    impatient = socket.create_connection(address)
    impatient.sendall(b"POST /impatient")
    impatient.close()
    with socket.create_connection(address) as patient:
        patient.settimeout(60)
        patient.sendall(b"POST /patient")
        time.sleep(0.5)
        Gateway(path, lambda client: (asked.append(client.recv(100)), client.sendall(b"ok"))[0])
        assert patient.recv(10) == b"ok"
    assert asked == [b"POST /patient"]


def test_a_wait_for_the_gateway_that_is_no_short_one_is_reported_with_its_end(
    tmp_path: Path,
) -> None:
    path, key = tmp_path / "g.sock", b"key"
    source, sink = os.pipe()
    forwarder = forwarder_to(path, reporter=Reporter(key, sink))
    reader = ReportReader(key)
    with socket.create_connection(forwarder.address), os.fdopen(source) as lines:
        reports = (report for line in lines if (report := reader.read(line.rstrip("\n"))))
        assert next(reports).name == "waiting"
        Gateway(path, read_all)
        waited = next(reports)
    assert waited.name == "waited"
    assert waited.fields["seconds"] >= 2


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
