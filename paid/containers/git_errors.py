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
    # an advertisement that breaks off; without ssh the words that follow it, on rights, mislead
    "could not read from remote repository",
    "protocol error",
)
_MOVED = ("requested url returned error: 30", "unable to update url base from redirection")
_HINTS_OF_A_REFUSAL = (
    ("saml sso", "Authorize the token for the organisation's single sign-on, as the remote says."),
    ("archived", "Unarchive the repository: nobody can push to it."),
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
        return _refusal(command, said, end)
    if remote and any(words in said for words in _MISSING):
        return GitHubNotFoundError(f"The remote has no such repository: {end}")
    if remote and any(words in said for words in _MOVED):
        return GitUnavailableError(
            f"The repository has another address now: {end}",
            hint="A new name is taken over at the next look at the project, and this tried again.",
        )
    if "mismatched algorithms" in said:
        return GitError(
            "The repository names its objects by SHA-256; Paid works with SHA-1 ones, as GitHub's.",
            hint="Convert the repository, or leave it out of Paid.",
        )
    if remote and any(words in said for words in _UNREACHABLE):
        return GitUnavailableError(f"The remote did not answer: {end}")
    return GitError(f"git {command} ended with {output.code}: {end}")


def _refusal(command: str, said: str, end: str) -> GitHubUnauthorizedError:
    if "could not read username" in said:
        end = "it does not accept the token."
    hint = "The token is wrong, revoked, or may not write contents: give a new one."
    for words, better in _HINTS_OF_A_REFUSAL:
        if words in said:
            hint = better
    return GitHubUnauthorizedError(f"The remote refused git {command}: {end}", hint=hint)
