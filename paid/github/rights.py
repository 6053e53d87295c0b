"""What a token itself may do in a repository, found out without doing anything.

The repository's description has the rights of the person behind the token, and a fine-grained token
may have fewer. So GitHub is asked for three things that cannot succeed: it answers 403 to who may
not, and 422 to who may. For git there is the first half of a push, which changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from paid.errors import GitHubError, GitHubRateLimitedError, GitHubUnauthorizedError
from paid.github.connection import Connection
from paid.github.limits import LEAST_SECONDS, speaks_of_a_limit
from paid.plain import plain

NEVER_A_BRANCH = "paid/rights..probe"
"""Git takes no name with two dots in a row, so there never is such a branch."""
PUSH_SECONDS = 15
_EXPIRY = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)\s*(UTC|GMT|Z|[+-]\d\d:?\d\d)?")
_SAID_CHARS = 200


@dataclass(frozen=True)
class Missing:
    """A right that a token lacks, as GitHub's page for tokens calls it, and how GitHub said so."""

    right: str
    said: str


def missing_rights(
    connection: Connection, repo: str, default_branch: str, clone_url: str, token: str
) -> tuple[Missing, ...]:
    """The rights that a run needs and the token lacks, of those that GitHub tells of.

    Raises GitHubError when GitHub does not answer, or does not know the token.
    """
    path = "/repos/" + "/".join(quote(part, safe="") for part in repo.split("/", 1))
    pull = {"title": "-", "head": NEVER_A_BRANCH, "base": default_branch}
    found = (
        _push(clone_url, token),
        _probe(connection, "Issues: write", f"{path}/issues", {}),
        _probe(connection, "Pull requests: write", f"{path}/pulls", pull),
    )
    return tuple(missing for missing in found if missing is not None)


def expiry(header: str | None) -> datetime | None:
    """When a token ends, from GitHub's header; None when it does not say.

    GitHub writes `2026-12-31 23:59:59 UTC`, or with an offset `2026-12-31 23:59:59 +0100`.
    """
    match = _EXPIRY.fullmatch((header or "").strip())
    if match is None:
        return None
    day, time, zone = match.groups()
    offset = "+0000" if zone in (None, "UTC", "GMT", "Z") else zone.replace(":", "")
    try:
        return datetime.strptime(f"{day} {time} {offset}", "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _probe(connection: Connection, right: str, path: str, body: dict[str, Any]) -> Missing | None:
    """Ask for what cannot be done. Only a 403 says that the token may not."""
    try:
        connection.write("POST", path, body)
    except GitHubUnauthorizedError as error:
        if error.status == 403:
            return Missing(right, error.message)
        raise
    except GitHubError as error:
        if error.retryable:
            raise
    return None


def _push(clone_url: str, token: str) -> Missing | None:
    """Ask where the branches are, as a push does first.

    A server that does not answer this, or sends elsewhere, has not said that the token may not.
    """
    if urlsplit(clone_url).scheme not in ("http", "https"):
        return None
    try:
        answer = requests.get(
            f"{clone_url.rstrip('/')}/info/refs",
            params={"service": "git-receive-pack"},
            auth=("x-access-token", token),
            timeout=PUSH_SECONDS,
            allow_redirects=False,
            stream=True,
        )
    except requests.exceptions.RequestException:
        return None
    with answer:
        if answer.status_code not in (401, 403):
            return None
        said = answer.raw.read(_SAID_CHARS, decode_content=True)
        words = plain(said.decode("utf-8", "replace")).strip().replace("\n", " ")
        if speaks_of_a_limit(words):
            raise GitHubRateLimitedError(
                f"git was answered {answer.status_code}: {words}", retry_after_seconds=LEAST_SECONDS
            )
        return Missing("Contents: write", f"git was answered {answer.status_code}: {words}")
