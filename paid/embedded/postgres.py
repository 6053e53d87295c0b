"""A PostgreSQL server of our own: made, started, found again and stopped."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from paid.embedded.postgres_binaries import SYSTEM_FOLDER, Binaries, account
from paid.embedded.postgres_files import ENVIRONMENT, SUPERUSER, PostgresFiles
from paid.embedded.process import Command, Lock, ServerProcess, end_leftover
from paid.errors import EmbeddedServiceError

DATABASE = "paid"
SOCKET_PORT = 5432
START_SECONDS = 60
STOP_SECONDS = 20
UNSAFE_BUT_QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresServer:
    """PostgreSQL on a Unix socket in a private folder, with a password.

    `data_dir` is the folder that the server gets to itself; when its account cannot reach it, the
    files are kept elsewhere, below `system_folder` (see postgres_binaries). `port` adds a listener
    on loopback; without it there is none. `durable=False` is for tests: a power cut may lose
    everything.
    """

    name = "PostgreSQL"

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        durable: bool = True,
        max_connections: int = 200,
        binaries: Binaries | None = None,
        system_folder: Path = SYSTEM_FOLDER,
    ) -> None:
        self._files = PostgresFiles(data_dir, system_folder)
        self._tcp = port is not None
        self._port = port or SOCKET_PORT
        self._durable = durable
        self._max_connections = max_connections
        self._binaries = binaries
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

    def start(self) -> str:
        """Start it, making the database first if there is none; returns the database's URL.

        A server whose starter was killed is ended first. Raises EmbeddedServiceError when another
        living process runs it (see `attach`), or when it does not come up.
        """
        if self._process is not None:
            return self.url()
        self._files.folder.mkdir(parents=True, exist_ok=True)
        if not self._lock.take():
            raise EmbeddedServiceError(
                f"The PostgreSQL of {self._files.folder} belongs to a Paid that is running.",
                hint="Stop that one first, or use another PAID_DATA_DIR.",
            )
        try:
            self._launch()
        except BaseException:
            self.stop()
            raise
        return self.url()

    def attach(self) -> str | None:
        """The URL when another process runs this server right now; None when nobody does."""
        if not self._files.password_file.exists():
            return None
        try:
            self._connect("postgres").close()
        except psycopg.OperationalError:
            return None
        return self.url()

    def stop(self) -> None:
        """End open connections and stop; safe to call twice, or when it never started."""
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
        self._files.remove()

    def url(self, database: str = DATABASE) -> str:
        """A URL for SQLAlchemy and psycopg alike; it holds the password."""
        password = quote(self._files.password_file.read_text(), safe="")
        query = urlencode({"host": str(self._files.socket_folder), "port": self._port})
        return f"postgresql://{SUPERUSER}:{password}@/{quote(database, safe='')}?{query}"

    def create_database(self, name: str, template: str | None = None) -> str:
        """Make a database, as a copy of `template` if given; returns its URL.

        Nobody may be connected to the template. Raises EmbeddedServiceError when `name` is taken.
        """
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        try:
            self._execute(statement)
        except psycopg.Error as error:
            raise EmbeddedServiceError(f"The database {name} cannot be made: {error}") from error
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database and whoever is connected to it; nothing happens if there is none."""
        self._execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )

    # --- starting ---------------------------------------------------------------------------

    def _launch(self) -> None:
        marker = str(self._files.data)
        end_leftover(self._files.pid_file, marker, signal.SIGINT, STOP_SECONDS)
        binaries = self._files.make(self._binaries, durable=self._durable)
        self._process = ServerProcess(self._command(binaries))
        self._wait_until_it_answers(self._process)

    def _command(self, binaries: Binaries) -> Command:
        options = {
            "unix_socket_directories": str(self._files.socket_folder),
            "unix_socket_permissions": "0700",
            "listen_addresses": "127.0.0.1" if self._tcp else "",
            "port": str(self._port),
            "max_connections": str(self._max_connections),
            "log_timezone": "UTC",
            "timezone": "UTC",
            **({} if self._durable else UNSAFE_BUT_QUICK),
        }
        argv = [str(binaries.folder / "postgres"), "-D", str(self._files.data)]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        user = account()
        return Command(
            name="postgres",
            argv=argv,
            home=self._files.home,
            stop_signal=signal.SIGINT,  # "fast": roll back what is open, then stop
            grace_seconds=STOP_SECONDS,
            environment=ENVIRONMENT,
            user=None if user is None else user.pw_name,
        )

    def _wait_until_it_answers(self, process: ServerProcess) -> None:
        """Until our database is there; one that stops answering in between is asked again."""
        deadline = time.monotonic() + START_SECONDS
        while not process.ended():
            with suppress(psycopg.OperationalError):
                self._make_our_database()
                return
            if time.monotonic() > deadline:
                raise process.failure(f"did not answer within {START_SECONDS} s")
            time.sleep(0.02)
        raise process.failure("ended while it was starting")

    def _make_our_database(self) -> None:
        with self._connect("postgres") as connection:
            question = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(question, [DATABASE]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(self.url(database), autocommit=True, connect_timeout=5)

    def _execute(self, statement: sql.Composed) -> None:
        with self._connect("postgres") as connection:
            connection.execute(statement)
