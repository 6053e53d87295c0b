"""GitHub in memory: the stub sibling of `GitHub`, for tests that need no server.

One `FakeForge` holds the world; each `FakeGitHub` looks at it with one person's rights. The suite
in tests/github/test_contract.py holds it to what the real client does against a real forge.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from paid.errors import GitHubError, GitHubNotFoundError, GitHubUnauthorizedError
from paid.github.branch_rules import BranchRule
from paid.github.words import (
    WRITERS,
    Comment,
    Edit,
    IssueSeen,
    LabelEvent,
    PullRequestSeen,
    Repository,
)

BASE_URL = "https://github.invalid"
_WHO_MAY_LABEL = WRITERS | {"triage"}


@dataclass
class FakeRepository:
    """A repository's state; tests may reach in."""

    about: Repository
    permissions: dict[str, str] = field(default_factory=dict)
    issues: dict[int, IssueSeen] = field(default_factory=dict)
    events: dict[int, list[LabelEvent]] = field(default_factory=dict)
    edits: dict[int, list[Edit]] = field(default_factory=dict)
    comments: dict[int, list[Comment]] = field(default_factory=dict)
    pulls: dict[int, PullRequestSeen] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)


class FakeForge:
    """Everything that several people see."""

    def __init__(self) -> None:
        self.repositories: dict[str, FakeRepository] = {}
        self._ids = itertools.count(1)

    def next_id(self) -> int:
        """A number that nothing else has."""
        return next(self._ids)

    def add_repository(self, name: str, owner: str, *, empty: bool = False) -> FakeRepository:
        """A repository whose `owner` may do everything."""
        about = Repository(
            github_id=self.next_id(),
            full_name=name,
            default_branch="main",
            clone_url=f"{BASE_URL}/{name}.git",
            html_url=f"{BASE_URL}/{name}",
            private=False,
            archived=False,
            can_push=False,
            empty=empty,
        )
        branches = {} if empty else {"main": "0" * 40}
        made = FakeRepository(about, {owner.lower(): "admin"}, branches=branches)
        self.repositories[name.lower()] = made
        return made

    def add_issue(self, name: str, title: str, body: str, author: str) -> int:
        """A new issue's number; issues and pull requests share their numbers."""
        repository = self.repositories[name.lower()]
        number = len(repository.issues) + len(repository.pulls) + 1
        repository.issues[number] = IssueSeen(
            number=number,
            github_id=self.next_id(),
            title=title,
            body=body,
            author=author,
            labels=(),
            state="open",
            updated_at=_now(),
            html_url=f"{BASE_URL}/{name}/issues/{number}",
        )
        return number

    def edit_issue(self, name: str, number: int, actor: str, body: str) -> None:
        """Change an issue's body, as `actor`."""
        repository = self.repositories[name.lower()]
        issue = repository.issues[number]
        repository.issues[number] = replace(issue, body=body, updated_at=_now())
        repository.edits.setdefault(number, []).append(Edit(actor, _now()))

    def set_state(self, name: str, number: int, state: str) -> None:
        """Close or reopen an issue."""
        repository = self.repositories[name.lower()]
        repository.issues[number] = replace(
            repository.issues[number], state=state, updated_at=_now()
        )


