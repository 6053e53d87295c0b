"""Taking on a repository: what its server says is checked before anything is stored."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

from paid.errors import BadInputError, GitHubError, GitHubNotFoundError, GitHubUnauthorizedError
from paid.github.rights import Missing
from paid.github.words import Repository
from paid.models import DEFAULT_LABELS, LabelPurpose
from paid.store import projects, token_expiry
from paid.store.credentials import SecretBox
from paid.store.database import Database
from paid.store.projects import NewProject

LABEL_LOOKS = {
    LabelPurpose.BUILD: ("1d76db", "Paid turns this issue into a pull request"),
    LabelPurpose.PLAN: ("5319e7", "Paid plans this issue"),
    LabelPurpose.CANCEL: ("b60205", "Paid stops working on this issue"),
}
RIGHTS = "Contents, Issues and Pull requests (read and write), and Metadata (read)"


class Registry(Protocol):
    """What of GitHub is needed to take on a repository."""

    def repository(self, repo: str) -> Repository:
        """The repository, and what the token may do."""

    def missing_rights(self, found: Repository) -> tuple[Missing, ...]:
        """The rights that the token itself lacks."""

    def token_expires_at(self) -> datetime | None:
        """When the token ends; None when that is not told."""

    def ensure_label(self, repo: str, name: str, color: str, description: str) -> bool:
        """Make a label if it is missing; True when it was made."""


@dataclass(frozen=True)
class LabelsMade:
    """Which labels were made because they were missing, and which could not be, and why."""

    made: tuple[str, ...] = ()
    not_made: tuple[str, ...] = ()
    error: GitHubError | None = None

    @property
    def advice(self) -> str:
        """What is missing and who can mend it; empty when nothing is missing."""
        if self.error is None:
            return ""
        needs = "" if self.error.retryable else 'The token needs "Issues: write" for that. '
        return (
            f"Could not make the labels {', '.join(self.not_made)} "
            f"({self.error.message.rstrip('.')}). {needs}"
            "Somebody who may can also make them on the repository's page of labels."
        )


@dataclass(frozen=True)
class Registered:
    """A project that was taken on, and which labels were made for it."""

    project_id: int
    full_name: str
    default_branch: str
    labels_made: LabelsMade
    labels: tuple[str, ...]
    token_expires_at: datetime | None = None


def register(
    database: Database,
    box: SecretBox,
    github: Registry,
    *,
    full_name: str,
    api_url: str,
    token: str,
    by: str,
) -> Registered:
    """Check the repository and the token, store the project, make the labels.

    Labels that cannot be made undo nothing, because a person can make them. Raises BadInputError,
    GitHubUnauthorizedError or another GitHubError, with what to do.
    """
    projects.split_name(full_name)
    api_url = checked_api_url(api_url)
    found = _found(github, full_name, api_url)
    check_usable(found)
    check_rights(found, github.missing_rights(found))
    owner, name = projects.split_name(found.full_name)
    new = NewProject(
        api_url=api_url,
        owner=owner,
        name=name,
        github_id=found.github_id,
        clone_url=found.clone_url,
        default_branch=found.default_branch,
        token=token,
    )
    expires_at = github.token_expires_at()
    with database.session() as session:
        project_id = projects.number(projects.add(session, box, new, by=by))
        token_expiry.note(session, project_id, expires_at)
    made = ensure_labels(github, found.full_name, list(DEFAULT_LABELS.items()))
    names = tuple(DEFAULT_LABELS.values())
    return Registered(project_id, found.full_name, found.default_branch, made, names, expires_at)


def _found(github: Registry, full_name: str, api_url: str) -> Repository:
    try:
        return github.repository(full_name)
    except GitHubNotFoundError as error:
        raise GitHubNotFoundError(
            f"There is no {full_name} at {api_url} that this token may see "
            f"({error.message.rstrip('.')}).",
            hint="Check the name. A fine-grained token names its repositories, and an organisation "
            "may have to approve it.",
        ) from error


def ensure_labels(
    github: Registry, repo: str, labels: Sequence[tuple[LabelPurpose, str]]
) -> LabelsMade:
    """Make the labels that the repository lacks; one that GitHub refuses hinders no other."""
    made: list[str] = []
    not_made: list[str] = []
    refusal: GitHubError | None = None
    for purpose, name in labels:
        try:
            if github.ensure_label(repo, name, *LABEL_LOOKS[purpose]):
                made.append(name)
        except GitHubError as error:
            not_made.append(name)
            refusal = error
    return LabelsMade(tuple(made), tuple(not_made), refusal)


def check_usable(found: Repository) -> None:
    """Raise for a repository on which no run could come to a pull request."""
    if found.archived:
        raise BadInputError(
            f"{found.full_name} is archived: nobody can push to it.", hint="Unarchive it first."
        )
    if found.disabled:
        raise BadInputError(
            f"{found.full_name} is disabled by GitHub.", hint="Its owner is told why, on its page."
        )
    if not found.has_issues:
        raise BadInputError(
            f"{found.full_name} has its issues switched off, and labels on issues start runs.",
            hint="Switch them on in the repository's settings, under Features.",
        )
    if not found.has_pull_requests:
        raise BadInputError(
            f"{found.full_name} has its pull requests switched off, and each run ends in one.",
            hint="Switch them on in the repository's settings, under Features.",
        )
    if not found.can_push:
        raise GitHubUnauthorizedError(
            f"The token may read {found.full_name}, but not write to it.",
            hint=f"Make one with {RIGHTS}, from an account that may push.",
        )
    if found.empty:
        raise BadInputError(
            f"{found.full_name} is empty: there is no commit to start from.",
            hint="Push a first commit, a README for example, and add it again.",
        )
    if not found.default_branch or found.default_branch.startswith("-"):
        raise BadInputError(
            f"{found.full_name} has the default branch {found.default_branch!r}, "
            "which git would take for an option.",
            hint="Rename the branch.",
        )


def check_rights(found: Repository, missing: Sequence[Missing]) -> None:
    """Raise for a token with which a whole run would be paid for and then fail."""
    if not missing:
        return
    rights = " and ".join(lack.right for lack in missing)
    said = "; ".join(lack.said.rstrip(".") for lack in missing)
    raise GitHubUnauthorizedError(
        f"The token lacks a right in {found.full_name}: {rights} ({said}).",
        hint=f"Give the token {RIGHTS}; a classic token needs the scope `repo`.",
    )


def checked_api_url(url: str) -> str:
    """The address of a REST API without a slash at its end; a token never goes over plain http."""
    parts = urlsplit(url.strip().rstrip("/"))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadInputError(
            f"{url!r} is not the address of a GitHub API.",
            hint="As in `https://api.github.com` or `https://github.example.org/api/v3`.",
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadInputError("The API's address carries more than an address.", hint="Leave it out.")
    if parts.hostname == "github.com":
        raise BadInputError(
            "github.com is not the API's address.", hint="Leave --api-url out for github.com."
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise BadInputError(
            f"The token would travel unencrypted to {parts.hostname}.", hint="Use https://."
        )
    return parts.geturl()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
