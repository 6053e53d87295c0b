"""A token that ends, or lacks a right, is told of before it costs a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from paid.activities.refused_token import refusal_pauses
from paid.errors import GitHubUnauthorizedError, PushRejectedError
from paid.models import Event, ProjectState
from paid.store import notifications, token_expiry
from tests.poll.conftest import Watched


def expires(watched: Watched, moment: datetime) -> None:
    watched.forge.let_expire(watched.token, f"{moment:%Y-%m-%d %H:%M:%S} UTC")


def told(watched: Watched) -> list[int]:
    """For how many days ahead the token's end was told, in order."""
    with watched.database.session() as session:
        question = select(Event).where(Event.kind == token_expiry.EXPIRES)
        return [event.data["days"] for event in session.exec(question)]


def test_a_tokens_end_is_on_record_with_the_next_look(watched: Watched) -> None:
    watched.look()
    assert watched.project().token_expires_at is None
    far = datetime.now(UTC).replace(microsecond=0) + timedelta(days=90)
    expires(watched, far)
    watched.look()
    assert watched.project().token_expires_at == far
    assert told(watched) == []


@pytest.mark.parametrize(("hours", "days"), [(24 * 6, 7), (60, 3), (20, 1), (-1, 1)])
def test_an_end_that_is_near_is_told_once(hours: int, days: int, watched: Watched) -> None:
    expires(watched, datetime.now(UTC) + timedelta(hours=hours))
    for _ in range(3):
        watched.look()
    assert told(watched) == [days]
    assert token_expiry.EXPIRES in notifications.NEWS


def test_it_is_told_again_when_it_has_come_nearer(watched: Watched) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    with watched.database.session() as session:
        for days in (7, 3, 1):
            # what was told before is what counts, not when
            at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days - 0.5)
            token_expiry.note(session, watched.project_id, at)
        token_expiry.note(session, watched.project_id, end)
        token_expiry.note(session, watched.project_id, end)
    assert told(watched) == [7, 3, 1, 3]


def test_a_token_without_an_end_takes_the_warning_back(watched: Watched) -> None:
    with watched.database.session() as session:
        token_expiry.note(session, watched.project_id, datetime.now(UTC) + timedelta(days=2))
        token_expiry.note(session, watched.project_id, None)
    assert watched.project().token_expires_at is None


def test_a_refusal_while_publishing_pauses_the_project_with_the_reason(watched: Watched) -> None:
    refused = GitHubUnauthorizedError("GitHub answered 403: Resource not accessible", hint="Do X.")
    with (
        pytest.raises(GitHubUnauthorizedError),
        refusal_pauses(watched.database, watched.project()),
    ):
        raise refused
    project = watched.project()
    assert project.state == ProjectState.PAUSED
    assert "Resource not accessible" in project.paused_reason
    assert "Do X." in project.paused_reason


def test_what_is_about_one_run_alone_pauses_nothing(watched: Watched) -> None:
    with pytest.raises(PushRejectedError), refusal_pauses(watched.database, watched.project()):
        raise PushRejectedError("The branch is protected.")
    assert watched.project().state == ProjectState.ACTIVE
