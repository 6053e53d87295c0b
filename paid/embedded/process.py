"""A server as a child process: started through the lifeline, stopped in order, never doubled."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from paid.embedded import lifeline
from paid.errors import EmbeddedServiceError, ServerKilledError

LOG_KEPT_BYTES = 10_000_000
LOG_TAIL_BYTES = 2_000


@dataclass(frozen=True)
class Command:
    """A server's command line and how it wants to be stopped.

    `environment` is all that the server gets to see: what Paid was started with holds keys, and a
    server has no use for them. `user` is the account to run as; None means our own.
    """

    name: str
    argv: Sequence[str]
    home: Path
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 15
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None

    @property
    def log_file(self) -> Path:
        return self.home / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        return self.home / f"{self.name}.pid"


class ServerProcess:
    """One running server and the pipe that keeps it alive."""

    def __init__(self, command: Command) -> None:
        self.command = command
        rotate(command.log_file)
        with command.log_file.open("ab") as log:
            self._lifeline = subprocess.Popen(
                _lifeline_argv(command),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(command.environment),
                start_new_session=True,  # Ctrl-C reaches us alone: servers stop last, in order
            )

    def ended(self) -> bool:
        """True when the server has stopped, for whatever reason."""
        return self._lifeline.poll() is not None

    def was_killed(self) -> bool:
        """True when SIGKILL has ended the server, or what holds its lifeline.

        Our programs and servers end with no such status by themselves (`lifeline.main`).
        """
        status = self._lifeline.poll()
        return status in (-signal.SIGKILL, lifeline.KILLED + signal.SIGKILL)

    def stop(self) -> None:
        """Stop the server and wait until it is gone; safe to call twice."""
        if self._lifeline.stdin is not None:
            with suppress(BrokenPipeError):
                self._lifeline.stdin.close()
        try:
            self._lifeline.wait(self.command.grace_seconds + 10)
        except subprocess.TimeoutExpired:
            self._lifeline.kill()
            self._lifeline.wait()

    def failure(self, what: str) -> EmbeddedServiceError:
        """An error that carries the last words of the server's log."""
        kind = ServerKilledError if self.was_killed() else EmbeddedServiceError
        return kind(
            f"{self.command.name} {what}: {tail(self.command.log_file)}",
            hint=f"Its log is {self.command.log_file}.",
        )


def _lifeline_argv(command: Command) -> list[str]:
    argv = [sys.executable, "-I", "-S", lifeline.__file__]
    argv += ["--signal", command.stop_signal.name, "--grace-seconds", str(command.grace_seconds)]
    argv += ["--pid-file", str(command.pid_file), "--cwd", str(command.home)]
    if command.user is not None:
        argv += ["--user", command.user]
    return [*argv, "--", *command.argv]


class Lock:
    """Says that this process owns a server's folder; the kernel lets go when the process ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """True while this object owns the folder."""
        return self._fd is not None

    def take(self) -> bool:
        """True when nobody else owns it."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def rotate(log_file: Path) -> None:
    """Keep one older log, so that a server which talks for years does not fill the disk."""
    if log_file.exists() and log_file.stat().st_size > LOG_KEPT_BYTES:
        log_file.replace(log_file.with_suffix(".log.1"))


def tail(log_file: Path) -> str:
    """The last few lines of a log, or a word that says there are none."""
    try:
        with log_file.open("rb") as log:
            log.seek(max(0, log_file.stat().st_size - LOG_TAIL_BYTES))
            return log.read().decode(errors="replace").strip() or "it said nothing"
    except OSError:
        return "it left no log"


def read_pid(pid_file: Path) -> int | None:
    """The number in a pid file's first line, or None."""
    try:
        return int(pid_file.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _command_line(pid: int) -> str:
    """A process's arguments, separated by spaces; empty when it is gone or a zombie.

    Slim containers have no `ps`, and only Linux has /proc.
    """
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, UnicodeDecodeError):
            return ""
    argv = ["ps", "-o", "stat=,args=", "-p", str(pid)]
    line = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
    return "" if line.startswith("Z") else line


def is_running(pid: int, marker: str) -> bool:
    """True when the process lives and its command line holds `marker`.

    The number alone proves nothing: it may have been given to somebody else since.
    """
    return marker in _command_line(pid)


def end_leftover(pid_file: Path, marker: str, stop_signal: signal.Signals, grace: float) -> None:
    """End a server that outlived its starter: wait while it stops by itself, then insist."""
    pid = read_pid(pid_file)
    if pid is None or not is_running(pid, marker):
        return
    for number, seconds in ((stop_signal, grace), (signal.SIGKILL, 10.0)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not is_running(pid, marker):
                return
            time.sleep(0.1)
    raise EmbeddedServiceError(
        f"A server that an earlier Paid left behind (process {pid}) does not end.",
        hint=f"End it with `kill -9 {pid}`, then start again.",
    )
