"""What the engine, the log and the disk can do to a worker (faults 4, 5, 23 and 24)."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from paid.containers.admission import StartSlots
from paid.containers.contract import Limits, LogLine, StepSpec
from paid.containers.docker_api import CALL_SECONDS
from paid.containers.engine import DockerEngine
from paid.containers.image.paid_step.reports import PREFIX
from paid.containers.logs import LINE_BYTES
from paid.containers.task import Task
from paid.errors import (
    ContainerLostError,
    DockerUnavailableError,
    ImageMissingError,
    NotFrozenError,
)
from paid.settings import Settings
from tests.containers.bench import MEBIBYTE, Bench
from tests.waiting import HANGS_SECONDS, wait_until

pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)


@pytest.fixture(autouse=True)
def _broken_connections_are_the_sdks() -> Iterator[None]:
    """The Docker SDK leaves the sockets of failed calls to the garbage collector."""
    yield
    gc.collect()


CALLS: dict[str, Callable[[DockerEngine], object]] = {
    "ping": lambda engine: engine.ping(),
    "inspect": lambda engine: engine.inspect("x"),
    "wait": lambda engine: engine.wait("x", 60),
    "follow": lambda engine: list(engine.follow("x")),
    "owned": lambda engine: engine.owned(),
    "kill": lambda engine: engine.kill("x"),
    "stop": lambda engine: engine.stop("x", 60),
}


@pytest.fixture
def silent_socket(tmp_path: Path) -> Iterator[str]:
    """An engine that takes connections and never answers, like a stopped dockerd."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "d.sock"))
        server.listen(16)
        yield f"unix://{tmp_path}/d.sock"


@pytest.mark.parametrize("call", CALLS)
def test_an_engine_that_is_gone_is_said_at_once(call: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, docker_host=f"unix://{tmp_path}/none.sock")
    before = time.monotonic()
    with pytest.raises(DockerUnavailableError, match="Start Docker"):
        CALLS[call](DockerEngine(settings))
    assert time.monotonic() - before < CALL_SECONDS


def test_an_engine_that_hangs_never_holds_a_worker(silent_socket: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, docker_host=silent_socket)
    for call in CALLS.values():  # two of them would wait a minute for the container
        before = time.monotonic()
        with pytest.raises(DockerUnavailableError):
            call(DockerEngine(settings, call_seconds=1))
        assert time.monotonic() - before < 30


class BusyEngine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """An engine whose kernel does not stop a container's processes in time, so many times."""

    daemon_threads = True

    def __init__(self, path: Path, failures: int) -> None:
        super().__init__(str(path), _BusyAnswers)
        self.failures = failures
        self.asked = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _BusyAnswers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BusyEngine

    def address_string(self) -> str:
        return "a Unix socket"

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer(200, {"ApiVersion": "1.41"})

    def do_POST(self) -> None:
        self.server.asked += 1
        words = "Cannot pause container x: OCI runtime pause failed: unable to freeze: unknown"
        if self.server.asked <= self.server.failures:
            self._answer(500, {"message": words})
        else:
            self._answer(204, None)

    def _answer(self, status: int, value: object) -> None:
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.parametrize(("failures", "asked"), [(0, 1), (3, 4), (99, 7)])
def test_a_container_that_is_not_frozen_in_time_is_tried_again(
    tmp_path: Path, failures: int, asked: int
) -> None:
    with BusyEngine(tmp_path / "d.sock", failures) as busy:
        engine = DockerEngine(Settings(data_dir=tmp_path, docker_host=f"unix://{tmp_path}/d.sock"))
        with suppress(NotFrozenError):
            engine.pause("x")
            assert failures < asked
        engine.close()
        busy.shutdown()
    assert busy.asked == asked


