"""Labels where no run can begin: they are answered once, and cost nothing but the answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from temporalio.testing import ActivityEnvironment

from paid.activities.github import GitHubActivities
from paid.contracts import RunInput
from paid.errors import GitHubNotFoundError
from paid.github.client import GitHub
from paid.settings import Settings
from tests.poll.conftest import REPO, Watched


@pytest.fixture
def pull(watched: Watched) -> int:
    """A pull request of otto's."""
    watched.forge.push_file(REPO, "topic", "new.txt", "new\n")
    return watched.forge.open_pull(REPO, "otto", "Add a file", "As said.", "topic", "main")


@pytest.mark.parametrize("label", ["paid-build", "paid-plan"])
@pytest.mark.parametrize("state", ["open", "closed"])
def test_a_label_on_a_pull_request_is_answered_once(
    label: str, state: Literal["open", "closed"], pull: int, watched: Watched
) -> None:
    watched.forge.set_state(REPO, pull, "maria", state)
    watched.label(pull, label)
    for _ in range(3):
        watched.look()
    assert watched.runs() == []
    (comment,) = watched.comments(pull)
    assert "This is a pull request" in comment
    assert watched.kinds().count("issue.refused") == 1
    watched.forge.remove_label(REPO, pull, label, "maria")
    watched.label(pull, label)
    watched.look()
    assert len(watched.comments(pull)) == 1, "it says so in its one comment"
    assert watched.kinds().count("issue.refused") == 2


def test_a_label_on_a_closed_issue_is_answered_once(watched: Watched) -> None:
    number = watched.issue()
    watched.forge.close_issue(REPO, number, "maria")
    watched.label(number)
    for _ in range(3):
        watched.look()
    assert watched.runs() == []
    (comment,) = watched.comments(number)
    assert "is closed" in comment
    watched.forge.set_state(REPO, number, "maria", "open")
    watched.look()
    assert watched.runs() == []
    watched.forge.remove_label(REPO, number, "paid-build", "maria")
    watched.label(number)
    watched.look()
    assert len(watched.runs()) == 1


def test_who_closes_a_labelled_issue_is_not_asked_back(watched: Watched) -> None:
    number = watched.issue()
    watched.label(number)
    watched.long_ago(number)
    watched.forge.close_issue(REPO, number, "maria")
    watched.look()
    assert (watched.runs(), watched.comments(number)) == ([], [])


def test_labels_from_before_the_project_was_watched_cost_no_question(
    watched: Watched, pull: int
) -> None:
    numbers = [pull, watched.issue()]
    watched.forge.close_issue(REPO, numbers[1], "maria")
    for number in numbers:
        watched.label(number)
        issue = watched.forge.issue(REPO, number)
        for event in issue.events:
            event.created_at -= timedelta(days=1)
        issue.updated_at -= timedelta(days=1)
    watched.look()
    assert [watched.comments(number) for number in numbers] == [[], []]
    assert not [entry for entry in watched.forge.log if "/events" in entry.path]
    watched.label(watched.issue())
    watched.look()
    assert watched.since is not None


@pytest.fixture
def activities(watched: Watched, tmp_path: Path) -> Iterator[GitHubActivities]:
    github = GitHub(watched.token, watched.forge.api_url)
    settings = Settings(data_dir=tmp_path / "data")
    yield GitHubActivities(settings, watched.database, lambda _: github)
    github.close()


def test_an_issue_that_is_transferred_before_its_comment_gets_none_and_its_run_ends(
    watched: Watched, activities: GitHubActivities
) -> None:
    other = "acme/elsewhere"
    watched.forge.add_repository(other, {"README.md": "hello\n"}, owner="maria")
    watched.forge.set_permission(other, "paid-bot", "write")
    number = watched.issue()
    watched.label(number)
    watched.look()
    (run,) = watched.runs()
    moved = watched.forge.transfer_issue(REPO, number, other)
    ActivityEnvironment().run(activities.announce, RunInput(run.id or 0))
    assert watched.forge.issue(other, moved).comments == []
    assert watched.record().cancel_workflow_ids == (run.workflow_id,)
    assert "moved away" in str(watched.runs()[0].cancel_reason)


def test_nothing_is_written_on_an_issue_that_was_transferred(watched: Watched) -> None:
    """GitHub redirects writes from where it was to where it is."""
    other = "acme/elsewhere"
    watched.forge.add_repository(other, {"README.md": "hello\n"}, owner="maria")
    watched.forge.set_permission(other, "paid-bot", "write")
    number = watched.issue()
    moved = watched.forge.transfer_issue(REPO, number, other)
    github = GitHub(watched.token, watched.forge.api_url)
    for write in (
        lambda: github.create_comment(REPO, number, "Hello"),
        lambda: github.add_labels(REPO, number, ["paid-done"]),
    ):
        with pytest.raises(GitHubNotFoundError):
            write()
    assert not github.remove_label(REPO, number, "paid-done")
    issue = watched.forge.issue(other, moved)
    assert (issue.labels, issue.comments) == ([], [])
    github.close()


def test_a_renamed_repository_is_written_to_all_the_same(watched: Watched) -> None:
    number = watched.issue()
    watched.forge.rename_repository(REPO, "acme/welcomer")
    github = GitHub(watched.token, watched.forge.api_url)
    github.create_comment(REPO, number, "Hello")
    assert len(watched.forge.issue("acme/welcomer", number).comments) == 1
    github.close()
