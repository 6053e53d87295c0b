"""GitHub behind our own words: each method is one question or one write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from paid.errors import (
    GitHubError,
    GitHubNotFoundError,
    GitHubUnauthorizedError,
    GitHubUnavailableError,
)
from paid.github import reading
from paid.github.answers import Answer
from paid.github.branch_rules import BranchRule, read_rule
from paid.github.connection import TIMEOUT_SECONDS, Connection
from paid.github.edits import QUESTION, all_edits
from paid.github.rights import Missing, expiry, missing_rights
from paid.github.words import (
    WRITERS,
    Comment,
    Edit,
    IssueSeen,
    LabelEvent,
    PullRequestSeen,
    Repository,
)

_NOT_SEEN_YET = (
    "head invalid",
    "Head sha can't be blank",
    "Head ref must be a branch",
    "not all refs are readable",
)
"""What GitHub says of a branch that was pushed a moment ago."""
PUBLIC_API = "https://api.github.com"


class GitHub:
    """The real one, or a server of one's own that speaks its REST API.

    Keep one per project: it remembers what it was answered, so that asking again is free.
    """

    def __init__(
        self, token: str, api_url: str = PUBLIC_API, timeout_seconds: int = TIMEOUT_SECONDS
    ) -> None:
        self._connection = Connection(token, api_url, timeout_seconds)
        self._token = token

    def close(self) -> None:
        """Close idle connections."""
        self._connection.close()

    def now(self) -> datetime:
        """What the server's clock says: that of this host may be off."""
        return self._connection.now()

    def login(self) -> str:
        """The login that the token belongs to."""
        return reading.read(reading.login, self._connection.get("/user").data)

    def repository(self, repo: str, *, look_inside: bool = True) -> Repository:
        """The repository and the token's rights in it; `look_inside` for whether it is empty."""
        answer = self._connection.get(_repo(repo))
        empty = (
            look_inside
            and not self._connection.get(f"{_repo(repo)}/branches", {"per_page": 1}).data
        )
        scopes = answer.headers.get("x-oauth-scopes")
        found = reading.read(
            lambda data: reading.repository(data, empty=empty, scopes=scopes), answer.data
        )
        if answer.data.get("permissions") is None and not found.archived:
            return replace(found, can_push=self._may_push(found.full_name))
        return found

    def missing_rights(self, found: Repository) -> tuple[Missing, ...]:
        """The rights that a run needs and the token itself lacks; nothing is changed."""
        return missing_rights(
            self._connection, found.full_name, found.default_branch, found.clone_url, self._token
        )

    def token_expires_at(self) -> datetime | None:
        """When the token ends, by the last answers; None when they do not say."""
        return expiry(self._connection.token_expires)

    def _may_push(self, repo: str) -> bool:
        """Whether the token's person may, where the repository's description does not say."""
        try:
            return self.permission(repo, self.login()) in WRITERS
        except GitHubUnauthorizedError:
            return False  # only who may push is told

    def issues(
        self, repo: str, label: str | None = None, since: datetime | None = None
    ) -> list[IssueSeen]:
        """Open issues, without pull requests; with `label`, changed at or after `since`."""
        return [
            issue
            for issue in self._listed(repo, "open", label, since)
            if not issue.is_pull_request and issue.state == "open"
        ]

    def labelled(self, repo: str, label: str, since: datetime | None = None) -> list[IssueSeen]:
        """Whatever has the label, closed issues and pull requests too."""
        return self._listed(repo, "all", label, since)

    def _listed(
        self, repo: str, state: str, label: str | None, since: datetime | None
    ) -> list[IssueSeen]:
        parameters: dict[str, str | int] = {"state": state, "sort": "created", "direction": "asc"}
        if label is not None:
            parameters["labels"] = label
        if since is not None:
            parameters["since"] = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        found = [
            reading.read(reading.issue, item)
            for item in self._connection.pages(f"{_repo(repo)}/issues", parameters)
        ]
        # PyGithub loses the parameters at a 301, so the label is looked at here too
        return [issue for issue in found if label is None or issue.has(label)]

    def issue(self, repo: str, number: int) -> IssueSeen | None:
        """One issue, open or closed; None when it was deleted, moved away or never was."""
        try:
            data = self._connection.get(_issue(repo, number)).data
        except GitHubNotFoundError:
            return None
        found = reading.read(reading.issue, data)
        return found if found.number == number and self._is_in(repo, data) else None

    def _is_in(self, repo: str, issue: Any) -> bool:
        """Whether an issue is (still) in a repository.

        GitHub redirects from a transferred issue to what it is now, in another repository; and
        one whose repository was renamed names the new one, which the old name leads to as well.
        """
        address = str(issue.get("repository_url", "")).lower()
        if address.endswith(f"/repos/{repo.lower()}"):
            return True
        now = self._connection.get(_repo(repo)).data
        name = str(now.get("full_name", "")).lower() if isinstance(now, dict) else ""
        return bool(name) and address.endswith(f"/repos/{name}")

    def label_events(self, repo: str, number: int) -> list[LabelEvent]:
        """Labels set and taken away, oldest first."""
        items = self._connection.pages(f"{_issue(repo, number)}/events")
        found = [reading.read(reading.label_event, item) for item in items]
        return sorted((event for event in found if event is not None), key=lambda event: event.id)

    def edits(self, repo: str, number: int, seen: IssueSeen | None = None) -> list[Edit] | None:
        """Every change of the body and the title, oldest first; `seen` is what was read before.

        None when the server cannot tell (GitHub tells of bodies by GraphQL alone).
        """
        owner, _, name = repo.partition("/")
        issue = {"owner": owner, "name": name, "number": number}
        try:
            told = all_edits(
                lambda cursors: self._connection.graphql(QUESTION, {**issue, **cursors}),
                seen,
                self.now(),
            )
        except GitHubError as error:
            if error.retryable:
                raise
            return None  # no GraphQL here, or none for this token
        events = self._connection.pages(f"{_issue(repo, number)}/events")
        titles = [reading.read(reading.rename, item) for item in events]
        return sorted((edit for edit in (*told, *titles) if edit), key=lambda edit: edit.at)

    def permission(self, repo: str, login: str) -> str:
        """admin, maintain, write, triage, read or none; a 404 is none."""
        path = f"{_repo(repo)}/collaborators/{quote(login, safe='')}/permission"
        try:
            return reading.read(reading.permission, self._connection.get(path).data)
        except GitHubNotFoundError:
            return "none"

    def comments(self, repo: str, number: int) -> list[Comment]:
        """Comments, oldest first."""
        items = self._connection.pages(f"{_issue(repo, number)}/comments")
        return [reading.read(reading.comment, item) for item in items]

    def create_comment(self, repo: str, number: int, body: str) -> Comment:
        """Write a comment."""
        written = self._write_on(repo, number, "POST", "comments", {"body": body})
        return reading.read(reading.comment, written.data)

    def edit_comment(self, repo: str, comment_id: int, body: str) -> Comment:
        """Replace a comment's text."""
        path = f"{_repo(repo)}/issues/comments/{comment_id}"
        return reading.read(
            reading.comment, self._connection.write("PATCH", path, {"body": body}).data
        )

    def add_labels(self, repo: str, number: int, labels: Sequence[str]) -> None:
        """Add labels; unknown ones are created by GitHub."""
        self._write_on(repo, number, "POST", "labels", {"labels": list(labels)})

    def remove_label(self, repo: str, number: int, label: str) -> bool:
        """Take a label away; False when it was not set."""
        try:
            self._write_on(repo, number, "DELETE", f"labels/{quote(label, safe='')}")
        except GitHubNotFoundError:
            return False
        return True

    def _write_on(
        self, repo: str, number: int, verb: str, what: str, body: dict[str, Any] | None = None
    ) -> Answer:
        """Write on an issue, wherever its repository is now, but in no other repository.

        GitHub redirects from a transferred issue too. Raises GitHubNotFoundError for that.
        """

        def is_still_ours() -> bool:
            seen = self._connection.get(_issue(repo, number)).data
            return not isinstance(seen, dict) or self._is_in(repo, seen)

        path = f"{_issue(repo, number)}/{what}"
        return self._connection.write(verb, path, body, may_follow=is_still_ours)

    def ensure_label(self, repo: str, name: str, color: str, description: str) -> bool:
        """Make the label if the repository has none of the name; True when it was made."""
        try:
            self._connection.get(f"{_repo(repo)}/labels/{quote(name, safe='')}")
        except GitHubNotFoundError:
            pass
        else:
            return False
        label = {"name": name, "color": color.lstrip("#"), "description": description}
        try:
            self._connection.write("POST", f"{_repo(repo)}/labels", label)
        except GitHubError as error:
            if error.retryable or "already_exists" not in error.message:
                raise
            return False  # somebody made it between the two
        return True

    def find_pull_request(self, repo: str, branch: str) -> PullRequestSeen | None:
        """The newest pull request from `branch` of this very repository, open ones first."""
        owner = repo.partition("/")[0]
        parameters: dict[str, str | int] = {"head": f"{owner}:{branch}", "state": "all"}
        found = [
            reading.read(reading.pull_request, item)
            for item in self._connection.pages(f"{_repo(repo)}/pulls", parameters)
        ]
        # a fork may have a branch of the same name; servers differ in how they filter by head
        ours = [pull for pull in found if pull.head_branch == branch and _is_of(pull, repo)]
        return max(ours, key=lambda pull: (pull.state == "open", pull.number), default=None)

    def pull_request(self, repo: str, number: int) -> PullRequestSeen:
        """One pull request."""
        return reading.read(reading.pull_request, self._connection.get(_pull(repo, number)).data)

    def create_pull_request(
        self, repo: str, *, title: str, body: str, branch: str, base: str, draft: bool = False
    ) -> PullRequestSeen:
        """Open a pull request, or adopt the open one from the same branch.

        The branch carries the run's id, so an open pull request from it is this run's: its answer
        was lost, or the step is tried again. Where drafts are refused, it is opened without.
        """
        wanted = {"title": title, "body": body, "head": branch, "base": base, "draft": draft}
        try:
            data = self._connection.write("POST", f"{_repo(repo)}/pulls", wanted).data
        except GitHubError as error:
            # asked only when refused: nearly always there is none yet
            if (existing := self._open_pull_request(repo, branch, error)) is not None:
                return existing
            if any(words in error.message for words in _NOT_SEEN_YET):
                said = f"GitHub does not see the branch {branch} yet, which was just pushed."
                raise GitHubUnavailableError(said) from error
            if not (draft and "draft" in error.message.lower()):
                raise
            plain = {**wanted, "draft": False}
            data = self._connection.write("POST", f"{_repo(repo)}/pulls", plain).data
        return reading.read(reading.pull_request, data)

    def _open_pull_request(
        self, repo: str, branch: str, error: GitHubError
    ) -> PullRequestSeen | None:
        """The open pull request that made GitHub refuse another one, with 422."""
        if error.retryable or "already exists" not in error.message.lower():
            return None
        found = self.find_pull_request(repo, branch)
        return found if found is not None and found.state == "open" else None

    def branch_rules(self, repo: str, branch: str) -> list[BranchRule]:
        """The active rules of a branch, which need not be there; none where a server has none."""
        path = f"{_repo(repo)}/rules/branches/{quote(branch, safe='')}"
        try:
            items = self._connection.pages(path)
            return [reading.read(read_rule, item) for item in items]
        except GitHubNotFoundError:
            return []

    def may_bypass(self, repo: str, ruleset_id: int) -> bool | None:
        """Whether the token's account may pass a ruleset's rules by; None when it is not told."""
        if ruleset_id <= 0:
            return None
        try:
            data = self._connection.get(f"{_repo(repo)}/rulesets/{ruleset_id}").data
        except GitHubNotFoundError:
            return None
        told = data.get("current_user_can_bypass") if isinstance(data, dict) else None
        return told in ("always", "exempt") if isinstance(told, str) else None

    def close_pull_request(self, repo: str, number: int) -> None:
        """Close without merging."""
        self._connection.write("PATCH", _pull(repo, number), {"state": "closed"})


def _repo(repo: str) -> str:
    owner, _, name = repo.partition("/")
    return f"/repos/{quote(owner, safe='')}/{quote(name, safe='')}"


def _issue(repo: str, number: int) -> str:
    return f"{_repo(repo)}/issues/{number}"


def _pull(repo: str, number: int) -> str:
    return f"{_repo(repo)}/pulls/{number}"


def _is_of(pull: PullRequestSeen, repo: str) -> bool:
    """Not a fork's; the repository may have been renamed since its name was stored."""
    return pull.head_repository is not None and pull.head_repository.lower() in {
        repo.lower(),
        (pull.base_repository or repo).lower(),
    }
