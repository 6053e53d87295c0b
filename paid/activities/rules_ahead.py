"""A look at a branch's rules before money is spent on what could not be pushed under them."""

from __future__ import annotations

import structlog

from paid.errors import GitHubError, PushRejectedError
from paid.github.branch_rules import BranchRule, message_rules, obstacle
from paid.github.words import GitHubPort

_log = structlog.get_logger(__name__)


def rules_for_messages(github: GitHubPort, repo: str, branch: str, email: str) -> tuple[str, ...]:
    """What rules say about commit messages on the branch.

    Raises PushRejectedError for a rule under which no commit of a run can be pushed. A server that
    has no rules, or does not tell, hinders nothing.
    """
    try:
        rules = github.branch_rules(repo, branch)
        for rule in rules:
            _require_passable(github, repo, rule, obstacle(rule, branch, email))
    except GitHubError as error:
        _log.info("rules.not_told", repo=repo, error=error.message)
        return ()
    return message_rules(rules)


def _require_passable(github: GitHubPort, repo: str, rule: BranchRule, why: str | None) -> None:
    if why is None or github.may_bypass(repo, rule.ruleset_id) is not False:
        return
    raise PushRejectedError(
        f"Nothing was spent, because the work could not be pushed to {repo}: {why}",
        hint="Then set the label again.",
    )
