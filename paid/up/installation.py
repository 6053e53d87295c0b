"""Everything of Paid on one machine, started in order and stopped in reverse."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from types import TracebackType

from pydantic import SecretStr

from paid import health
from paid.containers.instance import instance_id
from paid.embedded import PostgresServer, TemporalServer
from paid.embedded.process import Lock
from paid.embedded.temporal import choose_ports
from paid.errors import DatabaseError, EmbeddedServiceError, ServerKilledError
from paid.migrate import migrate
from paid.settings import Settings, child_environment
from paid.up import dependencies, endpoints
from paid.up.login import new_login_url
from paid.up.part import FAIR_STARTS, MODEL_KEYS, TOKENS, Part, Program
from paid.up.places import PortClaims, short_enough
from paid.up.supervisor import Supervisor

READY_SECONDS = 180
TEMPORAL_PORT = 7233
Say = Callable[[str], None]

# The worker gets the model keys to search for them in what it is about to push.
PROGRAMS = (
    Program("gateway", "paid.gateway", "holds the keys", health.gateway, TOKENS),
    Program("worker", "paid.worker", "runs agents", health.worker, TOKENS),
    Program("jobs", "paid.jobs", "light jobs", health.jobs, TOKENS | MODEL_KEYS),
    Program("web", "web", "dashboard", health.web, TOKENS | MODEL_KEYS),
)


class EmbeddedPaid:
    """`paid up` as an object: PostgreSQL, Temporal, gateway, worker, jobs and dashboard.

    A server that the settings name (DATABASE_URL, TEMPORAL_ADDRESS) is used, not started. `say`
    gets one line for each part that is ready, and later for each that had to be started again.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        say: Say = lambda _line: None,
        programs: tuple[Program, ...] = PROGRAMS,
    ) -> None:
        self.settings = settings.changed(
            data_dir=settings.data_dir.resolve(), cache_dir=settings.cache_dir.resolve()
        )
        self._say = say
        self._programs = programs
        self._lock = Lock(self.settings.data_dir / "up.lock")
        self._claims = PortClaims()
        self._postgres: PostgresServer | None = None
        self._temporal: TemporalServer | None = None
        self._parts: list[Part] = []
        self._supervisor: Supervisor | None = None
        self._started = False

    def __enter__(self) -> EmbeddedPaid:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def env(self) -> dict[str, str]:
        """An environment that points other programs at this installation; it holds secrets."""
        return child_environment(self.settings)

    @property
    def dashboard_url(self) -> str:
        """The dashboard's address."""
        return self.settings.dashboard_url

    @property
    def login_url(self) -> str:
        """A new link that signs in one browser, once."""
        return new_login_url(self.settings)

    def start(self) -> None:
        """Start every part and wait until all are ready; what was started is stopped on failure.

        Raises EmbeddedServiceError when another `paid up` has this data folder, or a part does
        not come up.
        """
        if self._started:
            return
        self._take_the_data_folder()
        try:
            self.settings = self.settings.changed(web_port=self._web_port())
            self._start_servers()
            self._start_programs()
        except BaseException:
            self.stop()
            raise
        self._started = True

    def stop(self) -> None:
        """Stop every part in reverse order; safe to call twice, or in the middle of a start."""
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None
        for part in reversed(self._parts):
            part.stop()
            self._say(f"{part.name} stopped")
        self._parts = []
        for server in (self._temporal, self._postgres):
            if server is not None:
                server.stop()
        if self._temporal is not None or self._postgres is not None:
            self._say("servers stopped")
        self._temporal = self._postgres = None
        if self._lock.held:
            endpoints.forget(self.settings.data_dir)
        self._claims.release()
        self._lock.release()
        self._started = False

    # --- starting ---------------------------------------------------------------------------

    def _take_the_data_folder(self) -> None:
        folder = self.settings.data_dir
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o711)
            if self._lock.take():
                return
        except OSError as error:
            raise EmbeddedServiceError(
                f"The data folder {folder} cannot be used: {error.strerror}.",
                hint="Give PAID_DATA_DIR a folder that you may write to.",
            ) from error
        other = endpoints.read(folder)
        where = f" (process {other.pid})" if other else ""
        raise EmbeddedServiceError(
            f"A `paid up` with the data folder {folder} is running already{where}.",
            hint="Use that one (`paid login-link` opens its dashboard), stop it with Ctrl-C, "
            "or give this one a PAID_DATA_DIR of its own.",
        )

    def _web_port(self) -> int:
        """The dashboard's: the one that was asked for, or else any that is free."""
        settings = self.settings
        if "web_port" not in settings.model_fields_set or settings.web_port == 0:
            return choose_ports((self._claims.preferred(settings.web_port), 0))[0]
        try:
            return choose_ports((settings.web_port, 0))[0]
        except EmbeddedServiceError as error:
            hint = "Stop what uses it, or choose another with PAID_WEB_PORT."
            raise EmbeddedServiceError(error.message, hint=hint) from error

    def _start_servers(self) -> None:
        """PostgreSQL and Temporal know nothing of each other, so they start together."""
        with ThreadPoolExecutor(max_workers=2) as threads:
            starting = [threads.submit(self._start_postgres), threads.submit(self._start_temporal)]
        for each in starting:
            each.result()

    def _start_postgres(self) -> None:
        if self.settings.database_url is None:
            self._postgres = PostgresServer(self.settings.data_dir / "postgres")
            url = SecretStr(started(self._postgres.start))
            self.settings = self.settings.changed(database_url=url)
            self._say("PostgreSQL is ready")
        applied = self._migrated()
        if applied:
            self._say(f"the database's schema was brought up by {len(applied)} migrations")

    def _migrated(self) -> list[str]:
        """What was applied. Our own server may be killed or frozen at this very moment."""
        deadline = time.monotonic() + PATIENT_SECONDS
        while True:
            try:
                return migrate(self.settings)
            except DatabaseError:
                if self._postgres is None or time.monotonic() > deadline:
                    raise
                if self._postgres.ended():
                    self._postgres.stop()
                    started(self._postgres.start)

    def _start_temporal(self) -> None:
        if "temporal_address" in self.settings.model_fields_set:
            return
        folder = self.settings.data_dir / "temporal"
        own, pages = map(self._claims.preferred, (TEMPORAL_PORT, TEMPORAL_PORT + 1000))
        self._temporal = TemporalServer(
            folder, *choose_ports((own, pages)), namespace=self.settings.temporal_namespace
        )
        started(self._temporal.start)
        self._say(f"Temporal is ready (its pages: {self._temporal.ui_url})")

    def _start_programs(self) -> None:
        self.settings = self._final_settings()
        logs = self.settings.data_dir / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        self._parts = [Part(program, self.settings, logs) for program in self._programs]
        since = time.time()
        for part in self._parts:
            part.start()
        endpoints.write(self.settings.data_dir, endpoints.Endpoints.of(self.settings))
        servers = [server for server in (self._postgres, self._temporal) if server is not None]
        away = partial(dependencies.away, self.settings)
        self._supervisor = Supervisor(self._parts, self._say, servers, away)
        # before all are ready: a part or a server that is killed meanwhile must not end the others
        self._supervisor.start()
        self._wait_until_ready(since)

    def _final_settings(self) -> Settings:
        settings = self.settings
        changes: dict[str, object] = {}
        if self._temporal is not None:
            changes |= {
                "temporal_address": self._temporal.address,
                "temporal_ui_url": self._temporal.ui_url,
            }
            if "temporal_task_queue" not in settings.model_fields_set:
                # Another installation's server may have the port when ours starts again.
                queue = f"paid-{instance_id(settings.data_dir)}"
                changes["temporal_task_queue"] = queue
        changes["gateway_socket"] = short_enough(settings.gateway_socket_path)
        return settings.changed(**changes)

    def _wait_until_ready(self, since: float) -> None:
        deadline = time.monotonic() + READY_SECONDS
        waiting = list(self._parts)
        while waiting:
            for part in list(waiting):
                if part.is_ready(since):
                    waiting.remove(part)
                    self._say(f"{part.name} is ready ({part.program.says})")
            if time.monotonic() > deadline:
                names = ", ".join(part.name for part in waiting)
                raise EmbeddedServiceError(
                    f"Not ready after {READY_SECONDS} s: {names}.",
                    hint=f"See the logs in {self.settings.data_dir / 'logs'}.",
                )
            time.sleep(0.1)


PATIENT_SECONDS = 60.0
"""So long our own PostgreSQL may not answer while its schema is brought up."""


def started(start: Callable[[], str]) -> str:
    """What a server's start gives; one that somebody kills meanwhile is started again."""
    for _ in range(FAIR_STARTS - 1):
        with suppress(ServerKilledError):
            return start()
    return start()
