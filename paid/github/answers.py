"""What GitHub's answers mean: JSON, or one of the errors of `paid.errors`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from paid.errors import (
    GitHubError,
    GitHubNotFoundError,
    GitHubRateLimitedError,
    GitHubUnauthorizedError,
    GitHubUnavailableError,
)
from paid.github.limits import retry_after_seconds

_MESSAGE_CHARS = 300


@dataclass(frozen=True)
class Answer:
    """A successful answer: its JSON (None for an empty body) and its headers in lower case."""

    status: int
    headers: Mapping[str, str]
    data: Any


def read_answer(status: int, headers: Mapping[str, str], body: str) -> Answer:
    """The answer, or the error that it is."""
    if status >= 400:
        raise error_of(status, headers, body)
    if not body:
        return Answer(status, headers, None)
    try:
        return Answer(status, headers, json.loads(body))
    except (ValueError, RecursionError):
        raise nonsense("its JSON is cut or malformed") from None


def nonsense(what: str) -> GitHubUnavailableError:
    """The error for an answer that no GitHub gives; a proxy or an outage may have made it."""
    return GitHubUnavailableError(f"GitHub's answer makes no sense: {what}.")


def error_of(status: int, headers: Mapping[str, str], body: str) -> GitHubError:
    """The error that a status of 400 or more stands for."""
    message = _message(body)
    wait = retry_after_seconds(status, headers, message, datetime.now(UTC))
    if wait is not None:
        return GitHubRateLimitedError(
            f"GitHub's rate limit is reached; it may be asked again in {wait:.0f} s.",
            retry_after_seconds=wait,
        )
    said = f"GitHub answered {status}: {message or 'no reason given'}"
    if status == 401:
        return GitHubUnauthorizedError(
            said, hint="The token is wrong, expired or revoked: give the project a new one."
        )
    if status == 403:
        return GitHubUnauthorizedError(
            said, hint="The token lacks a right: it needs to write contents, issues and pulls."
        )
    if status in (404, 410, 451):
        return GitHubNotFoundError(said, hint="It is not there, or hidden from this token.")
    if status == 408 or status >= 500:
        return GitHubUnavailableError(said)
    return GitHubError(said)


def _message(body: str) -> str:
    """GitHub's own words, with the details that it gives for a refused field."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(data, dict):
        return ""
    parts = [data.get("message")]
    errors = data.get("errors")
    for item in errors if isinstance(errors, list) else []:
        parts.append(item.get("message") if isinstance(item, dict) else item)
    return "; ".join(part for part in parts if isinstance(part, str) and part)[:_MESSAGE_CHARS]
