"""GitHub's JSON into our own words; what does not fit is nonsense, never a crash."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from paid.errors import GitHubError
from paid.github.answers import nonsense
from paid.github.words import (
    GHOST,
    Comment,
    Edit,
    IssueSeen,
    LabelEvent,
    PullRequestSeen,
    Repository,
)

T = TypeVar("T")

_PERMISSIONS = ("admin", "maintain", "write", "triage", "read", "none")
_WRITING_SCOPES = frozenset({"repo", "public_repo"})


def read(parse: Callable[[Any], T], data: Any) -> T:
    """`parse(data)`, with whatever a malformed answer makes it raise as one error."""
    try:
        return parse(data)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise nonsense(f"a field is missing or odd ({type(error).__name__})") from None


def login(data: Any) -> str:
    """A user's login."""
    return _text(data["login"])


def repository(data: Any, *, empty: bool, scopes: str | None) -> Repository:
    """A repository.

    `scopes` is a classic token's list of scopes: the permissions in the answer are the person's,
    and a classic token may have less. Fine-grained tokens have no such list.
    """
    permissions = data.get("permissions") or {}
    can_push = bool(permissions.get("push") or permissions.get("admin"))
    listed = {scope.strip() for scope in (scopes or "").split(",") if scope.strip()}
    if listed and not listed & _WRITING_SCOPES:
        can_push = False
    return Repository(
        github_id=_number(data["id"]),
        full_name=_text(data["full_name"]),
        default_branch=_text(data["default_branch"]),
        clone_url=_text(data["clone_url"]),
        html_url=_text(data["html_url"]),
        private=bool(data["private"]),
        archived=bool(data.get("archived", False)),
        can_push=can_push and not data.get("archived", False),
        empty=empty,
        disabled=bool(data.get("disabled", False)),
        has_issues=data.get("has_issues") is not False,
        has_pull_requests=data.get("has_pull_requests") is not False,
    )


def issue(data: Any) -> IssueSeen:
    """An issue, or a pull request seen as one."""
    return IssueSeen(
        number=_number(data["number"]),
        github_id=_number(data["id"]),
        title=_text(data["title"]),
        body=_text(data.get("body") or ""),
        author=_person(data.get("user")),
        labels=tuple(_label(label) for label in data["labels"]),
        state=_text(data["state"]),
        updated_at=moment(data["updated_at"]),
        html_url=_text(data["html_url"]),
        is_pull_request=data.get("pull_request") is not None,
        closed_at=moment(data["closed_at"]) if data.get("closed_at") else None,
    )


def rename(data: Any) -> Edit | None:
    """An event that changed the title; None for every other kind of event."""
    if data["event"] != "renamed":
        return None
    return Edit(_person(data.get("actor")), moment(data["created_at"]))


def label_event(data: Any) -> LabelEvent | None:
    """A label event; None for every other kind of event."""
    kind = data["event"]
    if kind not in ("labeled", "unlabeled"):
        return None
    return LabelEvent(
        id=_number(data["id"]),
        label=_label(data["label"]),
        actor=_person(data.get("actor")),
        at=moment(data["created_at"]),
        added=kind == "labeled",
    )


SILENT = "GitHub does not say when the issue was edited."


def last_edit(data: Any) -> Edit | None:
    """The last edit of an issue's body, told by GraphQL; None when it was never edited.

    Raises GitHubError when the answer does not say.
    """
    try:
        found = data["repository"]["issue"]
        edited_at = found["lastEditedAt"]
        return edited_at and Edit(actor(found["editor"]), moment(edited_at))
    except (KeyError, TypeError, ValueError):
        raise GitHubError(SILENT) from None


def actor(data: Any) -> str:
    """A login in GraphQL's answer, as REST has it: GraphQL leaves a bot's `[bot]` out.

    Without, an app would be taken for the person who has its name for a login.
    """
    login = _person(data)
    is_bot = data is not None and data.get("__typename") == "Bot"
    return login if not is_bot or login.endswith("[bot]") else f"{login}[bot]"


def permission(data: Any) -> str:
    """The finest word that the answer has: `role_name` knows triage and maintain.

    A custom role's name says nothing, so the coarse word counts then.
    """
    for word in (data.get("role_name"), data["permission"]):
        if word in _PERMISSIONS:
            return str(word)
    return "none"


def comment(data: Any) -> Comment:
    """A comment."""
    return Comment(
        id=_number(data["id"]),
        author=_person(data.get("user")),
        body=_text(data.get("body") or ""),
        html_url=_text(data["html_url"]),
    )


def pull_request(data: Any) -> PullRequestSeen:
    """A pull request."""
    source = data["head"].get("repo") or {}
    return PullRequestSeen(
        number=_number(data["number"]),
        html_url=_text(data["html_url"]),
        state=_text(data["state"]),
        merged=bool(data.get("merged") or data.get("merged_at")),
        draft=bool(data.get("draft", False)),
        title=_text(data["title"]),
        body=_text(data.get("body") or ""),
        author=_person(data.get("user")),
        head_branch=_text(data["head"]["ref"]),
        head_sha=_text(data["head"]["sha"]),
        head_repository=source.get("full_name"),
        base_branch=_text(data["base"]["ref"]),
        base_repository=(data["base"].get("repo") or {}).get("full_name"),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text expected")
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise TypeError("number expected")
    return value


def moment(value: Any) -> datetime:
    """A time as GitHub writes it; one without a zone is in UTC."""
    read_as = datetime.fromisoformat(_text(value).replace("Z", "+00:00"))
    return read_as if read_as.tzinfo else read_as.replace(tzinfo=UTC)


def _person(value: Any) -> str:
    return GHOST if value is None else _text(value["login"])


def _label(value: Any) -> str:
    return value if isinstance(value, str) else _text(value["name"])
