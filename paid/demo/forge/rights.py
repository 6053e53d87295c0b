"""What a token may do, beside what its person may: fine-grained rights, and a classic one's scopes.

As in GitHub's page "Permissions required for fine-grained personal access tokens": labels and
comments of issues may be written by either of two rights.
"""

from __future__ import annotations

import re

from paid.demo.forge.errors import ApiError
from paid.demo.forge.world import Token

ACCEPTED = "x-accepted-github-permissions"
_LEVELS = {"read": 1, "write": 2}
_REPO = r"/repos/[^/]+/[^/]+"
_EITHER = ("issues", "pull_requests")
_NEEDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (rf"{_REPO}/pulls(/|$)", ("pull_requests",)),
    (rf"{_REPO}/issues/\d+/(labels|comments)", _EITHER),
    (rf"{_REPO}/issues/comments", _EITHER),
    (rf"{_REPO}/labels", _EITHER),
    (rf"{_REPO}/issues(/|$)", _EITHER[:1]),
    (rf"{_REPO}/statuses/", ("statuses",)),
    (rf"{_REPO}/(git|branches|commits)(/|$)", ("contents",)),
)


def check(token: Token | None, method: str, path: str) -> None:
    """Raise GitHub's 403 where a fine-grained token lacks the right for a request."""
    if token is None or token.rights is None:
        return
    level = "read" if method in ("GET", "HEAD") else "write"
    for pattern, accepted in _NEEDS:
        if re.search(pattern, path):
            if not any(has(token, right, level) for right in accepted):
                needed = "; ".join(f"{right}={level}" for right in accepted)
                raise ApiError(
                    403,
                    "Resource not accessible by personal access token",
                    headers={ACCEPTED: needed},
                )
            return


def has(token: Token | None, right: str, level: str) -> bool:
    """Whether a token has a right at a level; classic ones have all that their person has."""
    if token is None or token.rights is None:
        return True
    return _LEVELS.get(token.rights.get(right, ""), 0) >= _LEVELS[level]


def headers(token: Token | None) -> dict[str, str]:
    """What an answer says of the token: a classic one's scopes, and when it ends."""
    if token is None:
        return {}
    said = {} if token.rights is not None else {"x-oauth-scopes": token.scopes}
    if token.expires is not None:
        said["github-authentication-token-expiration"] = token.expires
    return said
