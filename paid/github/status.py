"""The one comment that Paid has on an issue: written once, found again, edited as things go."""

from __future__ import annotations

from paid.errors import GitHubNotFoundError
from paid.github.texts import find_ours
from paid.github.words import GitHubPort


def say(
    github: GitHubPort, repo: str, issue_number: int, body: str, comment_id: int | None = None
) -> int:
    """Make the issue's comment say `body`; returns its id, to be kept.

    Without an id, or when that comment was deleted, ours is looked for, so that a write whose
    answer was lost does not become a second comment. Raises GitHubNotFoundError for an issue that
    was moved away: a comment in another repository would never learn how things ended.
    """
    if comment_id is not None:
        try:
            return github.edit_comment(repo, comment_id, body).id
        except GitHubNotFoundError:
            pass  # a person deleted it
    ours = find_ours(github.comments(repo, issue_number), github.login())
    if ours is None:
        if github.issue(repo, issue_number) is None:
            raise GitHubNotFoundError("The issue was deleted or moved away.")
        return github.create_comment(repo, issue_number, body).id
    if ours.body.strip() != body.strip():
        github.edit_comment(repo, ours.id, body)
    return ours.id
