"""GitHub in Paid's own words: what the other rooms may know of it.

Every text in here that a stranger can write (titles, bodies, logins, label names) is raw: it goes
through `paid.github.untrusted` before a person or an agent reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from paid.github.branch_rules import BranchRule

GHOST = "ghost"
"""GitHub's name for the author of what a deleted account wrote; its JSON says null."""
WRITERS = frozenset({"admin", "maintain", "write"})
"""Permissions that let a person push; who has one of them may ask Paid for a run."""


@dataclass(frozen=True)
class Repository:
    """A repository and what the token may do with it."""

    github_id: int
    full_name: str
    default_branch: str
    clone_url: str
    html_url: str
    private: bool
    archived: bool
    can_push: bool
    empty: bool
    """Whether it has no commit; False, too, when it was not looked into."""
    disabled: bool = False
    """Whether GitHub itself has closed it, for a debt or a breach of its terms."""
    has_issues: bool = True
    """Whether its issues are switched on."""
    has_pull_requests: bool = True
    """Whether its pull requests are switched on."""


@dataclass(frozen=True)
class IssueSeen:
    """An issue as it is now. `state` is open or closed."""

    number: int
    github_id: int
    title: str
    body: str
    author: str
    labels: tuple[str, ...]
    state: str
    updated_at: datetime
    html_url: str
    is_pull_request: bool = False
    closed_at: datetime | None = None

    @property
    def can_be_worked_on(self) -> bool:
        """Whether it is an issue, and open."""
        return self.state == "open" and not self.is_pull_request

    def has(self, label: str) -> bool:
        """Whether the label is set; GitHub compares label names without case."""
        return label.lower() in {name.lower() for name in self.labels}


@dataclass(frozen=True)
class LabelEvent:
    """A label that was set (`added`) or taken away, and by whom."""

    id: int
    label: str
    actor: str
    at: datetime
    added: bool


@dataclass(frozen=True)
class Edit:
    """A change of an issue's title or body; `editor` is `ghost` for a deleted account."""

    editor: str
    at: datetime


@dataclass(frozen=True)
class Comment:
    """A comment on an issue or a pull request."""

    id: int
    author: str
    body: str
    html_url: str


@dataclass(frozen=True)
class PullRequestSeen:
    """A pull request. `head_repository` is None when its repository was deleted."""

    number: int
    html_url: str
    state: str
    merged: bool
    draft: bool
    title: str
    body: str
    author: str
    head_branch: str
    head_sha: str
    head_repository: str | None
    base_branch: str
    base_repository: str | None = None


class GitHubPort(Protocol):
    """What Paid asks of GitHub; `GitHub` asks the real one, `FakeGitHub` one in memory.

    `repo` is OWNER/REPO. Every method raises the GitHub errors of `paid.errors`.
    """

    def now(self) -> datetime:
        """What the server's clock says: that of this host may be off."""
        ...

    def login(self) -> str:
        """The login that the token belongs to."""
        ...

    def repository(self, repo: str, *, look_inside: bool = True) -> Repository:
        """The repository and the token's rights in it; `look_inside` for whether it is empty."""
        ...

    def token_expires_at(self) -> datetime | None:
        """When the token ends, by the last answers; None when they do not say."""
        ...

    def issues(
        self, repo: str, label: str | None = None, since: datetime | None = None
    ) -> list[IssueSeen]:
        """Open issues, without pull requests; with `label`, changed at or after `since`."""
        ...

    def labelled(self, repo: str, label: str, since: datetime | None = None) -> list[IssueSeen]:
        """Whatever has the label, closed issues and pull requests too."""
        ...

    def issue(self, repo: str, number: int) -> IssueSeen | None:
        """One issue, open or closed; None when it was deleted, moved away or never was."""
        ...

    def label_events(self, repo: str, number: int) -> list[LabelEvent]:
        """Labels set and taken away, oldest first."""
        ...

    def edits(self, repo: str, number: int, seen: IssueSeen | None = None) -> list[Edit] | None:
        """Every change of the body and the title, oldest first; `seen` is what was read before.

        None when the server cannot tell (GitHub tells of bodies by GraphQL alone).
        """
        ...

    def permission(self, repo: str, login: str) -> str:
        """admin, maintain, write, triage, read or none; a 404 is none."""
        ...

    def comments(self, repo: str, number: int) -> list[Comment]:
        """Comments, oldest first."""
        ...

    def create_comment(self, repo: str, number: int, body: str) -> Comment:
        """Write a comment."""
        ...

    def edit_comment(self, repo: str, comment_id: int, body: str) -> Comment:
        """Replace a comment's text."""
        ...

    def add_labels(self, repo: str, number: int, labels: Sequence[str]) -> None:
        """Add labels; unknown ones are created by GitHub."""
        ...

    def remove_label(self, repo: str, number: int, label: str) -> bool:
        """Take a label away; False when it was not set."""
        ...

    def ensure_label(self, repo: str, name: str, color: str, description: str) -> bool:
        """Make the label if the repository has none of the name; True when it was made."""
        ...

    def find_pull_request(self, repo: str, branch: str) -> PullRequestSeen | None:
        """The newest pull request from `branch` of this very repository, open ones first."""
        ...

    def pull_request(self, repo: str, number: int) -> PullRequestSeen:
        """One pull request."""
        ...

    def create_pull_request(
        self, repo: str, *, title: str, body: str, branch: str, base: str, draft: bool = False
    ) -> PullRequestSeen:
        """Open a pull request, or adopt the open one from the same branch."""
        ...

    def branch_rules(self, repo: str, branch: str) -> list[BranchRule]:
        """The active rules of a branch, which need not be there."""
        ...

    def may_bypass(self, repo: str, ruleset_id: int) -> bool | None:
        """Whether the token's account may pass a ruleset's rules by; None: not told."""
        ...

    def close_pull_request(self, repo: str, number: int) -> None:
        """Close without merging."""
        ...