class Relay:
    """A socket in front of the real engine that can be cut and mended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open = True
        self._pairs: list[socket.socket] = []
        self._copying: list[threading.Thread] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """End, and leave no socket to the garbage collector, which would warn in another test."""
        ends = list(self._pairs)
        self.cut()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._copying:
            thread.join(HANGS_SECONDS)
        for end in ends:
            end.close()

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        self._open = False
        for end in self._pairs:
            end.close() if end.fileno() < 0 else end.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def mend(self) -> None:
        self._open = True

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            if not self._open:
                client.close()
                continue
            engine = socket.socket(socket.AF_UNIX)
            engine.connect("/var/run/docker.sock")
            self._pairs += [client, engine]
            for source, sink in ((client, engine), (engine, client)):
                thread = threading.Thread(target=self._copy, args=(source, sink), daemon=True)
                self._copying.append(thread)
                thread.start()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


def test_a_reader_survives_broken_connections_without_losing_or_repeating_a_line(
    bench: Bench, tmp_path: Path
) -> None:
    relay = Relay(tmp_path / "r.sock")
    settings = bench.settings.model_copy(update={"docker_host": f"unix://{tmp_path}/r.sock"})
    engine = DockerEngine(settings)
    script = "for i in $(seq 300); do echo line $i; sleep 0.01; done"
    spec = bench.spec("agent", 1, Task(mode="agent", argv=("sh", "-c", script)))
    engine.start(spec)
    cursor, heard, breaks = None, [], 0
    while breaks < 20:
        try:
            for line in engine.follow(spec.name, cursor):
                cursor = line.cursor
                if line.text.startswith("line"):
                    heard.append(line.text)
                if len(heard) % 50 == 25 and breaks < len(heard) // 50 + 1:
                    relay.cut()
                    breaks += 1
                    threading.Timer(0.1, relay.mend).start()
            break
        except DockerUnavailableError:
            time.sleep(0.05)
    assert heard == [f"line {number}" for number in range(1, 301)]
    assert breaks > 3
    engine.close()
    relay.close()


def test_a_removed_container_is_a_typed_failure(bench: Bench) -> None:
    spec = bench.spec("agent", 1, Task(mode="agent", argv=("sleep", "600")))
    bench.engine.start(spec)
    bench.engine.remove(spec.name)
    with pytest.raises(ContainerLostError):
        bench.engine.wait(spec.name, 10)


def test_a_missing_image_says_how_to_build_it(bench: Bench, tmp_path: Path) -> None:
    spec = StepSpec(bench.run_id, "agent", 1, "paid-agent-none:0", tmp_path)
    with pytest.raises(ImageMissingError, match="images build"):
        bench.engine.start(spec)


def resident_bytes() -> int:
    """The memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def test_a_long_line_is_cut_and_marked(bench: Bench) -> None:
    before = resident_bytes()
    script = "for _ in range(30): print('x' * 1_000_000, end='')\nprint()\nprint('after')"
    done = bench.python(script)
    # The engine's log turns over at less than this: a slow reader then sees more than one piece,
    # and a line again that it has read, which for a report means that it is not believed twice.
    told = [line for line in done.lines if line.text and not line.text.startswith(PREFIX)]
    pieces = [line for line in told if line.text != "after"]
    after = told[-1]
    assert pieces[0].truncated
    assert all(len(piece.text) < LINE_BYTES + 100 for piece in pieces)
    assert pieces[0].text.endswith("bytes left out]")
    assert after.text == "after"
    assert resident_bytes() - before < 100 * MEBIBYTE


def test_invalid_text_becomes_replacement_characters(bench: Bench) -> None:
    done = bench.python("import sys; sys.stdout.buffer.write(b'a\\xff\\xfe\\x80b\\n')")
    assert done.text == "a\ufffd\ufffd\ufffdb"


def test_the_last_line_needs_no_newline(bench: Bench) -> None:
    assert bench.shell("printf unfinished").text == "unfinished"
    script = "echo ready; printf up; sleep 600"
    spec = bench.spec("agent", 2, Task(mode="agent", argv=("sh", "-c", script)))
    bench.engine.start(spec)
    with bench.engine.follow(spec.name) as log:
        assert any(line.text == "ready" for line in log)
    threading.Timer(1.0, bench.engine.kill, [spec.name]).start()
    assert bench.read(spec.name).text == "ready\nup"


def test_a_flood_of_output_costs_little_memory_and_still_ends(bench: Bench) -> None:
    """The engine keeps only the newest part; what the reader is too slow for is lost, not kept."""
    megabytes = int(os.environ.get("PAID_TEST_FLOOD_MEGABYTES", "60"))
    script = f"import os\nfor _ in range({megabytes} * 10): os.write(1, b'y' * 99_999 + b'\\n')"
    before, peak = resident_bytes(), [0]

    def watch(_: LogLine) -> None:
        peak[0] = max(peak[0], resident_bytes())

    limits = Limits(memory_bytes=256 * MEBIBYTE, pids=64, log_bytes=4 * MEBIBYTE)
    spec = bench.spec("agent", 1, Task(mode="agent", argv=("python3", "-c", script)), limits=limits)
    done = bench.run(spec, watch)
    assert done.report("agent_exit")["code"] == 0
    assert peak[0] - before < 100 * MEBIBYTE


def test_starts_are_admitted_in_order_and_a_waiting_one_can_be_cancelled() -> None:
    slots = StartSlots(1)
    order: list[int] = []

    def start(number: int) -> None:
        with slots.one():
            order.append(number)

    with slots.one():
        threads = [threading.Thread(target=start, args=(number,)) for number in range(5)]
        for place, thread in enumerate(threads, start=1):
            thread.start()
            wait_until(lambda place=place: slots.waiting == place, "its place in the queue")
        cancelled = threading.Thread(target=interrupted, args=(slots, order))
        cancelled.start()
        wait_until(lambda: slots.waiting == 6, "its place in the queue")
        assert cancelled.ident is not None
        raise_in(cancelled.ident)
        cancelled.join(HANGS_SECONDS)
        assert order == [-1]
    for thread in threads:
        thread.join()
    assert order == [-1, 0, 1, 2, 3, 4]


def interrupted(slots: StartSlots, order: list[int]) -> None:
    """Wait for a slot and be cancelled meanwhile, as Temporal cancels a thread."""
    try:
        with slots.one():
            order.append(99)
    except KeyboardInterrupt:
        order.append(-1)


def raise_in(thread: int) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt)
    )
