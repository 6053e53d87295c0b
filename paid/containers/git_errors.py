"""What git's complaints mean: git has one exit code for most of them, and words for people."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from paid.containers.git_limits import ProcessLimits
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
_OWN_SETTINGS = (
    "certificate",
    "http code 407",
    "unsupported protocol",
    "url rejected",
    "malformed",
    "server verification failed",
)
"""What `unable to access` may have behind it and that stays as it is; all else is the network's."""
_IN_A_WHILE = ("rate limit", "abuse detection", "try again later", "maintenance", "is locked")
"""Words of a 403 that passes by itself: it says nothing of the token."""
IN_A_WHILE_SECONDS = 60.0
_TOO_LARGE = ("returned error: 413", "http 413")
_NOT_OF_THIS_KIND = (
    "The organisation takes no token of this kind or lifetime: make one that it takes."
)
_HINTS_OF_A_REFUSAL = (
    ("saml sso", "Authorize the token for the organisation's single sign-on, as the remote says."),
    ("archived", "Unarchive the repository: nobody can push to it."),
    ("suspended", "The token's account is suspended: use another one's."),
    ("ip allow list", "Have this machine's address put on the organisation's IP allow list."),
    ("has been disabled", "Its owner is told by GitHub why it is disabled; no token helps."),
    ("quota", "The repository, or its owner, is over a quota: no token helps before it is raised."),
    ("forbids access via", _NOT_OF_THIS_KIND),
    ("forbidden access via", _NOT_OF_THIS_KIND),
)


_NO_MEMORY = ("out of memory", "malloc failed", "mmap failed", "cannot allocate memory")
_ENDED_FOR_TIME = (-signal.SIGKILL, -signal.SIGXCPU)


def over_limit(output: Output, limits: ProcessLimits, *, late: bool) -> str:
    """Which limit a process met, in words; empty when it failed of something else."""
    said = output.errors.lower()
    if late:
        return f"{limits.wall_seconds:.0f} seconds"
    if output.code in _ENDED_FOR_TIME or "died of signal 9" in said:
        return f"{limits.processor_seconds} seconds of a processor"
    if output.code == -signal.SIGXFSZ or "file too large" in said:
        return f"{limits.file_bytes // 1024**2} MiB of disk"
    # a walk through folders in folders ends its stack, and a library that gets no memory aborts
    is_memory = output.code in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS)
    if is_memory or any(words in said for words in _NO_MEMORY):
        return f"{limits.memory_bytes // 1024**2} MiB of memory"
    return ""


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
        return _in_a_while(said, end) or _refusal(command, said, end)
    if remote and any(words in said for words in _TOO_LARGE):
        return _too_large(end)
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
    if remote and (any(words in said for words in _UNREACHABLE) or _is_the_networks(said)):
        return _in_a_while(said, end) or GitUnavailableError(f"The remote did not answer: {end}")
    return GitError(f"git {command} ended with {output.code}: {end}")


def _is_the_networks(said: str) -> bool:
    """Whether curl could not do its work: it has a hundred words for a line that broke."""
    if "unable to access '" not in said or "requested url returned error" in said:
        return False
    return not any(words in said for words in _OWN_SETTINGS)


def _in_a_while(said: str, end: str) -> GitUnavailableError | None:
    """The error for a server that wants to be left alone for some time; None for another one."""
    if "returned error: 429" not in said and not any(words in said for words in _IN_A_WHILE):
        return None
    error = GitUnavailableError(f"The remote wants to be asked again later: {end}")
    error.retry_after_seconds = IN_A_WHILE_SECONDS
    return error


def _too_large(end: str) -> GitError:
    """A server before the repository's, mostly, has a limit for bodies of requests."""
    return GitError(
        f"The remote, or a proxy before it, takes nothing of this size: {end}",
        hint="Raise its limit for the body of a request (nginx: client_max_body_size).",
        for_agent="The change is too large to be pushed: leave out what is generated, downloaded or"
        " packed, in every commit of this branch.",
    )


def _refusal(command: str, said: str, end: str) -> GitHubUnauthorizedError:
    if "could not read username" in said:
        end = "it does not accept the token."
    hint = "The token is wrong, revoked, or may not write contents: give a new one."
    for words, better in _HINTS_OF_A_REFUSAL:
        if words in said:
            hint = better
    return GitHubUnauthorizedError(f"The remote refused git {command}: {end}", hint=hint)
