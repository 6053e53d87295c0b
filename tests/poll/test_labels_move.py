"""What becomes of an issue's labels, and what its comment says, when its run has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from paid.activities.github import GitHubActivities
from paid.contracts import RunInput, RunStatus
from paid.github.client import GitHub
from paid.github.words import IssueSeen
from paid.settings import Settings
from tests.ledger.rows import item, reserve, settle, settlement
from tests.poll.conftest import REPO, Watched

Report = Callable[[RunStatus], list[str]]
NUMBER = 1
CENT = 10_000


@pytest.fixture
def report(watched: Watched, tmp_path: Path) -> Iterator[Report]:
    """Ends the first run as it is told, lets that be reported, and gives the issue's labels."""
    github = GitHub(watched.token, watched.forge.api_url)
    settings = Settings(data_dir=tmp_path / "data")
    activities = GitHubActivities(settings, watched.database, lambda _: github)

    def end(status: RunStatus) -> list[str]:
        run_id = int(watched.runs()[0].id or 0)
        watched.end(run_id, status)
        ActivityEnvironment().run(activities.report_end, RunInput(run_id))
        return list(watched.forge.issue(REPO, NUMBER).labels)

    yield end
    github.close()


@pytest.fixture
def labelled(watched: Watched) -> Watched:
    assert watched.issue() == NUMBER
    watched.label(NUMBER)
    watched.look()
    return watched


def test_the_label_that_asked_goes_and_one_that_tells_the_end_comes(
    labelled: Watched, report: Report
) -> None:
    labelled.label(NUMBER, "bug")
    assert report(RunStatus.FAILED) == ["bug", "paid-failed"]


class _Busy(GitHub):
    """GitHub on which an automation sets a label just after an issue was read first."""

    is_quiet = False

    def issue(self, repo: str, number: int) -> IssueSeen | None:
        seen = super().issue(repo, number)
        if not self.is_quiet:
            self.is_quiet = True
            self.add_labels(repo, number, ["has-pr"])
        return seen


def test_a_label_that_somebody_sets_at_this_moment_is_not_lost(
    labelled: Watched, tmp_path: Path
) -> None:
    github = _Busy(labelled.token, labelled.forge.api_url)
    activities = GitHubActivities(
        Settings(data_dir=tmp_path / "data"), labelled.database, lambda _: github
    )
    run_id = int(labelled.runs()[0].id or 0)
    labelled.end(run_id, RunStatus.FAILED)
    ActivityEnvironment().run(activities.report_end, RunInput(run_id))
    assert set(labelled.forge.issue(REPO, NUMBER).labels) == {"has-pr", "paid-failed"}
    github.close()


def test_a_label_that_is_spelled_otherwise_goes_too(watched: Watched, report: Report) -> None:
    watched.issue()
    watched.label(NUMBER, "Paid-Build")
    watched.label(NUMBER, "PAID-DONE")
    watched.look()
    assert report(RunStatus.FAILED) == ["paid-failed"]


def test_a_label_set_anew_while_the_run_stopped_stays(labelled: Watched, report: Report) -> None:
    labelled.forge.remove_label(REPO, NUMBER, "paid-build", "maria")
    labelled.look()
    labelled.label(NUMBER)
    assert report(RunStatus.CANCELLED) == ["paid-build"]
    labelled.look()
    assert len(labelled.runs()) == 2


def test_a_run_that_a_person_stopped_in_paid_takes_its_label_along(
    labelled: Watched, report: Report
) -> None:
    assert report(RunStatus.CANCELLED) == []
    labelled.look()
    assert len(labelled.runs()) == 1


def test_what_is_not_settled_yet_counts_as_the_most_that_it_can_cost(
    labelled: Watched, report: Report
) -> None:
    """An agent was stopped in the middle of an answer, which the gateway reads on."""
    run_id = int(labelled.runs()[0].id or 0)
    with labelled.database.session() as session:
        done, cut = item(run_id, 20 * CENT), item(run_id, 30 * CENT)
        reserve(session, done, cut)
        settle(session, settlement(done, 5 * CENT))
    report(RunStatus.CANCELLED)
    (comment,) = labelled.comments(NUMBER)
    assert "| Cost | $0.35 at most ($0.30 of it estimated)" in comment


def test_the_end_is_told_after_the_label_that_asked_is_gone(
    labelled: Watched, report: Report
) -> None:
    """Whoever sees the end may set the label anew at once, and that one must stay."""
    report(RunStatus.FAILED)
    events = labelled.forge.issue(REPO, NUMBER).events
    moved = [(event.event, event.label) for event in events if "label" in event.event]
    assert moved[-2:] == [("unlabeled", "paid-build"), ("labeled", "paid-failed")]
