"""What an agent gets is the text that the label was set on, however GitHub's answers are timed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from paid.activities.poll_look import Look
from paid.github.client import GitHub
from paid.github.words import LabelEvent
from paid.triage import Labels
from tests.poll.conftest import REPO, Watched


class Interrupted(GitHub):
    """The client; something happens on GitHub before it first asks for an issue's events."""

    def __init__(self, token: str, api_url: str, happens: Callable[[], None]) -> None:
        super().__init__(token, api_url)
        self._happens = [happens]

    def label_events(self, repo: str, number: int) -> list[LabelEvent]:
        while self._happens:
            self._happens.pop()()
        return super().label_events(repo, number)


def look_while(watched: Watched, happens: Callable[[], None]) -> None:
    """One look, during which something happens between its list and its question for events."""
    project = watched.project()
    github = Interrupted(watched.token, project.api_url, happens)
    labels = Labels("paid-build", "paid-plan", "paid-cancel")
    look = Look(watched.database, github, project, labels, ["maria"], lambda _project, _run: None)
    look.record_what_is_asked_for(None, 0)
    github.close()


@pytest.mark.parametrize(
    ("author", "field"), [("otto", "body"), ("otto", "title"), ("maria", "body")]
)
def test_a_text_that_was_taken_back_before_the_label_is_not_run(
    author: str, field: str, watched: Watched
) -> None:
    number = watched.issue(author=author)
    watched.label(number)
    watched.long_ago(number)
    watched.forge.edit_issue(REPO, number, author, **{field: "EVIL"})
    watched.long_ago(number)

    def taken_back() -> None:
        watched.forge.edit_issue(
            REPO, number, author, title="Greet politely", body="Say hello, not hi."
        )
        watched.long_ago(number)
        watched.forge.remove_label(REPO, number, "paid-build", "maria")
        watched.label(number)

    look_while(watched, taken_back)
    assert len(watched.runs()) == 1
    row = watched.row(number)
    assert (row.pinned_title, row.pinned_body) == ("Greet politely", "Say hello, not hi.")


def test_an_outsiders_edit_during_a_look_needs_the_label_again(watched: Watched) -> None:
    number = watched.issue(author="otto")
    watched.label(number)
    watched.long_ago(number)
    look_while(watched, lambda: watched.forge.edit_issue(REPO, number, "otto", body="EVIL"))
    assert watched.runs() == []


def test_a_label_that_is_taken_away_during_a_look_starts_nothing(watched: Watched) -> None:
    number = watched.issue(author="otto")
    watched.label(number)

    class Late(Interrupted):
        def label_events(self, repo: str, number: int) -> list[LabelEvent]:
            told = GitHub.label_events(self, repo, number)
            watched.forge.remove_label(REPO, number, "paid-build", "maria")
            return told

    project = watched.project()
    github = Late(watched.token, project.api_url, lambda: None)
    labels = Labels("paid-build", "paid-plan", "paid-cancel")
    look = Look(watched.database, github, project, labels, ["maria"], lambda _project, _run: None)
    look.record_what_is_asked_for(None, 0)
    github.close()
    assert watched.runs() == []
    assert watched.comments(number) == []
