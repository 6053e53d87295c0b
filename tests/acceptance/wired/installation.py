"""An installation behind wires that can be cut, with a worker that only the test starts again.

PostgreSQL and Temporal are servers of its owner's to it, as in a team's installation.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from paid.embedded import PostgresServer, TemporalServer
from paid.settings import child_environment
from paid.store.database import Database
from paid.up.installation import PROGRAMS
from tests.acceptance.stage import Stage
from tests.acceptance.wires import PostgresWire, Wire


class WiredStage(Stage):
    """The installation sees its servers through the wires, the test sees them past them."""

    def __init__(self, folder: Path) -> None:
        self._servers = (
            PostgresServer(folder / "postgres", durable=False),
            TemporalServer(folder / "temporal"),
        )
        url, temporal = (server.start() for server in self._servers)
        host, _, port = temporal.partition(":")
        self.temporal = Wire(("127.0.0.1", 0), (host, int(port)))
        (socket_folder,) = parse_qs(urlsplit(url).query)["host"]
        self.postgres = PostgresWire(folder / "wire", Path(socket_folder) / ".s.PGSQL.5432")
        super().__init__(
            folder,
            tuple(program for program in PROGRAMS if program.name != "worker"),
            database_url=url.replace(quote(socket_folder, safe=""), quote(str(folder / "wire"))),
            temporal_address="{}:{}".format(*self.temporal.address),
        )
        self.database.close()
        self.database = Database(url)
        self.worker = Worker(self)
        self.worker.start()

    def rest(self) -> None:
        """As any; and everything is in working order for the next test."""
        self.postgres.back()
        self.temporal.back()
        self.postgres.let_go()
        self.docker.let_go()
        super().rest()

    def close(self) -> None:
        """Stop the worker, the installation and then its servers."""
        self.rest()
        self.worker.stop()
        super().close()
        for wire in (self.postgres, self.temporal):
            wire.away()
        for server in self._servers:
            server.stop()


class Worker:
    """The installation's one worker, started, frozen and killed by hand."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._log = stage.settings.data_dir / "logs" / "worker.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> None:
        """Start it; whoever wants to know when it is ready watches what it does."""
        environment = child_environment(self._stage.settings) | environment
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "paid.worker"],
                env=environment, stdout=log, stderr=log,
            )  # fmt: skip

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """As a machine out of memory does; nothing of it is left when this returns."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """As a person does."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait()
