"""What an embedded PostgreSQL keeps on disk: its data, its password, its socket's folder."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from paid.embedded import postgres_binaries
from paid.embedded.postgres_binaries import SYSTEM_FOLDER, Binaries
from paid.errors import EmbeddedServiceError

SUPERUSER = "paid"
LONGEST_SOCKET_FOLDER = 80
"""A Unix socket's whole path must stay under 104 bytes (macOS) or 108 (Linux)."""
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def place_of(folder: Path) -> Path | None:
    """Where the data of the server of `folder` is; None when there is none yet, or not any more."""
    try:
        data = Path((folder / "place").read_text().strip()) / "data"
    except FileNotFoundError:
        return None
    return data if data.is_dir() else None


class PostgresFiles:
    """The files of one server: `folder` is ours, and what is in `home` may be its account's."""

    def __init__(self, folder: Path, system_folder: Path = SYSTEM_FOLDER) -> None:
        self.folder = folder
        self._system_folder = system_folder
        self.password_file = folder / "password"
        self._place_file = folder / "place"  # where the data is, for people and for _set_aside

    @cached_property
    def home(self) -> Path:
        """`folder`, or the place that the server's account can reach instead."""
        return postgres_binaries.reachable_folder(self.folder, self._system_folder)

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def pid_file(self) -> Path:
        """PostgreSQL's own; its first line is the process."""
        return self.data / "postmaster.pid"

    @property
    def socket_folder(self) -> Path:
        inside = self.home / "socket"
        if len(os.fsencode(inside)) <= LONGEST_SOCKET_FOLDER:
            return inside
        return Path(tempfile.gettempdir()) / f"paid-pg-{self.home.stat().st_ino:x}"

    def make(self, binaries: Binaries | None, *, durable: bool) -> Binaries:
        """Make what is missing; returns the programs that fit the data.

        `binaries` None means those that can read the data, whatever newer ones there are, and for
        new data the newest.
        """
        if self._major() is not None and not self.password_file.exists():
            self._set_aside()
        chosen = postgres_binaries.reachable_binaries(
            binaries or postgres_binaries.find(self._major()), self._system_folder
        )
        if self._major() is None:
            self._initialise(chosen, durable=durable)
        _make_private(self.socket_folder)
        return chosen

    def remove(self) -> None:
        """Remove every file."""
        if self.folder.exists():
            for folder in (self.socket_folder, self.home, self.folder):
                shutil.rmtree(folder, ignore_errors=True)

    def _major(self) -> int | None:
        version_file = self.data / "PG_VERSION"
        return int(version_file.read_text()) if version_file.exists() else None

    def _set_aside(self) -> None:
        """Keep data elsewhere whose folder was removed, as one older copy: it was meant to go.

        Raises EmbeddedServiceError when the folder is there and only the password is not.
        """
        if self.home == self.folder.resolve() or self._place_file.exists():
            raise EmbeddedServiceError(
                f"The password of the data in {self.data} is gone.",
                hint=f"Restore {self.password_file}, or move the data away to start afresh.",
            )
        older = self.home / "data.old"
        shutil.rmtree(older, ignore_errors=True)
        self.data.rename(older)

    def _initialise(self, binaries: Binaries, *, durable: bool) -> None:
        """Run initdb beside the final place, so that an interrupted one is never taken for done."""
        unfinished = self.home / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        _make_private(unfinished)
        password = secrets.token_urlsafe(32)
        handed_over = self.home / "password.initdb"
        _write_private(handed_over, password)
        _give_to_account(handed_over)
        argv = [f"{binaries.folder}/initdb", f"--pgdata={unfinished}", "--locale=C"]
        argv += [f"--username={SUPERUSER}", f"--pwfile={handed_over}", "--auth=scram-sha-256"]
        argv += ["--encoding=UTF8", "--no-instructions", *([] if durable else ["--no-sync"])]
        try:
            _run_as_account(argv, self.home)
        finally:
            handed_over.unlink()
        _write_private(self.password_file, password)
        self._place_file.write_text(f"{self.home}\n")
        unfinished.rename(self.data)


def _run_as_account(argv: Sequence[str], cwd: Path) -> None:
    user = postgres_binaries.account()
    done = subprocess.run(
        argv,
        env=ENVIRONMENT,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        user=None if user is None else user.pw_uid,
        group=None if user is None else user.pw_gid,
        extra_groups=None if user is None else [],
    )
    if done.returncode != 0:
        raise EmbeddedServiceError(f"{Path(argv[0]).name} failed: {done.stderr.strip()}")


def _make_private(folder: Path) -> None:
    """A folder that PostgreSQL's account alone can enter; refuses one made by others."""
    folder.mkdir(mode=0o700, exist_ok=True)
    user = postgres_binaries.account()
    owners = {os.geteuid(), os.geteuid() if user is None else user.pw_uid}
    if folder.is_symlink() or folder.stat().st_uid not in owners:
        raise EmbeddedServiceError(f"{folder} belongs to somebody else.", hint="Remove it.")
    _give_to_account(folder)
    folder.chmod(0o700)


def _give_to_account(path: Path) -> None:
    user = postgres_binaries.account()
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
