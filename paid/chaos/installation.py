"""A real `paid up` as a child process, with a data folder of its own, that can be killed whole."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from paid.chaos.processes import Processes
from paid.embedded import PostgresServer
from paid.embedded.process import tail
from paid.errors import EmbeddedServiceError
from paid.settings import Settings
from paid.up import endpoints

READY_SECONDS = 120
STOP_SECONDS = 90
READY = '"dashboard_url"'
"""What `paid up --json` says once every part is ready."""
_OURS = ("PAID_", "DATABASE_URL", "TEMPORAL_", "DOCKER_HOST", "GITHUB_TOKEN", "OPENAI_",
         "ANTHROPIC_", "GEMINI_", "GOOGLE_API_KEY")  # fmt: skip
"""Settings of the user's own installation, which this one must not use."""


class Installation:
    """`paid up` between `start` and `stop`."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self.processes = Processes(data_dir)
        self.log_file = data_dir.parent / "up.log"
        foreign = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        self._environment = {**foreign, "PAID_DATA_DIR": str(data_dir), **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._said = 0
        self.killed_at: float | None = None

    @property
    def settings(self) -> Settings:
        """What other programs need to find its servers. Raises when it has never come up."""
        found = endpoints.with_running(
            Settings.model_construct(_fields_set={"data_dir"}, data_dir=self.data_dir)
        )
        if found.database_url is None:
            raise EmbeddedServiceError(f"`paid up` is not running: {tail(self.log_file)}")
        return found

    def start(self) -> None:
        """Start it, without waiting."""
        self._said = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "paid", "up", "--json"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us; we stop it in order
            )

    def wait_until_ready(self) -> None:
        """Raises EmbeddedServiceError when it does not come up."""
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_ready():
            if self.ended() or time.monotonic() > deadline:
                raise EmbeddedServiceError(f"`paid up` did not come up: {tail(self.log_file)}")
            time.sleep(0.1)

    def is_ready(self) -> bool:
        """Whether this start of it has said that every part is ready."""
        with self.log_file.open("rb") as log:
            log.seek(self._said)
            return READY.encode() in log.read()

    def ended(self) -> bool:
        """True when it ended though it was neither stopped nor killed from here."""
        return self._process is not None and self._process.poll() is not None

    def kill_everything(self) -> bool:
        """kill -9 to all of its processes; its containers go on. False while it is down."""
        if self._process is None:
            return False
        self.processes.kill_everything(self._process.pid)
        self._process.wait()
        self._process = None
        return True

    def stop(self) -> None:
        """Stop it as Ctrl-C would, or hard when it does not; safe to call twice."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill_everything()
        self._process = None

    def remove_database(self) -> None:
        """Remove PostgreSQL's files, which are elsewhere when we are root."""
        with suppress(EmbeddedServiceError, OSError):
            PostgresServer(self.data_dir / "postgres").destroy()
