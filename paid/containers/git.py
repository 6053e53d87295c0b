"""Git on the host, kept harmless: only in Paid's own mirrors, never where an agent can write.

Argument lists; an environment made from nothing; no hooks, no prompts, no system or user
configuration; a list of protocols; a time limit on the whole process group. The token travels in
the environment of the one command that needs it, as configuration of one address: it is in no
argument, no address, no file and no log.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit
from urllib.request import getproxies

from paid.errors import (
    BadInputError,
    ConfigurationError,
    DiskFullError,
    GitError,
    GitHubNotFoundError,
    GitHubUnauthorizedError,
    GitUnavailableError,
    PaidError,
)

QUICK_SECONDS = 60
TRANSFER_SECONDS = 1800
MOST_OUTPUT_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_STDERR_BYTES = 8 * 1024
_SHOWN_CHARS = 300
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.askPass": "",
    "credential.helper": "",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "http.followRedirects": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "push.recurseSubmodules": "no",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "core.sharedRepository": "0644",
}
"""Set for every command. Containers read the mirror as another user, hence the 0644."""


@dataclass(frozen=True)
class Output:
    """What a command printed. `errors` is the end of its standard error, without secrets."""

    code: int
    stdout: bytes
    errors: str


@dataclass(frozen=True)
class Access:
    """A remote repository, and the token for it (None: without)."""

    url: str
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse what is not plain https (or http on this machine), or carries a password."""
        parts = urlsplit(self.url)
        local = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if (parts.scheme != "https" and not local) or not parts.hostname:
            raise BadInputError(
                "The repository's address is not https.",
                hint="Plain http is accepted for this machine's loopback alone.",
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise BadInputError("The repository's address carries more than a path.")

    @property
    def scheme(self) -> str:
        """https or http."""
        return urlsplit(self.url).scheme

    def settings(self) -> dict[str, str]:
        """Git settings for this address alone."""
        found = {f"protocol.{self.scheme}.allow": "always"}
        if self.token is not None:
            found[f"http.{self.url}.extraHeader"] = f"Authorization: Basic {self._basic()}"
        return found

    def secrets(self) -> tuple[str, ...]:
        """What must not be seen, in the shapes that a server could echo."""
        return () if self.token is None else (self.token, self._basic())

    def _basic(self) -> str:
        return base64.b64encode(f"x-access-token:{self.token}".encode()).decode()


class Git:
    """Runs git in one bare repository of Paid's own.

    With `quarantine`, a folder, new objects go there, and are looked for there and in the
    repository: what is refused in the end never becomes part of it.
    """

    def __init__(self, repository: Path, quarantine: Path | None = None) -> None:
        self.repository = repository
        self._quarantine = quarantine

    def run(
        self,
        *arguments: str,
        access: Access | None = None,
        settings: Mapping[str, str] | None = None,
        accept: Sequence[int] = (0,),
        timeout_seconds: float = QUICK_SECONDS,
        stdin: bytes | IO[bytes] = b"",
        most_bytes: int = MOST_OUTPUT_BYTES,
    ) -> Output:
        """Run to the end.

        Raises GitUnavailableError at the time limit and when the remote cannot be reached,
        GitHubUnauthorizedError and GitHubNotFoundError as the remote says, GitError for every
        other exit code that is not in `accept` and for more output than `most_bytes`.
        """
        stdout = bytearray()
        with self._started(arguments, access, settings, timeout_seconds, stdin) as started:
            for chunk in started.chunks():
                stdout += chunk
                if len(stdout) > most_bytes:
                    raise GitError(f"git {arguments[0]} printed more than {most_bytes} bytes.")
        output = started.output(bytes(stdout))
        if output.code not in accept:
            raise _error_of(arguments[0], output, remote=access is not None, late=started.late)
        return output

    def text(self, *arguments: str, accept: Sequence[int] = (0,)) -> str:
        """The printed text without the last line's end."""
        printed = self.run(*arguments, accept=accept).stdout
        return printed.decode("utf-8", "replace").rstrip("\n")

    def stream(
        self, *arguments: str, timeout_seconds: float = QUICK_SECONDS * 5
    ) -> Iterator[bytes]:
        """Standard output piece by piece; the reader may stop early, and git is ended then."""
        with self._started(arguments, None, None, timeout_seconds, b"") as started:
            yield from started.chunks()
        output = started.output(b"")
        if output.code != 0:
            raise _error_of(arguments[0], output, remote=False, late=started.late)

    @contextmanager
    def _started(
        self,
        arguments: Sequence[str],
        access: Access | None,
        settings: Mapping[str, str] | None,
        timeout_seconds: float,
        stdin: bytes | IO[bytes],
    ) -> Iterator[_Started]:
        with _readable(stdin) as given, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [_program(), *arguments],
                cwd=self.repository,
                env=self._environment(access, settings or {}),
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # so that the time limit also ends git's own children
            )
            started = _Started(process, errors, access.secrets() if access else ())
            timer = threading.Timer(timeout_seconds, started.expire)
            timer.start()
            try:
                yield started
                process.wait()
            finally:
                timer.cancel()
                started.end()

    def _environment(self, access: Access | None, settings: Mapping[str, str]) -> Mapping[str, str]:
        environment = _environment(self.repository, access, settings)
        if self._quarantine is not None:
            environment["GIT_OBJECT_DIRECTORY"] = str(self._quarantine)
            environment["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(self.repository / "objects")
        return environment


@contextmanager
def _readable(given: bytes | IO[bytes]) -> Iterator[IO[bytes]]:
    """A file to read from; one that was given is read on from where its descriptor stands."""
    if not isinstance(given, bytes):
        yield given
        return
    with tempfile.TemporaryFile() as file:
        file.write(given)
        file.seek(0)
        yield file


class _Started:
    """One git process."""

    def __init__(
        self, process: subprocess.Popen[bytes], errors: IO[bytes], secrets: Sequence[str]
    ) -> None:
        self._process = process
        self._errors = errors
        self._secrets = secrets
        self._said = ""
        self.late = False

    def chunks(self) -> Iterator[bytes]:
        """Standard output as it comes."""
        assert self._process.stdout is not None  # noqa: S101 - Popen was given a pipe
        while chunk := self._process.stdout.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]
            yield chunk

    def expire(self) -> None:
        """Called at the time limit."""
        self.late = True
        self._kill()

    def end(self) -> None:
        """Leave nothing behind: not the group, not the pipe; keep the end of what it said."""
        self._kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - _STDERR_BYTES))
        self._said = self._errors.read().decode("utf-8", "replace").strip()

    def output(self, stdout: bytes) -> Output:
        """What came out, after the end."""
        errors = self._said
        for secret in self._secrets:
            errors = errors.replace(secret, "***")
        return Output(self._process.returncode, stdout, errors)

    def _kill(self) -> None:
        if self._process.returncode is not None:
            return  # reaped: its number may be another process's by now
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