class FakeGitHub:
    """The forge as one person's token sees it; None is a token that was revoked."""

    def __init__(self, forge: FakeForge, login: str | None) -> None:
        self._forge, self._login = forge, login

    def close(self) -> None:
        """Nothing is open."""

    def now(self) -> datetime:
        """What the forge's clock says."""
        return _now()

    def login(self) -> str:
        """The login that the token belongs to."""
        if self._login is None:
            raise GitHubUnauthorizedError("GitHub answered 401: Bad credentials")
        return self._login

    def repository(self, repo: str, *, look_inside: bool = True) -> Repository:
        """The repository and the token's rights in it."""
        found = self._repository(repo)
        return replace(found.about, can_push=self._right(found) in WRITERS)

    def token_expires_at(self) -> datetime | None:
        """Nobody's token ends here."""
        return None

    def issues(
        self, repo: str, label: str | None = None, since: datetime | None = None
    ) -> list[IssueSeen]:
        """Open issues; with `label`, changed at or after `since`."""
        return [
            issue
            for issue in self._repository(repo).issues.values()
            if issue.state == "open"
            and (label is None or issue.has(label))
            and (since is None or issue.updated_at >= since)
        ]

    def labelled(self, repo: str, label: str, since: datetime | None = None) -> list[IssueSeen]:
        """Whatever has the label, closed issues too; pull requests have no labels here."""
        return [
            issue
            for issue in self._repository(repo).issues.values()
            if issue.has(label) and (since is None or issue.updated_at >= since)
        ]

    def issue(self, repo: str, number: int) -> IssueSeen | None:
        """One issue; None when there is none."""
        return self._repository(repo).issues.get(number)

    def label_events(self, repo: str, number: int) -> list[LabelEvent]:
        """Labels set and taken away, oldest first."""
        self._issue(repo, number)
        return list(self._repository(repo).events.get(number, []))

    def edits(self, repo: str, number: int, seen: IssueSeen | None = None) -> list[Edit] | None:
        """Every change of the text, oldest first."""
        self._issue(repo, number)
        return list(self._repository(repo).edits.get(number, []))

    def permission(self, repo: str, login: str) -> str:
        """admin, maintain, write, triage, read or none."""
        return self._repository(repo).permissions.get(login.lower(), "none")

    def comments(self, repo: str, number: int) -> list[Comment]:
        """Comments, oldest first."""
        self._issue(repo, number)
        return list(self._repository(repo).comments.get(number, []))

    def create_comment(self, repo: str, number: int, body: str) -> Comment:
        """Write a comment."""
        issue = self._issue(repo, number)
        number_of_comment = self._forge.next_id()
        address = f"{issue.html_url}#issuecomment-{number_of_comment}"
        made = Comment(number_of_comment, self.login(), body, address)
        self._repository(repo).comments.setdefault(number, []).append(made)
        return made

    def edit_comment(self, repo: str, comment_id: int, body: str) -> Comment:
        """Replace a comment's text."""
        for comments in self._repository(repo).comments.values():
            for place, comment in enumerate(comments):
                if comment.id == comment_id:
                    comments[place] = replace(comment, body=body)
                    return comments[place]
        raise GitHubNotFoundError("GitHub answered 404: Not Found")

    def add_labels(self, repo: str, number: int, labels: Sequence[str]) -> None:
        """Add labels."""
        self._require_label_right(repo)
        for label in labels:
            if not self._issue(repo, number).has(label):
                self._change_label(repo, number, label, added=True)

    def remove_label(self, repo: str, number: int, label: str) -> bool:
        """Take a label away; False when it was not set."""
        self._require_label_right(repo)
        if not self._issue(repo, number).has(label):
            return False
        self._change_label(repo, number, label, added=False)
        return True

    def ensure_label(self, repo: str, name: str, color: str, description: str) -> bool:
        """Make the label if there is none of the name; True when it was made."""
        labels = self._repository(repo).labels
        if name.lower() in {label.lower() for label in labels}:
            return False
        self._require_label_right(repo)
        labels.add(name)
        return True

    def find_pull_request(self, repo: str, branch: str) -> PullRequestSeen | None:
        """The newest pull request from `branch`, open ones first."""
        found = [
            pull for pull in self._repository(repo).pulls.values() if pull.head_branch == branch
        ]
        return max(found, key=lambda pull: (pull.state == "open", pull.number), default=None)

    def pull_request(self, repo: str, number: int) -> PullRequestSeen:
        """One pull request."""
        pulls = self._repository(repo).pulls
        if number not in pulls:
            raise GitHubNotFoundError("GitHub answered 404: Not Found")
        return pulls[number]

    def create_pull_request(
        self, repo: str, *, title: str, body: str, branch: str, base: str, draft: bool = False
    ) -> PullRequestSeen:
        """Open a pull request, or adopt the open one from the same branch."""
        existing = self.find_pull_request(repo, branch)
        if existing is not None and existing.state == "open":
            return existing
        repository = self._repository(repo)
        if branch not in repository.branches or base not in repository.branches:
            raise GitHubError("GitHub answered 422: Validation Failed; head invalid")
        number = len(repository.issues) + len(repository.pulls) + 1
        repository.pulls[number] = PullRequestSeen(
            number=number,
            html_url=f"{BASE_URL}/{repo}/pull/{number}",
            state="open",
            merged=False,
            draft=draft,
            title=title,
            body=body,
            author=self.login(),
            head_branch=branch,
            head_sha=repository.branches[branch],
            head_repository=repository.about.full_name,
            base_branch=base,
        )
        return repository.pulls[number]

    def branch_rules(self, repo: str, branch: str) -> list[BranchRule]:
        self._repository(repo)
        return []

    def may_bypass(self, repo: str, ruleset_id: int) -> bool | None:
        self._repository(repo)
        return None

    def close_pull_request(self, repo: str, number: int) -> None:
        """Close without merging."""
        closed = replace(self.pull_request(repo, number), state="closed")
        self._repository(repo).pulls[number] = closed

    def _repository(self, repo: str) -> FakeRepository:
        self.login()
        found = self._forge.repositories.get(repo.lower())
        if found is None:
            raise GitHubNotFoundError("GitHub answered 404: Not Found")
        return found

    def _issue(self, repo: str, number: int) -> IssueSeen:
        found = self._repository(repo).issues.get(number)
        if found is None:
            raise GitHubNotFoundError("GitHub answered 404: Not Found")
        return found

    def _right(self, repository: FakeRepository) -> str:
        return repository.permissions.get(self.login().lower(), "none")

    def _require_label_right(self, repo: str) -> None:
        if self._right(self._repository(repo)) not in _WHO_MAY_LABEL:
            raise GitHubUnauthorizedError("GitHub answered 403: Resource not accessible")

    def _change_label(self, repo: str, number: int, label: str, *, added: bool) -> None:
        repository, issue = self._repository(repo), self._issue(repo, number)
        kept = tuple(name for name in issue.labels if name.lower() != label.lower())
        labels = (*kept, label) if added else kept
        repository.issues[number] = replace(issue, labels=labels, updated_at=_now())
        repository.labels.add(label)
        event = LabelEvent(self._forge.next_id(), label, self.login(), _now(), added)
        repository.events.setdefault(number, []).append(event)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
