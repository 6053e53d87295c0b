"""The Temporal development server as a child process, with its history in a file."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from paid.embedded import temporal_binary
from paid.embedded.process import Command, Lock, ServerProcess, end_leftover
from paid.errors import EmbeddedServiceError

LOOPBACK = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 15
PORT_ATTEMPTS = 3
QUICK_DISPATCH = {
    # One shard reads its queues 20 times a second by default: every task would wait 45 ms.
    "history.transferProcessorMaxPollRPS": "1000",
    "history.timerProcessorMaxPollRPS": "1000",
    # Four partitions a queue are for thousands of tasks a second. With a handful of workers a task
    # may wait in one that nobody polls just now.
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    # An activity of the workflow's own queue comes to the worker with the answer to its decision,
    # past all queues.
    "system.enableActivityEagerExecution": "true",
}
DURABLE_PRAGMAS = ("journal_mode=wal", "synchronous=full")


class TemporalServer:
    """One development server for one folder.

    `port` and `ui_port` 0 mean any free one. `binary` None means whatever `temporal_binary.find`
    finds. `in_memory` is for tests: nothing survives a stop. `search_attributes` maps names to
    Temporal's types, which a development server learns only at its start.
    """

    name = "Temporal"

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        ui_port: int = 0,
        binary: Path | None = None,
        in_memory: bool = False,
        *,
        namespace: str = "default",
        search_attributes: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = data_dir
        self._wanted_ports = (port, ui_port)
        self._ports = (port, ui_port)
        self._binary = binary
        self._in_memory = in_memory
        self._namespace = namespace
        self._search_attributes = dict(search_attributes or {})
        self._lock = Lock(data_dir / "owner.lock")
        self._process: ServerProcess | None = None

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """host:port for clients; known once it has started."""
        return f"{LOOPBACK}:{self._ports[0]}"

    @property
    def ui_url(self) -> str:
        """The address of Temporal's own pages; known once it has started."""
        return f"http://{LOOPBACK}:{self._ports[1]}"

    def start(self) -> str:
        """Start it and wait until it serves its namespace; returns "host:port".

        A server whose starter was killed is ended first. Raises EmbeddedServiceError when another
        living process runs it, when a port is taken, or when it does not come up.
        """
        if self._process is not None:
            return self.address
        self._folder.mkdir(parents=True, exist_ok=True)
        if not self._lock.take():
            raise EmbeddedServiceError(
                f"The Temporal server of {self._folder} belongs to a Paid that is running.",
                hint="Stop that one first, or use another PAID_DATA_DIR.",
            )
        try:
            self._launch(self._binary or temporal_binary.find())
        except BaseException:
            self.stop()
            raise
        return self.address

    def stop(self) -> None:
        """Stop it; safe to call twice, or when it never started."""
        if self._process is not None:
            self._process.stop()
            self._process = None
        self._lock.release()

    def ended(self) -> bool:
        """True when the server stopped though nobody asked it to."""
        return self._process is not None and self._process.ended()

    def was_killed(self) -> bool:
        """True when it ended by SIGKILL, which nobody here sent."""
        return self._process is not None and self._process.was_killed()

    def destroy(self) -> None:
        """Stop, and remove every file; for tests."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _launch(self, binary: Path) -> None:
        marker = self._marker()
        end_leftover(self._folder / "temporal.pid", marker, signal.SIGTERM, STOP_SECONDS)
        for attempt in range(1, PORT_ATTEMPTS + 1):
            self._ports = choose_ports(self._wanted_ports)
            command = self._command(binary)
            self._process = ServerProcess(command)
            if self._serves_in_time(self._process, binary):
                return
            # Between choosing a free port and binding it, somebody else may take it.
            if 0 not in self._wanted_ports or attempt == PORT_ATTEMPTS:
                raise self._process.failure("ended while it was starting")

    def _marker(self) -> str:
        """What tells our server from any other in a list of processes."""
        return "start-dev" if self._in_memory else str(self._database)

    @property
    def _database(self) -> Path:
        return self._folder / "temporal.db"

    def _command(self, binary: Path) -> Command:
        port, ui_port = self._ports
        argv = [str(binary), "server", "start-dev", "--ip", LOOPBACK, "--log-level", "warn"]
        argv += ["--port", str(port), "--ui-port", str(ui_port)]
        if self._namespace != "default":
            argv += ["--namespace", self._namespace]
        for key, value in QUICK_DISPATCH.items():
            argv += ["--dynamic-config-value", f"{key}={value}"]
        for name, kind in self._search_attributes.items():
            argv += ["--search-attribute", f"{name}={kind}"]
        if not self._in_memory:
            argv += ["--db-filename", str(self._database)]
            for pragma in DURABLE_PRAGMAS:
                argv += ["--sqlite-pragma", pragma]
        return Command(
            name="temporal",
            argv=argv,
            home=self._folder,
            grace_seconds=STOP_SECONDS,
            environment=self._environment(),
        )

    def _environment(self) -> dict[str, str]:
        """No HOME of the user's: a client configuration there must not change our server."""
        return {"PATH": os.defpath, "HOME": str(self._folder), "TZ": "UTC"}

    def _serves_in_time(self, process: ServerProcess, binary: Path) -> bool:
        """False when the server ended; raises EmbeddedServiceError when it takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while not process.ended():
            if _accepts(self._ports[0]) and self._describes_namespace(binary):
                # Who lost the port to another server would be answered by that one.
                return not process.ended()
            if time.monotonic() > deadline:
                raise process.failure(f"did not serve within {START_SECONDS} s")
            time.sleep(0.03)
        return False

    def _describes_namespace(self, binary: Path) -> bool:
        argv = [str(binary), "operator", "namespace", "describe", "--address", self.address]
        argv += ["--namespace", self._namespace]
        asked = subprocess.run(argv, env=self._environment(), capture_output=True, check=False)
        return asked.returncode == 0


def choose_ports(wanted: tuple[int, int]) -> tuple[int, int]:
    """The wanted ports, each 0 replaced by one that is free right now, and different."""
    sockets = []
    try:
        for port in wanted:
            listener = socket.socket()
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((LOOPBACK, port))
        return sockets[0].getsockname()[1], sockets[1].getsockname()[1]
    except OSError as error:
        raise EmbeddedServiceError(
            f"The port {port} is taken.", hint="Stop what uses it, or choose another."
        ) from error
    finally:
        for listener in sockets:
            listener.close()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((LOOPBACK, port)) == 0
