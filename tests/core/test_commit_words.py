"""How a run's commits are worded where the repository has rules for messages of its own."""

from __future__ import annotations

import pytest

from paid.activities.commit_words import rules_of
from paid.models import Issue, Policy, Project, Run
from paid.store.runs import RunFacts

FACTS = RunFacts(
    Run(project_id=1, issue_id=1),
    Issue(project_id=1, number=7, github_id=1, title="Greet"),
    Project(),
    Policy(project_id=1, commit_name="Robot", commit_email="robot@acme.example"),
)


@pytest.mark.parametrize("rule", [r"match '#[0-9]+$'", "contains '(#'", r"match '^GH-\\d+: '"])
def test_the_runs_own_issue_may_be_named_where_a_rule_asks_for_a_number(rule: str) -> None:
    reworded = rules_of(FACTS, {}, ["match '^fix'", rule]).reword
    assert reworded("fix: greet (#7), not #8") == "fix: greet (#7), not # 8\n"


@pytest.mark.parametrize("rule", ["match '^(feat|fix): '", r"not match '#\\d+'"])
def test_nothing_is_named_where_no_rule_asks_for_it(rule: str) -> None:
    assert rules_of(FACTS, {}, [rule]).reword("fixes #7") == "fixes # 7\n"
    assert rules_of(FACTS, {}).reword("fixes #7") == "fixes # 7\n"