@cache
def _program() -> str:
    found = shutil.which("git")
    if found is None:
        raise ConfigurationError("git is not installed.", hint="Install git 2.38 or newer.")
    return found


def _environment(
    repository: Path, access: Access | None, settings: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of a command; nothing of ours is inherited but the proxy."""
    every = {**_SETTINGS, **(access.settings() if access else {}), **settings}
    environment = {
        "PATH": f"{Path(_program()).parent}{os.pathsep}{os.defpath}",
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_DIR": str(repository),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_CONFIG_COUNT": str(len(every)),
    }
    for index, (key, value) in enumerate(every.items()):
        environment[f"GIT_CONFIG_KEY_{index}"] = key
        environment[f"GIT_CONFIG_VALUE_{index}"] = value
    if access is not None:
        environment.update(_proxies())
    return environment


def _proxies() -> dict[str, str]:
    names = {"http": "http_proxy", "https": "https_proxy", "no": "no_proxy"}
    return {names[kind]: url for kind, url in getproxies().items() if kind in names}


_REFUSED = (
    "authentication failed",
    "could not read username",  # what git says to a 401 when it may not ask anybody
    "returned error: 401",
    "returned error: 403",
)
_MISSING = ("returned error: 404", "returned error: 410", "repository not found", "' not found")
_UNREACHABLE = (
    "could not resolve",
    "failed to connect",
    "couldn't connect",
    "connection refused",
    "connection reset",
    "connection timed out",
    "operation timed out",
    "early eof",
    "rpc failed",
    "remote end hung up",
    "empty reply",
    "unable to rewind rpc",
    "ssl_error",
    "gnutls",
    "transfer closed",
    "requested url returned error: 5",
    "requested url returned error: 429",
)


def _error_of(command: str, output: Output, *, remote: bool, late: bool) -> PaidError:
    said = output.errors.lower()
    end = output.errors[-_SHOWN_CHARS:]
    if late:
        return GitUnavailableError(f"git {command} did not end in its time.")
    if "no space left" in said:
        return DiskFullError("The disk is full.", hint="Free some space; it is tried again.")
    if remote and any(words in said for words in _REFUSED):
        return GitHubUnauthorizedError(
            f"The remote refused git {command}: {end}",
            hint="The token is wrong, revoked, or may not write contents: give a new one.",
        )
    if remote and any(words in said for words in _MISSING):
        return GitHubNotFoundError(f"The remote has no such repository: {end}")
    if remote and any(words in said for words in _UNREACHABLE):
        return GitUnavailableError(f"The remote did not answer: {end}")
    return GitError(f"git {command} ended with {output.code}: {end}")
