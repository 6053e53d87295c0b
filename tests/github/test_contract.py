"""What every GitHub does for Paid: the real client on a forge, and the stub in memory."""

from __future__ import annotations

from datetime import timedelta

import pytest

from paid.errors import GitHubError, GitHubNotFoundError, GitHubUnauthorizedError
from tests.github.conftest import REPO, Stage


def test_it_knows_whose_token_it_has(stage: Stage) -> None:
    assert stage.as_("maria").login() == "maria"


def test_a_revoked_token_is_unauthorized(stage: Stage) -> None:
    for question in (lambda: stage.revoked().login(), lambda: stage.revoked().repository(REPO)):
        with pytest.raises(GitHubUnauthorizedError):
            question()


def test_a_repository_tells_its_branch_and_the_rights(stage: Stage) -> None:
    seen = stage.as_("maria").repository(REPO)
    assert (seen.full_name, seen.default_branch, seen.empty) == (REPO, "main", False)
    assert seen.can_push
    assert seen.clone_url.endswith(f"{REPO}.git")
    stage.allow("eve", "read")
    assert not stage.as_("eve").repository(REPO).can_push


def test_an_empty_repository_says_so(stage: Stage) -> None:
    stage.empty_repository("acme/empty")
    assert stage.as_("maria").repository("acme/empty").empty


def test_a_missing_repository_is_not_found(stage: Stage) -> None:
    with pytest.raises(GitHubNotFoundError):
        stage.as_("maria").repository("acme/nothing")


def test_open_issues_with_a_label_are_listed(stage: Stage) -> None:
    maria = stage.as_("maria")
    first, second, third = (stage.issue() for _ in range(3))
    maria.add_labels(REPO, first, ["paid-build", "other"])
    maria.add_labels(REPO, third, ["paid-build"])
    stage.close_issue(third)
    assert [issue.number for issue in maria.issues(REPO, "paid-build")] == [first]
    assert [issue.number for issue in maria.issues(REPO)] == [first, second]


def test_issues_since_a_moment_include_that_moment(stage: Stage) -> None:
    maria = stage.as_("maria")
    number = stage.issue()
    issue = maria.issue(REPO, number)
    assert issue is not None
    assert maria.issues(REPO, since=issue.updated_at) == [issue]
    assert maria.issues(REPO, since=issue.updated_at + timedelta(seconds=1)) == []


def test_one_issue_is_seen_open_closed_or_not_at_all(stage: Stage) -> None:
    maria = stage.as_("maria")
    number = stage.issue("otto")
    issue = maria.issue(REPO, number)
    assert issue is not None
    assert (issue.title, issue.body, issue.author, issue.state) == (
        "Greet", "Say hello.", "otto", "open",
    )  # fmt: skip
    stage.close_issue(number)
    closed = maria.issue(REPO, number)
    assert closed is not None
    assert closed.state == "closed"
    assert maria.issue(REPO, 999) is None


def test_label_events_tell_who_and_in_which_order(stage: Stage) -> None:
    maria, otto = stage.as_("maria"), stage.as_("otto")
    stage.allow("otto", "triage")
    number = stage.issue()
    otto.add_labels(REPO, number, ["paid-build"])
    maria.remove_label(REPO, number, "paid-build")
    maria.add_labels(REPO, number, ["paid-build"])
    events = maria.label_events(REPO, number)
    assert [(event.actor, event.added) for event in events] == [
        ("otto", True), ("maria", False), ("maria", True),
    ]  # fmt: skip
    assert [event.id for event in events] == sorted(event.id for event in events)


@pytest.mark.parametrize("permission", ["admin", "maintain", "write", "triage", "read"])
def test_a_persons_permission_is_told_in_full(permission: str, stage: Stage) -> None:
    stage.allow("otto", permission)
    assert stage.as_("maria").permission(REPO, "otto") == permission


def test_a_stranger_has_no_permission(stage: Stage) -> None:
    assert stage.as_("maria").permission(REPO, "nobody-at-all") == "none"


def test_a_comment_is_written_read_and_edited(stage: Stage) -> None:
    maria = stage.as_("maria")
    number = stage.issue()
    made = maria.create_comment(REPO, number, "one")
    assert maria.edit_comment(REPO, made.id, "two").id == made.id
    [seen] = maria.comments(REPO, number)
    assert (seen.id, seen.author, seen.body) == (made.id, "maria", "two")
    with pytest.raises(GitHubNotFoundError):
        maria.edit_comment(REPO, made.id + 999, "three")


def test_labels_are_added_and_removed(stage: Stage) -> None:
    maria = stage.as_("maria")
    number = stage.issue()
    maria.add_labels(REPO, number, ["b & c/d", "e"])
    maria.add_labels(REPO, number, ["f"])
    assert maria.remove_label(REPO, number, "b & c/d") is True
    assert maria.remove_label(REPO, number, "b & c/d") is False
    issue = maria.issue(REPO, number)
    assert issue is not None
    assert set(issue.labels) == {"e", "f"}


def test_a_label_is_made_once(stage: Stage) -> None:
    maria = stage.as_("maria")
    assert maria.ensure_label(REPO, "paid-build", "#1d76db", "Paid builds it") is True
    assert maria.ensure_label(REPO, "paid-build", "1d76db", "Paid builds it") is False


def test_a_pull_request_is_opened_once_and_adopted_after(stage: Stage) -> None:
    maria = stage.as_("maria")
    stage.branch("paid/issue-1-1")
    words = {"title": "T", "body": "B", "branch": "paid/issue-1-1", "base": "main"}
    made = maria.create_pull_request(REPO, **words, draft=True)
    assert (made.state, made.draft, made.head_branch, made.author) == (
        "open", True, "paid/issue-1-1", "maria",
    )  # fmt: skip
    assert maria.create_pull_request(REPO, **words).number == made.number
    assert maria.find_pull_request(REPO, "paid/issue-1-1") == made
    assert maria.pull_request(REPO, made.number) == made


def test_a_closed_pull_request_is_found_but_not_adopted(stage: Stage) -> None:
    maria = stage.as_("maria")
    stage.branch("paid/issue-1-1")
    words = {"title": "T", "body": "B", "branch": "paid/issue-1-1", "base": "main"}
    first = maria.create_pull_request(REPO, **words)
    maria.close_pull_request(REPO, first.number)
    found = maria.find_pull_request(REPO, "paid/issue-1-1")
    assert found is not None
    assert (found.number, found.state) == (first.number, "closed")
    second = maria.create_pull_request(REPO, **words)
    assert second.number != first.number
    assert maria.find_pull_request(REPO, "paid/issue-1-1") == second


def test_a_pull_request_from_nowhere_is_refused(stage: Stage) -> None:
    maria = stage.as_("maria")
    assert maria.find_pull_request(REPO, "paid/none") is None
    with pytest.raises(GitHubError):
        maria.create_pull_request(REPO, title="T", body="B", branch="paid/none", base="main")


def test_who_may_not_label_is_told_so(stage: Stage) -> None:
    stage.allow("eve", "read")
    number = stage.issue()
    with pytest.raises(GitHubError):
        stage.as_("eve").add_labels(REPO, number, ["paid-build"])
