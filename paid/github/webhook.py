"""GitHub's webhook: is it GitHub's, and is it news for a poll?

A delivery only says "look now": nothing in it is believed beyond that, because the poll asks
GitHub itself.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from paid.errors import BadInputError

MOST_BYTES = 25 * 1024 * 1024
"""GitHub sends no larger ones."""

Body = bytes | bytearray
"""A delivery as it came; no copy is made of a large one."""
MOST_READ_BYTES = 2 * 1024 * 1024
"""An issue's text, in escapes and twice (as it is, and as it was), comes to less. A body that is
larger is not read, though it is signed: to look once too often costs less than to read it."""

_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")
_DELIVERY = re.compile(r"[0-9A-Za-z-]{8,80}")
_FORM = b"payload="
_BEGINS = re.compile(rb"\s{0,64}\{")
_ENDS = re.compile(rb"\}\s*\Z")
_OF_ISSUES = frozenset({"labeled", "unlabeled", "closed", "reopened", "deleted", "transferred"})
_OF_LABELS = frozenset({"edited", "deleted"})
_OF_REPOSITORIES = frozenset(
    {"renamed", "transferred", "deleted", "edited", "archived", "unarchived"}
)
_NEWS = {
    "issues": _OF_ISSUES,
    "label": _OF_LABELS,
    "repository": _OF_REPOSITORIES,
}
"""What can start, end or refuse a run. Comments, pushes and edits of a text cannot: an agent reads
no comments, and the text as it was when the label was set."""


@dataclass(frozen=True)
class WebhookNews:
    """What a delivery is about. `look` says whether its kind of event can change anything.

    `label` is the label that was set, taken away, changed or renamed; `issue_labels` are those that
    the issue has. None of either means that the delivery does not say.
    """

    delivery_id: str
    event: str
    github_repo_id: int
    repository: str
    issue_number: int | None
    look: bool
    action: str = ""
    label: tuple[str, ...] | None = None
    issue_labels: tuple[str, ...] | None = None


def is_signature(signature: str | None) -> bool:
    """Whether a header could be a signature at all."""
    return signature is not None and _SIGNATURE.fullmatch(signature) is not None


def has_shape(body: Body) -> bool:
    """Whether a body could be a delivery, by its ends alone: one object, or a form with it."""
    return body.startswith(_FORM) or bool(_BEGINS.match(body) and _ENDS.search(body[-64:]))


def can_be_news(event: str | None) -> bool:
    """Whether a delivery of this kind has to be read; a label on a pull request is answered."""
    return event in _NEWS or event == "pull_request"


def matters(news: WebhookNews, ours: Collection[str], live_issues: Collection[int]) -> bool:
    """Whether a delivery can change anything for a project.

    `ours` are the names of its labels in lower case, `live_issues` the issues that have a run. What
    a delivery does not say counts as if it concerned the project.
    """
    if news.event == "pull_request":
        return news.action == "labeled" and _names_any(news.label, ours)
    if not news.look:
        return False
    if news.event == "label" or news.action in ("labeled", "unlabeled"):
        return _names_any(news.label, ours)
    if news.event == "issues":
        return news.issue_number in live_issues or _names_any(news.issue_labels, ours)
    return True


def _names_any(names: Collection[str] | None, ours: Collection[str]) -> bool:
    return names is None or any(name.lower() in ours for name in names)


def verify(secret: str, body: Body, signature: str | None) -> bool:
    """Whether `X-Hub-Signature-256` signs the raw body; in constant time, never by SHA-1."""
    if not secret or signature is None or not signature.isascii():
        return False
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"sha256={expected}", signature)


def parse(event: str | None, delivery_id: str | None, body: Body) -> WebhookNews | None:
    """What a delivery is about; None for one without a repository, such as an app's ping.

    To be called when `verify` has found a secret that signs the body, never before: a parsed body
    may take thirty times its size. Raises BadInputError for what GitHub does not send.
    """
    if event is None or delivery_id is None or not is_delivery(delivery_id):
        raise BadInputError("These are not the headers of a GitHub webhook.")
    if len(body) > MOST_BYTES:
        raise BadInputError("The webhook's body is larger than GitHub's are.")
    data = _object(body)
    repository = data.get("repository")
    if not isinstance(repository, dict):
        return None
    issue = data.get("pull_request" if event == "pull_request" else "issue")
    number = issue.get("number") if isinstance(issue, dict) else None
    action = data.get("action")
    return WebhookNews(
        delivery_id=delivery_id,
        event=event,
        github_repo_id=_number(repository.get("id")),
        repository=str(repository.get("full_name", ""))[:200],
        issue_number=number if isinstance(number, int) else None,
        look=action in _NEWS.get(event, ()),
        action=str(action or "")[:80],
        label=_label(data),
        issue_labels=_names(issue.get("labels")) if isinstance(issue, dict) else None,
    )


def is_delivery(delivery_id: str | None) -> bool:
    """Whether a header could be a delivery's id."""
    return delivery_id is not None and _DELIVERY.fullmatch(delivery_id) is not None


def _label(data: dict[str, Any]) -> tuple[str, ...] | None:
    """The label that a delivery is about, and what it was called before."""
    named = _names([data.get("label")])
    if named is None:
        return None
    changes = data.get("changes")
    renamed = changes.get("name") if isinstance(changes, dict) else None
    before = renamed.get("from") if isinstance(renamed, dict) else None
    return (*named, before) if isinstance(before, str) else named


def _names(labels: object) -> tuple[str, ...] | None:
    if not isinstance(labels, list):
        return None
    found = [label.get("name") if isinstance(label, dict) else None for label in labels]
    names = tuple(name for name in found if isinstance(name, str))
    return names if len(names) == len(found) else None


def _object(body: Body) -> dict[str, Any]:
    try:
        data = json.loads(_payload(body))
    except (ValueError, RecursionError):
        raise BadInputError("The webhook's body is not JSON.") from None
    if not isinstance(data, dict):
        raise BadInputError("The webhook's body is not a JSON object.")
    return data


def _payload(body: Body) -> Body:
    """The JSON; GitHub's page for a new webhook offers a form with one field first."""
    if not body.startswith(_FORM):
        return body
    return unquote_to_bytes(bytes(body[len(_FORM) :]).replace(b"+", b" "))


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**63:
        raise BadInputError("The webhook names no repository by its number.")
    return value
