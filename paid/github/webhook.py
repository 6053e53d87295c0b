"""GitHub's webhook: is it GitHub's, and is it news for a poll?

A delivery only says "look now": nothing in it is believed beyond that, because the poll asks
GitHub itself.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from paid.errors import BadInputError

MOST_BYTES = 25 * 1024 * 1024
"""GitHub sends no larger ones."""

_DELIVERY = re.compile(r"[0-9A-Za-z-]{8,80}")
_FORM = b"payload="
_NEWS = frozenset({"issues", "label", "issue_comment", "repository", "push"})
_ACTIONS = frozenset(
    {"labeled", "unlabeled", "closed", "reopened", "deleted", "transferred", "edited", "renamed"}
)


@dataclass(frozen=True)
class WebhookNews:
    """What a delivery is about. `look` says whether the project's poll should look at once."""

    delivery_id: str
    event: str
    github_repo_id: int
    repository: str
    issue_number: int | None
    look: bool


def verify(secret: str, body: bytes, signature: str | None) -> bool:
    """Whether `X-Hub-Signature-256` signs the raw body; in constant time, never by SHA-1."""
    if not secret or signature is None or not signature.isascii():
        return False
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"sha256={expected}", signature)


def parse(event: str | None, delivery_id: str | None, body: bytes) -> WebhookNews | None:
    """What a delivery is about; None for one without a repository, such as an app's ping.

    To be called before `verify`, too, to find the project whose secret signs: so nothing in here
    may be trusted yet. Raises BadInputError for what GitHub does not send.
    """
    if event is None or delivery_id is None or not _DELIVERY.fullmatch(delivery_id):
        raise BadInputError("These are not the headers of a GitHub webhook.")
    if len(body) > MOST_BYTES:
        raise BadInputError("The webhook's body is larger than GitHub's are.")
    data = _object(body)
    repository = data.get("repository")
    if not isinstance(repository, dict):
        return None
    issue = data.get("issue")
    number = issue.get("number") if isinstance(issue, dict) else None
    action = data.get("action")
    return WebhookNews(
        delivery_id=delivery_id,
        event=event,
        github_repo_id=_number(repository.get("id")),
        repository=str(repository.get("full_name", ""))[:200],
        issue_number=number if isinstance(number, int) else None,
        look=event in _NEWS and (action in _ACTIONS or event == "issue_comment"),
    )


def _object(body: bytes) -> dict[str, object]:
    try:
        data = json.loads(_payload(body))
    except (ValueError, RecursionError):
        raise BadInputError("The webhook's body is not JSON.") from None
    if not isinstance(data, dict):
        raise BadInputError("The webhook's body is not a JSON object.")
    return data


def _payload(body: bytes) -> bytes:
    """The JSON; GitHub's page for a new webhook offers a form with one field first."""
    if not body.startswith(_FORM):
        return body
    return unquote_to_bytes(body[len(_FORM) :].replace(b"+", b" "))


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**63:
        raise BadInputError("The webhook names no repository by its number.")
    return value
