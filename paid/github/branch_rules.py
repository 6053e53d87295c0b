"""What a repository's rules say about a branch before anything is pushed to it.

GitHub tells the active rules of a branch (`GET /repos/{o}/{r}/rules/branches/{branch}`), whoever
asks. Whether the token's account may pass one by, its ruleset tells; where that does not say, the
push will, and no run is ended for a rule that may not hold for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_DANGEROUS = re.compile(r"[+*}]\)?[+*{]")
"""A quantifier on a quantifier: such a pattern may take for ever, and is left to the server."""
_MOST_PATTERN = 200


@dataclass(frozen=True)
class BranchRule:
    """A rule: its type as GitHub has it, its ruleset's number (0 unknown), and its parameters."""

    type: str
    ruleset_id: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def wants(self) -> str:
        """The pattern of a rule that has one, in words."""
        operator = str(self.parameters.get("operator", "regex")).replace("_", " ")
        negated = "not " if self.parameters.get("negate") else ""
        pattern = str(self.parameters.get("pattern", ""))[:_MOST_PATTERN]
        return f"{negated}{'match' if operator == 'regex' else operator} {pattern!r}"


def read_rule(data: Mapping[str, Any]) -> BranchRule:
    """One rule of GitHub's answer."""
    parameters = data.get("parameters")
    number = data.get("ruleset_id")
    return BranchRule(
        str(data["type"]),
        number if isinstance(number, int) else 0,
        parameters if isinstance(parameters, dict) else {},
    )


def obstacle(rule: BranchRule, branch: str, email: str) -> str | None:
    """Why no commit of a run can be pushed under this rule, and what to do; None when one may."""
    except_it = "Except paid/* from that rule, or let the token's account bypass it."
    if rule.type == "creation":
        return f"a rule forbids that the branch {branch} is made. {except_it}"
    if rule.type == "required_signatures":
        return f"a rule wants signed commits on {branch}, and Paid signs none. {except_it}"
    if rule.type == "branch_name_pattern" and not _fits(rule, branch):
        return (
            f"a rule says that names of branches must {rule.wants}; {branch} does not. {except_it}"
        )
    if rule.type in _NEEDS_PASSED and _holds_for_new_branches(rule):
        return (
            f"a rule wants checks to have passed before the branch {branch} may be made."
            " Except paid/* from that rule, or tick its “Do not require … on creation”."
        )
    people = ("commit_author_email_pattern", "committer_email_pattern")
    if rule.type in people and not _fits(rule, email):
        return (
            f"a rule says that the commits' address must {rule.wants}; {email} does not."
            " Set another one: `paid project set OWNER/REPO --commit-email ADDRESS`."
        )
    return None


_NEEDS_PASSED = ("required_status_checks", "workflows")
"""Rules whose parameter of their own name lists what must have passed."""


def _holds_for_new_branches(rule: BranchRule) -> bool:
    """Whether a commit that no check has seen yet cannot be pushed, not even to a new branch."""
    wanted = rule.parameters.get(rule.type)
    return bool(wanted) and not rule.parameters.get("do_not_enforce_on_create")


def message_rules(rules: list[BranchRule]) -> tuple[str, ...]:
    """What commit messages must be, for the agent that writes them."""
    return tuple(rule.wants for rule in rules if rule.type == "commit_message_pattern")


def _fits(rule: BranchRule, text: str) -> bool:
    pattern, negate = str(rule.parameters.get("pattern", "")), bool(rule.parameters.get("negate"))
    match rule.parameters.get("operator"):
        case "starts_with":
            return text.startswith(pattern) != negate
        case "ends_with":
            return text.endswith(pattern) != negate
        case "contains":
            return (pattern in text) != negate
        case "regex":
            return _matches(pattern, text, negate)
    return True


def _matches(pattern: str, text: str, negate: bool) -> bool:
    """By Python's expressions, which are not quite GitHub's: what they cannot read may fit."""
    if len(pattern) > _MOST_PATTERN or _DANGEROUS.search(pattern):
        return True
    try:
        return (re.search(pattern, text) is not None) != negate
    except re.error:
        return True
