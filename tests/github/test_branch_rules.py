"""Rules of a repository are looked at before money is spent, and only what is sure ends a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from paid.activities.rules_ahead import rules_for_messages
from paid.errors import PushRejectedError
from paid.github.branch_rules import BranchRule, obstacle
from tests.github.scripted import Asked, Reply, Scripted, scripted

BRANCH, EMAIL = "paid/issue-3-41", "robot@acme.example"


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted() as made:
        yield made


def rule(kind: str, operator: str = "", pattern: str = "", **more: Any) -> BranchRule:
    return BranchRule(kind, 7, {"operator": operator, "pattern": pattern, **more})


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (rule("creation"), "forbids"),
        (rule("required_signatures"), "signed"),
        (rule("branch_name_pattern", "starts_with", "feature/"), "'feature/'"),
        (rule("branch_name_pattern", "regex", "^(feat|fix)/"), "paid/issue-3-41 does not"),
        (rule("branch_name_pattern", "contains", "issue", negate=True), "not contains"),
        (rule("commit_author_email_pattern", "ends_with", "@other.example"), "--commit-email"),
        (rule("committer_email_pattern", "regex", r"@other\.example$"), EMAIL),
        (rule("required_status_checks", required_status_checks=[{"context": "ci"}]), "passed"),
        (
            rule("workflows", workflows=[{"path": "a.yml"}], do_not_enforce_on_create=False),
            "on creation",
        ),
    ],
)
def test_what_can_never_be_pushed_is_seen(found: BranchRule, says: str) -> None:
    assert says in str(obstacle(found, BRANCH, EMAIL))


@pytest.mark.parametrize(
    "found",
    [
        rule("pull_request"),
        rule("required_status_checks"),
        rule("required_status_checks", required_status_checks=[]),
        rule(
            "required_status_checks",
            required_status_checks=[{"context": "ci"}],
            do_not_enforce_on_create=True,
        ),
        rule("workflows", workflows=[{"path": "a.yml"}], do_not_enforce_on_create=True),
        rule("non_fast_forward"),
        rule("deletion"),
        rule("some_rule_of_2030"),
        rule("branch_name_pattern", "regex", "^paid/"),
        rule("branch_name_pattern", "ends_with", "-41"),
        rule("branch_name_pattern", "regex", "(unclosed"),
        rule("branch_name_pattern", "regex", "(a+)+$"),
        rule("branch_name_pattern", "sounds_like", "x"),
        rule("commit_author_email_pattern", "ends_with", "@acme.example"),
        rule("commit_message_pattern", "starts_with", "ABC-"),
    ],
)
def test_what_may_be_pushed_or_is_not_known_hinders_nothing(found: BranchRule) -> None:
    assert obstacle(found, BRANCH, EMAIL) is None


def _answers(rules: Any, bypass: str | None) -> Any:
    def answer(asked: Asked) -> Reply:
        if "/rules/branches/" in asked.path:
            return rules if isinstance(rules, Reply) else Reply(200, rules)
        if bypass is not None and asked.path.endswith("/rulesets/7"):
            return Reply(200, {"id": 7, "current_user_can_bypass": bypass})
        return Reply(404, {"message": "Not Found"})

    return answer


SIGNED = [{"type": "required_signatures", "ruleset_id": 7, "ruleset_source_type": "Repository"}]


def test_a_rule_that_holds_for_the_token_ends_a_run_before_money_is_spent(
    server: Scripted,
) -> None:
    server.answer = _answers(SIGNED, "never")
    with pytest.raises(PushRejectedError, match=r"Nothing was spent.*signed"):
        rules_for_messages(server.github, "o/r", BRANCH, EMAIL)
    assert any("rules/branches/paid%2Fissue-3-41" in path for path in server.paths)


@pytest.mark.parametrize("bypass", ["always", "exempt", None])
def test_a_rule_that_may_be_passed_by_hinders_nothing(server: Scripted, bypass: str | None) -> None:
    server.answer = _answers(SIGNED, bypass)
    assert rules_for_messages(server.github, "o/r", BRANCH, EMAIL) == ()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, {"message": "Not Found"}),
        Reply(403, {"message": "Upgrade to GitHub Pro"}),
        Reply(502, b"<html>"),
        Reply(200, [{"no": "type"}]),
        Reply(200, []),
    ],
)
def test_a_server_that_tells_no_rules_hinders_nothing(server: Scripted, reply: Reply) -> None:
    server.answer = _answers(reply, None)
    assert rules_for_messages(server.github, "o/r", BRANCH, EMAIL) == ()


def test_rules_for_messages_are_told(server: Scripted) -> None:
    found = {"type": "commit_message_pattern", "ruleset_id": 7,
             "parameters": {"operator": "regex", "pattern": "^(feat|fix): "}}  # fmt: skip
    server.answer = _answers([found], None)
    assert rules_for_messages(server.github, "o/r", BRANCH, EMAIL) == ("match '^(feat|fix): '",)
