"""What git's complaints mean: git has one exit code for most of them, and words for people."""

from __future__ import annotations

from dataclasses import dataclass

from paid.errors import (
    DiskFullError,
    GitError,
    GitHubNotFoundError,
    GitHubUnauthorizedError,
    GitUnavailableError,
    PaidError,
)

_SHOWN_CHARS = 300


@dataclass(frozen=True)
class Output:
    """What a command printed. `errors` is the end of its standard error, without secrets."""

    code: int
    stdout: bytes
    errors: str


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


def error_of(command: str, output: Output, *, remote: bool, late: bool) -> PaidError:
    """The error for an exit code that was not expected.

    `remote` says whether a server was asked, `late` whether the time limit ended it.
    """
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
