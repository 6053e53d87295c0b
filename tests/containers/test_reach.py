"""What a container can reach: all 65,535 ports, its host's every address, names, neighbours.

The canaries listen on this host; a container that reached one would be heard (threats 7, 8, 36).
"""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from paid.containers.engine import DockerEngine
from paid.containers.task import Task
from tests.containers.bench import Bench
from tests.containers.test_forwarder import Gateway

FORWARDER_PORT = 8377
LOOK = """
import json, socket
targets, port = {targets!r}, {port}
def tries(kind, family, address):
    with socket.socket(family, kind) as client:
        client.settimeout(0.5)
        try:
            client.connect(address)
            client.send(b"canary")
            return "sent"
        except OSError as error:
            return error.strerror or str(error)
def is_open(number):
    with socket.socket() as client:
        # From a port of its own choice a client may meet itself, where nobody listens.
        answers = client.connect_ex(("127.0.0.1", number)) == 0
        return answers and client.getsockname() != client.getpeername()
def is_known(name):
    try:
        return bool(socket.getaddrinfo(name, 80))
    except OSError:
        return False
found = {{"open": [number for number in range(1, 65536) if is_open(number)]}}
for target in targets:
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    for name, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
        found[name + " " + target] = tries(kind, family, (target, port))
        found[name + " 53 " + target] = tries(kind, family, (target, 53))
found["names"] = [name for name in ("canary.example.com", "host.docker.internal", "gateway",
                                    "metadata.google.internal") if is_known(name)]
try:
    found["raw"] = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) and "open"
except OSError as error:
    found["raw"] = error.strerror
try:
    found["packet"] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW) and "open"
except OSError as error:
    found["packet"] = error.strerror
print(json.dumps(found))
"""


class Canary:
    """Listens on every address of this host, TCP and UDP, on one port; keeps who spoke."""

    def __init__(self) -> None:
        self._heard: dict[str, Queue[int]] = {"tcp": Queue(), "udp": Queue()}
        self._tcp = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port: int = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._udp.bind(("::", self.port))
        for listen in (self._accept, self._receive):
            threading.Thread(target=listen, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, address = self._tcp.accept()
            except OSError:
                return
            self._heard["tcp"].put(address[1])
            client.close()

    def _receive(self) -> None:
        while True:
            try:
                self._heard["udp"].put(self._udp.recvfrom(100)[1][1])
            except OSError:
                return

    def is_first(self, address: str) -> bool:
        """Call it by an address of this host; whether this is the next call that it hears."""
        with socket.create_connection((address, self.port), timeout=30) as tcp:
            first = self._heard["tcp"].get(timeout=30) == tcp.getsockname()[1]
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                           socket.SOCK_DGRAM) as udp:  # fmt: skip
            udp.connect((address, self.port))
            udp.send(b"here")
            heard = self._heard["udp"].get(timeout=30)
            return first and heard == int(udp.getsockname()[1])

    def close(self) -> None:
        self._tcp.shutdown(socket.SHUT_RDWR)  # a close alone would leave its thread waiting
        self._tcp.close()
        self._udp.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    canary = Canary()
    yield canary
    canary.close()


@pytest.fixture
def gateway_folder(tmp_path: Path) -> Path:
    """A folder with a gateway's socket that says it is well."""
    folder = tmp_path / "g"
    folder.mkdir()
    tmp_path.chmod(0o711)
    folder.chmod(0o711)

    def well(client: socket.socket) -> None:
        client.recv(1000)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    Gateway(folder / "gateway.sock", well)
    (folder / "gateway.sock").chmod(0o666)
    return folder


def own_addresses() -> list[str]:
    """Every address of this host that a container could try, Docker's bridges with them."""
    shown = json.loads(subprocess.check_output(["ip", "-j", "address"], text=True))
    return [
        entry["local"] for link in shown for entry in link["addr_info"] if entry["scope"] != "host"
    ]


def test_nothing_but_the_gateways_port_can_be_reached(
    bench: Bench, canary: Canary, gateway_folder: Path
) -> None:
    targets = [*own_addresses(), "172.17.0.1", "169.254.169.254", "8.8.8.8", "2001:4860:4860::8888"]
    assert canary.is_first(targets[0])
    script = LOOK.format(targets=targets, port=canary.port)
    task = Task(mode="agent", argv=("python3", "-c", script), gateway=True)
    done = bench.run(dataclasses.replace(bench.spec("agent", 1, task), gateway=gateway_folder))
    found: dict[str, Any] = json.loads(done.text.splitlines()[-1])
    assert found.pop("open") == [FORWARDER_PORT]
    assert found.pop("names") == []
    assert found.pop("raw") == found.pop("packet") == "Operation not permitted"
    assert "sent" not in found.values(), found
    assert canary.is_first(targets[0]), "somebody called before"


LISTEN = """
import os, socket
ends = []
for family, address in ((socket.AF_INET, ("0.0.0.0", 7777)), (socket.AF_INET6, ("::1", 7777)),
                        (socket.AF_UNIX, "\\0paid-neighbour"), (socket.AF_UNIX, "/tmp/neighbour")):
    end = socket.socket(family)
    end.bind(address)
    end.listen()
    ends.append(end)
open("/dev/shm/neighbour", "w").write("here")
print("listening", os.uname().nodename, flush=True)
input()
"""
PROBE = """
import os, socket
def reach(family, address):
    with socket.socket(family) as client:
        client.settimeout(1)
        return client.connect_ex(address) == 0
print([reach(socket.AF_INET, ("127.0.0.1", 7777)), reach(socket.AF_INET6, ("::1", 7777)),
       reach(socket.AF_UNIX, "\\0paid-neighbour"), reach(socket.AF_UNIX, "/tmp/neighbour"),
       os.path.exists("/dev/shm/neighbour"),
       any(b"neighbour" in open(f"/proc/{pid}/cmdline", "rb").read()
           for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid()
           and os.access(f"/proc/{pid}/cmdline", os.R_OK))])
"""


def test_two_runs_on_one_host_cannot_reach_each_other(
    bench: Bench, docker_engine: DockerEngine
) -> None:
    task = Task(mode="agent", argv=("sh", "-c", f"tail -f /dev/null | python3 -c '{LISTEN}'"))
    spec = bench.spec("agent", 1, task)
    bench.engine.start(spec)
    with bench.engine.follow(spec.name) as log:
        assert any(line.text.startswith("listening") for line in log)
    other = Bench(docker_engine, bench.settings, bench.image, bench.repository, 5003)
    try:
        done = other.python(PROBE)
    finally:
        other.clear()
    assert done.text.splitlines()[-1] == str([False] * 6)
