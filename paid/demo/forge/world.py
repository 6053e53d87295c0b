"""What the forge knows, in memory; the repositories' contents are bare git repositories on disk."""

from __future__ import annotations

import itertools
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

Permission = Literal["admin", "maintain", "write", "triage", "read", "none"]
MAY_PUSH = frozenset({"admin", "maintain", "write"})
MAY_TRIAGE = MAY_PUSH | {"triage"}
FIRST_ID = 1001


def now() -> datetime:
    """The time as GitHub tells it: UTC, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass
class User:
    """A person, or a bot where `kind` says so."""

    id: int
    login: str
    kind: str = "User"
    created_at: datetime = field(default_factory=now)


@dataclass
class Token:
    """What a person's token may do; `repositories` of None means all that the person may.

    `rights` are those of a fine-grained token ("contents": "write"); None is a classic one, with
    `scopes`. `expires` is as GitHub writes it: `2026-12-31 23:59:59 UTC`.
    """

    login: str
    repositories: frozenset[str] | None = None
    revoked: bool = False
    rights: dict[str, str] | None = None
    scopes: str = "repo"
    expires: str | None = None
    used: int = 0
    """Requests in this hour that counted against the limit."""


@dataclass
class Label:
    """A label of a repository."""

    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass
class Comment:
    """A comment on an issue or a pull request."""

    id: int
    login: str
    body: str
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)


@dataclass
class IssueEvent:
    """Something that happened to an issue: labeled, unlabeled, closed, reopened, renamed."""

    id: int
    login: str
    event: str
    label: str | None = None
    color: str = "ededed"
    rename: tuple[str, str] | None = None
    created_at: datetime = field(default_factory=now)


@dataclass
class BodyEdit:
    """A change of an issue's text; one that was deleted from its history is still listed."""

    login: str
    at: datetime = field(default_factory=now)
    deleted_by: str | None = None
    deleted_at: datetime | None = None


@dataclass
class Pull:
    """What a pull request has beyond its issue."""

    id: int
    head_ref: str
    base_ref: str
    head_sha: str
    base_sha: str
    draft: bool = False
    merged_at: datetime | None = None


@dataclass
class Issue:
    """An issue, or with `pull` a pull request."""

    id: int
    number: int
    title: str
    body: str | None
    login: str
    state: Literal["open", "closed"] = "open"
    labels: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    events: list[IssueEvent] = field(default_factory=list)
    edits: list[BodyEdit] = field(default_factory=list)
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    closed_at: datetime | None = None
    pull: Pull | None = None


@dataclass
class Status:
    """A commit status."""

    id: int
    sha: str
    login: str
    state: str
    context: str
    description: str | None = None
    target_url: str | None = None
    created_at: datetime = field(default_factory=now)


@dataclass(frozen=True)
class Hook:
    """Where webhooks go, and the secret that signs them."""

    url: str
    secret: str


@dataclass
class Repository:
    """A repository and all that belongs to it but its git objects."""

    id: int
    owner: str
    name: str
    default_branch: str = "main"
    private: bool = False
    archived: bool = False
    has_issues: bool = True
    has_pull_requests: bool = True
    permissions: dict[str, Permission] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    statuses: list[Status] = field(default_factory=list)
    protected: set[str] = field(default_factory=set)
    hooks: list[Hook] = field(default_factory=list)
    created_at: datetime = field(default_factory=now)
    pushed_at: datetime = field(default_factory=now)

    @property
    def full_name(self) -> str:
        """OWNER/REPO."""
        return f"{self.owner}/{self.name}"

    def permission(self, login: str | None) -> Permission:
        """What a person may do here; everybody may read a public repository."""
        given = self.permissions.get(login or "", "none")
        return "read" if given == "none" and not self.private else given


class World:
    """Everything, behind one lock: requests and tests change it from several threads."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.users: dict[str, User] = {}
        self.tokens: dict[str, Token] = {}
        self.repositories: dict[str, Repository] = {}
        self.renamed: dict[str, str] = {}
        self.transferred: dict[tuple[str, int], tuple[str, int]] = {}
        self._ids = itertools.count(FIRST_ID + secrets.randbelow(1_000_000))

    def new_id(self) -> int:
        """A number that nothing else in this world has."""
        return next(self._ids)

    def user(self, login: str) -> User:
        """The person, made on first mention."""
        return self.users.setdefault(login, User(self.new_id(), login))

    def repository(self, full_name: str) -> Repository | None:
        """Found by name, whatever the case."""
        return self.repositories.get(full_name.lower())

    def new_token(self, login: str, repositories: frozenset[str] | None = None) -> str:
        """A token in the form of GitHub's own."""
        self.user(login)
        token = f"ghp_{secrets.token_hex(18)}"
        self.tokens[token] = Token(login, repositories)
        return token

    def label(self, repository: Repository, name: str) -> Label:
        """The label, made on first mention, as GitHub does when one is added to an issue."""
        return repository.labels.setdefault(name.lower(), Label(self.new_id(), name))
