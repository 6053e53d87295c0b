"""How long a step waits for what it needs: pure decisions, without a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.exceptions import ApplicationError, FailureError, TimeoutError, TimeoutType

from paid import queues
from paid.errors import (
    DatabaseError,
    DetachedError,
    DockerUnavailableError,
    GitHubRateLimitedError,
    GitHubUnavailableError,
    GitUnavailableError,
    PaidError,
)
from paid.temporal import as_application_error
from paid.workflows.patience import MOST_LOST_WORKERS, NO_PAUSE, Patience

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = timedelta(seconds=1)
AWAY = as_application_error(DockerUnavailableError("Docker does not answer."))
LET_GO = as_application_error(DetachedError("The worker lets go."))
KILLED = ApplicationError("The worker was lost.", type="WorkerLostError")
NOT_HEARD_OF = TimeoutError("silent", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[])
HANGS = TimeoutError("too long", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[])
GROWING = [5, 5, 10, 20, 40]
WITH_DOCKER = {"AGENT": GROWING, "CONTAINER": [*GROWING, 60], "PUBLISH": [*GROWING, *[60] * 5]}


def _pauses(patience: Patience, *errors: FailureError, lasted: timedelta = MOMENT) -> list[object]:
    found = [patience.pause(error, lasted, BEGIN) for error in errors]
    return [None if pause is None else pause.total_seconds() for pause in found]


@pytest.mark.parametrize("preset", list(WITH_DOCKER))
@pytest.mark.parametrize("loss", [KILLED, LET_GO, NOT_HEARD_OF])
def test_docker_is_waited_for_as_long_however_many_workers_were_lost_before(
    preset: str, loss: FailureError
) -> None:
    patience = Patience("step", getattr(queues, preset))
    assert _pauses(patience, *[loss] * 12) == [0] * 12
    waits = WITH_DOCKER[preset]
    assert _pauses(patience, *[AWAY] * (len(waits) + 1)) == [*waits, None]


def test_workers_that_are_lost_while_docker_is_away_take_nothing_from_its_wait() -> None:
    patience = Patience("run_agent", queues.AGENT)
    assert _pauses(patience, AWAY, KILLED, AWAY, LET_GO, AWAY, AWAY) == [5, 0, 5, 0, 10, 20]


def test_each_absence_of_docker_is_waited_for_anew() -> None:
    patience = Patience("run_agent", queues.AGENT)
    for _ in range(5):
        assert _pauses(patience, AWAY, lasted=timedelta(minutes=5)) == [5]
        assert _pauses(patience, AWAY, AWAY) == [5, 10]


def test_the_error_itself_may_say_how_soon_to_look_again() -> None:
    soon = DockerUnavailableError("Docker does not answer.")
    soon.retry_after_seconds = 0.1
    assert _pauses(Patience("verify", queues.CONTAINER), *[as_application_error(soon)] * 2) == [
        0.1, 0.1,
    ]  # fmt: skip


def test_a_step_that_kills_its_workers_is_not_begun_anew_for_ever() -> None:
    patience = Patience("verify", queues.CONTAINER)
    assert _pauses(patience, *[KILLED] * (MOST_LOST_WORKERS + 1))[-2:] == [0, None]


def test_an_outage_behind_lost_workers_has_just_begun() -> None:
    patience = Patience("end_run", queues.QUICK)
    away = as_application_error(DatabaseError("PostgreSQL does not answer."))
    patience.pause(away, MOMENT, BEGIN)
    patience.pause(KILLED, MOMENT, BEGIN)
    assert patience.pause(away, MOMENT, BEGIN + timedelta(minutes=10)) == timedelta(seconds=1)


@pytest.mark.parametrize("error", [HANGS, as_application_error(GitUnavailableError("away"))])
def test_what_temporal_has_tried_often_enough_is_not_waited_for(error: FailureError) -> None:
    assert Patience("verify", queues.CONTAINER).pause(error, MOMENT, BEGIN) is None


@pytest.mark.parametrize(
    "error",
    [
        GitUnavailableError("The remote did not answer."),
        GitHubUnavailableError("GitHub answered 503."),
        GitHubRateLimitedError("A limit holds.", retry_after_seconds=60),
    ],
)
def test_what_a_run_has_made_waits_for_github_and_not_for_ever(error: PaidError) -> None:
    """An incident there lasts half an hour, and its own attempts are over after some minutes."""
    patience, now, lasted = Patience("create_pull_request", queues.PUBLISH), BEGIN, 4 * 60
    waited = [timedelta(seconds=lasted)]
    while (pause := patience.pause(as_application_error(error), waited[0], now)) is not None:
        waited.append(pause)
        now += pause + waited[0]
    assert timedelta(hours=2) < now - BEGIN + waited[0] < timedelta(hours=3)
    assert max(waited[1:]) <= timedelta(minutes=5)


def test_a_claim_leaves_docker_to_temporal_and_not_its_lost_workers() -> None:
    patience = Patience("provision_container", queues.CLAIM_SOON)
    assert patience.pause(AWAY, MOMENT, BEGIN) is None
    assert patience.pause(KILLED, MOMENT, BEGIN) == NO_PAUSE
