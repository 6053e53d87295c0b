"""What labels go through on GitHub: renamed, set anew at the wrong moment, seen late."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from paid.activities.poll import PollActivities
from paid.contracts import PollInput, RunStatus
from paid.github.clients import GitHubClients
from paid.store.credentials import SecretBox
from tests.off_clock import Elsewhere, opened
from tests.poll.conftest import REPO, Watched


def rename_label(watched: Watched, number: int, old: str, new: str) -> None:
    """As GitHub does it: the issue has the new name, its events keep the old one."""
    issue = watched.forge.issue(REPO, number)
    issue.labels = [new if label == old else label for label in issue.labels]
    for what_happened in (issue, *issue.events):
        for moment in ("created_at", "updated_at"):
            if hasattr(what_happened, moment):
                then = getattr(what_happened, moment) - timedelta(hours=1)
                setattr(what_happened, moment, then)


def test_a_label_that_was_renamed_is_answered_once(watched: Watched) -> None:
    number = watched.issue()
    watched.label(number, "ai")
    rename_label(watched, number, "ai", "paid-build")
    for _ in range(3):
        watched.look()
    assert watched.runs() == []
    (comment,) = watched.comments(number)
    assert "may have been renamed" in comment
    assert watched.kinds().count("issue.refused") == 1
    assert watched.since is not None  # and it keeps nothing else back


def test_whether_a_labels_event_is_late_is_told_by_githubs_clock(
    watched: Watched, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    new, renamed = watched.issue(), watched.issue()
    watched.label(new)
    watched.forge.issue(REPO, new).events.clear()  # GitHub lists it a little later
    watched.label(renamed, "ai")
    rename_label(watched, renamed, "ai", "paid-build")
    elsewhere.do(_look, watched.database.url, tmp_path / "secret.key", watched.project_id)
    assert watched.comments(new) == []
    (comment,) = watched.comments(renamed)
    assert "may have been renamed" in comment


def _look(url: str, key_file: Path, project_id: int) -> None:
    with opened(url) as database:
        clients = GitHubClients(database, SecretBox(key_file))
        activities = PollActivities(database, clients)
        ActivityEnvironment().run(activities.look_at_github, PollInput(project_id))
        clients.close()


def test_a_label_that_was_renamed_may_be_set_anew(watched: Watched) -> None:
    number = watched.issue()
    watched.label(number, "ai")
    rename_label(watched, number, "ai", "paid-build")
    watched.look()
    watched.forge.remove_label(REPO, number, "paid-build", "maria")
    watched.label(number)
    watched.look()
    assert len(watched.runs()) == 1


def test_a_label_that_was_renamed_while_its_run_goes_on_says_nothing(watched: Watched) -> None:
    number = watched.issue()
    watched.label(number)
    watched.look()
    watched.label(number, "later")
    watched.forge.issue(REPO, number).labels = ["paid-build", "later"]
    for event in watched.forge.issue(REPO, number).events:
        event.label = {"paid-build": "ai"}.get(event.label or "", event.label)
    rename_label(watched, number, "", "")
    watched.since = None
    watched.look()
    assert watched.comments(number) == []
    assert len(watched.runs()) == 1


def test_a_label_set_anew_while_its_run_is_being_stopped_starts_another(watched: Watched) -> None:
    number = watched.issue()
    watched.label(number)
    watched.look()
    watched.forge.remove_label(REPO, number, "paid-build", "maria")
    watched.look()
    assert watched.runs()[0].cancel_requested_at is not None
    watched.label(number)
    watched.look()
    assert len(watched.runs()) == 1  # the first one still stops
    watched.end(int(watched.runs()[0].id or 0), RunStatus.CANCELLED)
    watched.look()
    assert [run.generation for run in watched.runs()] == [1, 2]


def test_a_change_that_shows_late_in_the_list_is_not_missed(watched: Watched) -> None:
    late, early = watched.issue(), watched.issue()
    watched.label(early)
    watched.look()
    watched.label(late)
    issue = watched.forge.issue(REPO, late)
    before = watched.forge.issue(REPO, early).updated_at - timedelta(seconds=5)
    issue.updated_at = issue.events[-1].created_at = before
    watched.look()
    assert len(watched.runs()) == 2


@pytest.mark.parametrize("what", ["issues", "pull requests"])
def test_a_repository_with_what_a_run_needs_switched_off_is_paused_with_that_reason(
    what: str, watched: Watched
) -> None:
    watched.label(watched.issue())
    setattr(watched.forge.world.repositories[REPO], f"has_{what.replace(' ', '_')}", False)
    watched.look()
    assert f"{what} switched off" in str(watched.project().paused_reason)
    assert watched.runs() == []


def test_a_renamed_repository_is_followed_and_its_runs_go_on(watched: Watched) -> None:
    number = watched.issue()
    watched.label(number)
    watched.look()
    watched.forge.rename_repository(REPO, "Acme-Inc/welcomer")
    watched.look()
    assert watched.project().full_name == "Acme-Inc/welcomer"
    assert watched.project().clone_url.endswith("/Acme-Inc/welcomer.git")
    (run,) = watched.runs()
    assert run.cancel_requested_at is None
