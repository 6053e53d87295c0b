"""Git on the host, kept harmless: only in Paid's own mirrors, never where an agent can write.

Argument lists; an environment made from nothing; no hooks, no prompts, no system or user
configuration; a list of protocols; limits of memory, processor time and file size on every process,
and a time limit on the whole group. The token travels in
the environment of the one command that needs it, as configuration of one address: it is in no
argument, no address, no file and no log.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from paid.containers.git_environment import Access, environment, program
from paid.containers.git_errors import Output, error_of, over_limit
from paid.containers.git_limits import CHANGE, CHANGE_SETTINGS, REPOSITORY, ProcessLimits
from paid.errors import ChangeTooLargeError, GitError

TRANSFER_SECONDS = 1800
MOST_OUTPUT_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_STDERR_BYTES = 8 * 1024


class Git:
    """Runs git in one bare repository of Paid's own.

    With `quarantine`, a folder, new objects go there, and are looked for there and in the
    repository: what is refused in the end never becomes part of it.
    """

    def __init__(
        self,
        repository: Path,
        quarantine: Path | None = None,
        limits: ProcessLimits = REPOSITORY,
    ) -> None:
        self.repository = repository
        self._quarantine = quarantine
        self._limits = limits

    def of_change(self) -> Git:
        """The same repository, for commands whose work an agent's commits decide.

        Their limits are narrow, and a command that meets one raises ChangeTooLargeError.
        """
        return Git(self.repository, self._quarantine, CHANGE)

    def run(
        self,
        *arguments: str,
        access: Access | None = None,
        settings: Mapping[str, str] | None = None,
        accept: Sequence[int] = (0,),
        timeout_seconds: float | None = None,
        stdin: bytes | IO[bytes] = b"",
        most_bytes: int = MOST_OUTPUT_BYTES,
    ) -> Output:
        """Run to the end.

        Raises GitUnavailableError at the time limit and when the remote cannot be reached,
        GitHubUnauthorizedError and GitHubNotFoundError as the remote says, GitError for every
        other exit code that is not in `accept` and for more output than `most_bytes`. With the
        limits of a change, whatever passes one of them is ChangeTooLargeError instead.
        `timeout_seconds` of None is what the limits say.
        """
        stdout = bytearray()
        with self._started(arguments, access, settings, timeout_seconds, stdin) as started:
            for chunk in started.chunks():
                stdout += chunk
                if len(stdout) > most_bytes:
                    raise self._too_much(arguments[0], most_bytes)
        output = started.output(bytes(stdout))
        if output.code not in accept:
            self._raise_if_over(arguments[0], output, late=started.late)
            raise error_of(arguments[0], output, remote=access is not None, late=started.late)
        return output

    def text(self, *arguments: str, accept: Sequence[int] = (0,)) -> str:
        """The printed text without the last line's end."""
        printed = self.run(*arguments, accept=accept).stdout
        return printed.decode("utf-8", "replace").rstrip("\n")

    def stream(self, *arguments: str, stdin: bytes | IO[bytes] = b"") -> Iterator[bytes]:
        """Standard output piece by piece; the reader may stop early, and git is ended then."""
        with self._started(arguments, None, None, None, stdin) as started:
            yield from started.chunks()
        output = started.output(b"")
        if output.code != 0:
            self._raise_if_over(arguments[0], output, late=started.late)
            raise error_of(arguments[0], output, remote=False, late=started.late)

    def _too_much(self, command: str, most_bytes: int) -> GitError | ChangeTooLargeError:
        said = f"git {command} printed more than {most_bytes} bytes."
        if self._limits is not CHANGE:
            return GitError(said)
        return ChangeTooLargeError(f"The change is too large to be listed: {said}")

    def _raise_if_over(self, command: str, output: Output, *, late: bool) -> None:
        if self._limits is CHANGE and (limit := over_limit(output, self._limits, late=late)):
            raise ChangeTooLargeError(
                f"The change is too large, or is made so, that git {command} needs more than"
                f" {limit} for it."
            )

    @contextmanager
    def _started(
        self,
        arguments: Sequence[str],
        access: Access | None,
        settings: Mapping[str, str] | None,
        timeout_seconds: float | None,
        stdin: bytes | IO[bytes],
    ) -> Iterator[_Started]:
        with _readable(stdin) as given, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                self._limits.command([program(), *arguments]),
                cwd=self.repository,
                env=self._environment(access, settings or {}),
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # so that the time limit also ends git's own children
            )
            started = _Started(process, errors, access.secrets() if access else ())
            timer = threading.Timer(timeout_seconds or self._limits.wall_seconds, started.expire)
            timer.start()
            try:
                yield started
                process.wait()
            finally:
                timer.cancel()
                started.end()

    def _environment(self, access: Access | None, settings: Mapping[str, str]) -> Mapping[str, str]:
        if self._limits is CHANGE:
            settings = {**CHANGE_SETTINGS, **settings}
        made = environment(self.repository, access, settings)
        if self._quarantine is not None:
            made["GIT_OBJECT_DIRECTORY"] = str(self._quarantine)
            made["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(self.repository / "objects")
        return made


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


__all__ = ["MOST_OUTPUT_BYTES", "TRANSFER_SECONDS", "Access", "Git", "Output"]
