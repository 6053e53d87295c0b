"""A PostgreSQL server of our own: made, started, found again and stopped."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from paid.embedded import postgres_binaries
from paid.embedded.process import Command, Lock, ServerProcess, end_leftover
from paid.errors import EmbeddedServiceError

SUPERUSER = "paid"
DATABASE = "paid"
SOCKET_PORT = 5432
LONGEST_SOCKET_FOLDER = 80
"""A Unix socket's whole path must stay under 104 bytes (macOS) or 108 (Linux)."""
START_SECONDS = 60
STOP_SECONDS = 20
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
UNSAFE_BUT_QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresServer:
    """PostgreSQL on a Unix socket in a private folder, with a password.

    `data_dir` is the folder that the server gets to itself; when its account cannot reach it, the
    files are kept elsewhere (see postgres_binaries). `port` adds a listener on loopback; without
    it there is none. `durable=False` is for tests: a power cut may lose everything.
    """

    name = "PostgreSQL"

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        durable: bool = True,
        max_connections: int = 200,
        binaries: postgres_binaries.Binaries | None = None,
    ) -> None:
        self._folder = data_dir
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
        self._folder.mkdir(parents=True, exist_ok=True)
        if not self._lock.take():
            raise EmbeddedServiceError(
                f"The PostgreSQL of {self._folder} belongs to a Paid that is running.",
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
        if not self._password_file.exists():
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

    def destroy(self) -> None:
        """Stop, and remove every file; for tests."""
        self.stop()
        if self._folder.exists():
            shutil.rmtree(self._socket_folder, ignore_errors=True)
            shutil.rmtree(self._home, ignore_errors=True)
            shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str = DATABASE) -> str:
        """A URL for SQLAlchemy and psycopg alike; it holds the password."""
        password = quote(self._password_file.read_text(), safe="")
        query = urlencode({"host": str(self._socket_folder), "port": self._port})
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

    # --- where things are -------------------------------------------------------------------

    @cached_property
    def _home(self) -> Path:
        return postgres_binaries.reachable_folder(self._folder)

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @property
    def _password_file(self) -> Path:
        return self._folder / "password"

    @property
    def _socket_folder(self) -> Path:
        inside = self._home / "socket"
        if len(os.fsencode(inside)) <= LONGEST_SOCKET_FOLDER:
            return inside
        return Path(tempfile.gettempdir()) / f"paid-pg-{abs(self._home.stat().st_ino):x}"

    # --- making and starting ----------------------------------------------------------------

    def _launch(self) -> None:
        marker = str(self._data)
        end_leftover(self._data / "postmaster.pid", marker, signal.SIGINT, STOP_SECONDS)
        binaries = self._choose_binaries()
        if not (self._data / "PG_VERSION").exists():
            self._initialise(binaries)
        self._make_private(self._socket_folder)
        self._process = ServerProcess(self._command(binaries))
        self._wait_until_it_answers(self._process)
        self._make_our_database()

    def _choose_binaries(self) -> postgres_binaries.Binaries:
        """Those that can read the data, whatever newer ones were installed since."""
        if self._binaries is not None:
            return postgres_binaries.reachable_binaries(self._binaries)
        version_file = self._data / "PG_VERSION"
        major = int(version_file.read_text()) if version_file.exists() else None
        return postgres_binaries.reachable_binaries(postgres_binaries.find(major))

    def _initialise(self, binaries: postgres_binaries.Binaries) -> None:
        """Run initdb beside the final place, so that an interrupted one is never taken for done."""
        unfinished = self._home / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._make_private(unfinished)
        password = secrets.token_urlsafe(32)
        handed_over = self._home / "password.initdb"
        self._write_private(handed_over, password)
        self._make_ours(handed_over)
        try:
            argv = [f"{binaries.folder}/initdb", f"--pgdata={unfinished}", "--locale=C"]
            argv += [f"--username={SUPERUSER}", f"--pwfile={handed_over}", "--auth=scram-sha-256"]
            argv += ["--encoding=UTF8", "--no-instructions"]
            self._run(argv if self._durable else [*argv, "--no-sync"])
        finally:
            handed_over.unlink()
        self._write_private(self._password_file, password)
        unfinished.rename(self._data)

    def _command(self, binaries: postgres_binaries.Binaries) -> Command:
        options = {
            "unix_socket_directories": str(self._socket_folder),
            "unix_socket_permissions": "0700",
            "listen_addresses": "127.0.0.1" if self._tcp else "",
            "port": str(self._port),
            "max_connections": str(self._max_connections),
            "log_timezone": "UTC",
            "timezone": "UTC",
            **({} if self._durable else UNSAFE_BUT_QUICK),
        }
        argv = [str(binaries.folder / "postgres"), "-D", str(self._data)]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        user = postgres_binaries.account()
        return Command(
            name="postgres",
            argv=argv,
            home=self._home,
            stop_signal=signal.SIGINT,  # "fast": roll back what is open, then stop
            grace_seconds=STOP_SECONDS,
            environment=ENVIRONMENT,
            user=None if user is None else user.pw_name,
        )

    def _wait_until_it_answers(self, process: ServerProcess) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not process.ended():
            with suppress(psycopg.OperationalError):
                self._connect("postgres").close()
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

    # --- small steps ------------------------------------------------------------------------

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(self.url(database), autocommit=True, connect_timeout=5)

    def _execute(self, statement: sql.Composed) -> None:
        with self._connect("postgres") as connection:
            connection.execute(statement)

    def _run(self, argv: Sequence[str]) -> None:
        """Run a program to its end as PostgreSQL's account."""
        user = postgres_binaries.account()
        done = subprocess.run(
            argv,
            env=ENVIRONMENT,
            cwd=self._home,
            capture_output=True,
            text=True,
            check=False,
            user=None if user is None else user.pw_uid,
            group=None if user is None else user.pw_gid,
            extra_groups=None if user is None else [],
        )
        if done.returncode != 0:
            raise EmbeddedServiceError(f"{Path(argv[0]).name} failed: {done.stderr.strip()}")

    def _make_private(self, folder: Path) -> None:
        """A folder that PostgreSQL's account alone can enter; refuses one made by others."""
        folder.mkdir(mode=0o700, exist_ok=True)
        user = postgres_binaries.account()
        owner = os.geteuid() if user is None else user.pw_uid
        if folder.stat().st_uid not in (owner, os.geteuid()) or folder.is_symlink():
            raise EmbeddedServiceError(f"{folder} belongs to somebody else.", hint="Remove it.")
        self._make_ours(folder)
        folder.chmod(0o700)

    def _make_ours(self, path: Path) -> None:
        user = postgres_binaries.account()
        if user is not None:
            os.chown(path, user.pw_uid, user.pw_gid)

    def _write_private(self, path: Path, text: str) -> None:
        path.unlink(missing_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(text)
