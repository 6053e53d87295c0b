"""The embedded Temporal server: workflows survive its stop, nothing survives its starter."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from temporalio.client import Client

from paid.embedded import TemporalServer, temporal_binary
from paid.embedded.process import Command, ServerProcess, read_pid
from paid.errors import EmbeddedServiceError
from tests.embedded.test_postgres import is_gone
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio

STARTER = """
import sys, time
from pathlib import Path
from paid.embedded import TemporalServer
print(TemporalServer(Path(sys.argv[1])).start(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def temporal(tmp_path: Path) -> Iterator[TemporalServer]:
    server = TemporalServer(tmp_path / "temporal")
    yield server
    server.destroy()


def sockets_of(pid: int) -> set[str]:
    """The inodes of a process's open sockets, which come and go while they are listed."""
    found = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(os.readlink(fd))
    return {it.removeprefix("socket:[").removesuffix("]") for it in found}


async def test_a_workflow_survives_a_restart(temporal: TemporalServer) -> None:
    client = await Client.connect(temporal.start())
    await client.start_workflow("Waiting", id="kept", task_queue="nobody")
    temporal.stop()
    client = await Client.connect(temporal.start())
    described = await client.get_workflow_handle("kept").describe()
    assert described.status is not None
    assert described.status.name == "RUNNING"


async def test_memory_forgets(tmp_path: Path) -> None:
    server = TemporalServer(tmp_path / "t", in_memory=True)
    try:
        await Client.connect(server.start())
        assert not (tmp_path / "t" / "temporal.db").exists()
    finally:
        server.destroy()


async def test_search_attributes_are_known_at_start(tmp_path: Path) -> None:
    server = TemporalServer(tmp_path / "t", in_memory=True, search_attributes={"Stage": "Keyword"})
    try:
        client = await Client.connect(server.start())
        await client.start_workflow("W", id="w", task_queue="q")
        listed = [found async for found in client.list_workflows("Stage = 'none'")]
        assert listed == []
    finally:
        server.destroy()


def test_only_loopback_is_listened_on(temporal: TemporalServer) -> None:
    temporal.start()
    pid = read_pid(temporal._folder / "temporal.pid")
    assert pid is not None
    inodes = sockets_of(pid)
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                addresses.add(fields[1].split(":")[0])
    assert addresses == {"0100007F"}


def test_a_taken_port_is_said(temporal: TemporalServer, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = TemporalServer(tmp_path / "other", port=taken.getsockname()[1])
        with pytest.raises(EmbeddedServiceError, match="is taken"):
            server.start()


def test_one_that_lost_its_port_does_not_take_anothers_answer_for_its_own(
    temporal: TemporalServer, tmp_path: Path
) -> None:
    temporal.start()
    loser = TemporalServer(tmp_path / "loser")
    loser._ports = temporal._ports
    (tmp_path / "loser").mkdir()
    ends = Command(name="loser", argv=["sh", "-c", "exit 1"], home=tmp_path / "loser")
    process = ServerProcess(ends)
    asks_after_the_end = tmp_path / "asks"
    asks_after_the_end.write_text(
        f"#!/bin/sh\nuntil grep -q 'State:.Z' /proc/{process._lifeline.pid}/status; do"
        f' sleep 0.05; done\nexec {temporal_binary.find()} "$@"\n'
    )
    asks_after_the_end.chmod(0o755)
    assert loser._serves_in_time(process, asks_after_the_end) is False
    process.stop()


def test_a_second_owner_is_refused(temporal: TemporalServer) -> None:
    temporal.start()
    with pytest.raises(EmbeddedServiceError, match="belongs to a Paid that is running"):
        TemporalServer(temporal._folder).start()


def test_a_killed_starter_takes_the_server_with_it(temporal: TemporalServer) -> None:
    argv = [sys.executable, "-c", STARTER, str(temporal._folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline()
        pid = read_pid(temporal._folder / "temporal.pid")
        assert pid is not None
        starter.kill()
    wait_until(lambda: is_gone(pid), "the server's end")
    assert temporal.start()


def test_a_killed_lifeline_leaves_nothing_that_a_start_cannot_end(
    temporal: TemporalServer,
) -> None:
    temporal.start()
    pid = read_pid(temporal._folder / "temporal.pid")
    assert pid is not None
    assert temporal._process is not None
    os.kill(temporal._process._lifeline.pid, signal.SIGKILL)
    temporal.stop()
    assert temporal.start()
    wait_until(lambda: is_gone(pid), "the server's end")


def test_a_missing_program_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PAID_CACHE_DIR", str(tmp_path))
    with pytest.raises(EmbeddedServiceError, match="bin/setup"):
        TemporalServer(tmp_path / "t").start()
