"""What GitHub's answers mean: JSON, or one of the errors of `paid.errors`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from paid.errors import (
    GitHubError,
    GitHubNotFoundError,
    GitHubRateLimitedError,
    GitHubUnauthorizedError,
    GitHubUnavailableError,
)
from paid.github.limits import LEAST_SECONDS, retry_after_seconds
from paid.github.refusals import hint_of_403

_MESSAGE_CHARS = 300
_BELIEVED = frozenset({401, 403, 404, 410, 451})
"""Statuses that pause a project or end a run, when GitHub itself gives them, with its message."""
_ADDRESS = "Is there a proxy between? An API's address looks like https://HOST/api/v3."


@dataclass(frozen=True)
class Answer:
    """A successful answer: its JSON (None for an empty body) and its headers in lower case."""

    status: int
    headers: Mapping[str, str]
    data: Any


def read_answer(status: int, headers: Mapping[str, str], body: str) -> Answer:
    """The answer, or the error that it is. 304 is one whose body was kept."""
    if status >= 400:
        raise error_of(status, headers, body)
    if 300 <= status < 400 and status != 304:
        raise GitHubError(
            f"GitHub answered {status}, and not where to ask instead.",
            hint="Check the project's API address.",
        )
    if not body:
        return Answer(status, headers, None)
    try:
        return Answer(status, headers, json.loads(body))
    except (ValueError, RecursionError):
        raise nonsense("its JSON is cut or malformed") from None


def nonsense(what: str) -> GitHubUnavailableError:
    """The error for an answer that no GitHub gives; a proxy or an outage may have made it."""
    return GitHubUnavailableError(f"GitHub's answer makes no sense: {what}.", hint=_ADDRESS)


def error_of(status: int, headers: Mapping[str, str], body: str) -> GitHubError:
    """The error that a status of 400 or more stands for."""
    message = _message(body)
    wait = retry_after_seconds(status, headers, message, _now(headers))
    if wait is not None:
        return _limited(wait)
    said = f"GitHub answered {status}: {message or 'no reason given'}"
    if status in _BELIEVED and not message:
        # a proxy or a load balancer: to take its 404 for GitHub's would end runs and projects
        return GitHubUnavailableError(f"Something answered {status} for GitHub.", hint=_ADDRESS)
    if status == 401:
        return GitHubUnauthorizedError(
            said,
            hint="The token is wrong, expired or revoked. Make a new one; a project gets it with "
            "`paid project set OWNER/REPO --token-file FILE`.",
            status=status,
        )
    if status == 403:
        return GitHubUnauthorizedError(said, hint=hint_of_403(headers, message), status=status)
    if status in (404, 410, 451):
        return GitHubNotFoundError(said, hint="It is not there, or hidden from this token.")
    if status == 408 or status >= 500:
        return GitHubUnavailableError(said)
    return GitHubError(said)


def graphql_error(headers: Mapping[str, str], data: Any) -> GitHubError:
    """The error for a GraphQL answer without data; GitHub sends those with status 200.

    Its documents name RATE_LIMITED; "something went wrong" is what it says to its own time-outs.
    """
    errors = data.get("errors") if isinstance(data, dict) else None
    found = [error for error in errors if isinstance(error, dict)] if errors else []
    if any(error.get("type") == "RATE_LIMITED" for error in found):
        wait = retry_after_seconds(403, headers, "rate limit", _now(headers))
        return _limited(wait or LEAST_SECONDS)
    said = "; ".join(str(error.get("message", "")) for error in found)[:_MESSAGE_CHARS]
    if any(words in said.lower() for words in ("something went wrong", "timeout", "timed out")):
        return GitHubUnavailableError(f"GitHub answered a GraphQL question with: {said}")
    return GitHubError(f"GitHub refused the GraphQL question: {said or 'no reason given'}")


def _limited(wait: float) -> GitHubRateLimitedError:
    return GitHubRateLimitedError(
        f"GitHub's rate limit is reached; it may be asked again in {wait:.0f} s.",
        retry_after_seconds=wait,
    )


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """When the server answered, by its own clock; None when it does not say."""
    try:
        return parsedate_to_datetime(headers["date"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _now(headers: Mapping[str, str]) -> datetime:
    """The server's time, because it is by its clock that a limit ends; else our own."""
    return server_time(headers) or datetime.now(UTC)


def _message(body: str) -> str:
    """GitHub's own words, with the details that it gives for a refused field."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(data, dict):
        return ""
    errors = data.get("errors")
    parts = [data.get("message"), *map(_detail, errors if isinstance(errors, list) else [])]
    return "; ".join(part for part in parts if isinstance(part, str) and part)[:_MESSAGE_CHARS]


def _detail(error: Any) -> Any:
    """A sentence, or what GitHub gives for one: `head invalid`, `name already_exists`."""
    if not isinstance(error, dict):
        return error
    return error.get("message") or f"{error.get('field', '')} {error.get('code', '')}".strip()
