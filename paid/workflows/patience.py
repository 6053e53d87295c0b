"""What a step of a run may meet without failing, and how long it waits before it is begun anew.

Temporal counts every attempt at an activity, whatever it failed of: three workers that were killed
would leave a moment's absence of Docker none. So what has nothing to do with the step itself ends
the activity at once, and is counted here, each kind for itself; an activity that is begun anew has
all its attempts again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    TimeoutType,
)
from temporalio.exceptions import TimeoutError as ActivityTimeoutError

with workflow.unsafe.imports_passed_through():
    from paid.queues import Preset

LOST_WORKERS = ("WorkerLostError", "DetachedError")
NOT_HEARD_OF = "TemporalTimeout:Heartbeat"
"""Temporal's name for a heartbeat time-out among a retry policy's types of errors (its
`retry.go`). A server that does not know the name counts these attempts, as it did before."""
MOST_LOST_WORKERS = 30
"""So many workers may be lost under one step: it may be what kills them."""
DOCKER = "DockerUnavailableError"
GATEWAY = "GatewayAwayError"
AWAY = {"DatabaseError": "database-away", GATEWAY: "gateway-away"}
"""What a step may find away for a day, and the patch since which a run waits for it."""
REMOTE = ("GitHubUnavailableError", "GitUnavailableError", "GitHubRateLimitedError")
PUBLISHES = "create_pull_request"
"""The step behind which nothing is to be paid any more: all of the run's work waits for it."""
LONGEST_WITHOUT_GITHUB = timedelta(hours=2)
"""Longer than nearly all of GitHub's own incidents; what a server never answers must end, too."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=5)
PAUSE_PART = 0.1
"""A step is begun anew after so much of the time that it has waited: an outage of two minutes is
noticed to be over within a quarter of one, and one of a day costs some hundred attempts."""
LONGEST_OUTAGE = timedelta(days=1)
LONGEST_VAIN_ATTEMPT = timedelta(minutes=3)
"""An activity's own attempts are over sooner where what it needs is away all the time."""
FIRST_DOCKER_PAUSE, LONGEST_DOCKER_PAUSE = timedelta(seconds=5), timedelta(minutes=1)
DOCKER_PAUSES = (1, 1, 2, 4, 8, 12)
"""By how much the first pause grows: an engine that starts again is mostly back within seconds, and
a pause of 25 s behind one of 5 would let all runs wait for 20 s more."""
LONGEST_WITHOUT_DOCKER = timedelta(minutes=1)
"""A call to an engine that is away fails within 30 s: what went on for longer had one."""
NO_PAUSE = timedelta(0)


def cause_of(error: BaseException) -> BaseException | None:
    """What an activity failed of; the error of a local one comes without an ActivityError."""
    return error.cause if isinstance(error, ActivityError) else error


def worker_was_lost(error: BaseException) -> bool:
    """Whether the last attempt ended because its worker was killed, stopped or not heard of."""
    cause = cause_of(error)
    if isinstance(cause, ActivityTimeoutError):
        return cause.type is TimeoutType.HEARTBEAT
    return isinstance(cause, ApplicationError) and cause.type in LOST_WORKERS


def ends_at_once(preset: Preset) -> list[str]:
    """The types of errors that Temporal does not retry, because the workflow counts them."""
    docker = [DOCKER] if preset.docker_waits else []
    return [*LOST_WORKERS, NOT_HEARD_OF, *docker]


def is_gateways(error: FailureError) -> bool:
    """Whether the gateway was away, of which people are told."""
    cause = cause_of(error)
    return isinstance(cause, ApplicationError) and cause.type == GATEWAY


class Patience:
    """Counts what one step has met; a fault of one kind takes nothing from what another gets."""

    def __init__(self, name: str, preset: Preset) -> None:
        self._name = name
        self._docker_waits_allowed = preset.docker_waits
        self._lost_workers = 0
        self._docker_waits = 0
        self._away_since: datetime | None = None
        self._without_github_since: datetime | None = None

    def pause(self, error: FailureError, lasted: timedelta, now: datetime) -> timedelta | None:
        """How long to wait before the step is begun anew; None when it has failed.

        `lasted` is how long the activity went on, all its attempts together.
        """
        cause = cause_of(error)
        kind = cause.type if isinstance(cause, ApplicationError) else None
        if kind in AWAY:
            return self._outage(lasted, now)
        self._away_since = None
        if kind in REMOTE and self._name == PUBLISHES:
            return self._without_github(lasted, now)
        if worker_was_lost(error):
            self._lost_workers += 1
            return NO_PAUSE if self._lost_workers <= MOST_LOST_WORKERS else None
        if kind == DOCKER and isinstance(cause, ApplicationError):
            return self._docker(cause.next_retry_delay, lasted)
        return None

    def patch(self, error: FailureError) -> str:
        """The patch since which a run waits for what `pause` has a pause for.

        Lost workers have one for each step: a run that lost some before goes on under its own.
        """
        cause = cause_of(error)
        kind = cause.type if isinstance(cause, ApplicationError) else None
        if kind in AWAY:
            return AWAY[kind]
        if kind in REMOTE:
            return "github-away"
        return "docker-away" if kind == DOCKER else f"lost-workers-of-{self._name}"

    def _outage(self, lasted: timedelta, now: datetime) -> timedelta | None:
        if self._away_since is None or lasted > LONGEST_VAIN_ATTEMPT:
            self._away_since = now  # until then it worked: this outage has just begun
        waited = now - self._away_since
        if waited > LONGEST_OUTAGE:
            return None
        return min(max(PAUSE_PART * waited, FIRST_PAUSE), LONGEST_PAUSE)

    def _without_github(self, lasted: timedelta, now: datetime) -> timedelta | None:
        """As of an outage; from its first attempt on, since those behind it may last as long."""
        if self._without_github_since is None:
            self._without_github_since = now - lasted
        waited = now - self._without_github_since
        if waited > LONGEST_WITHOUT_GITHUB:
            return None
        return min(max(PAUSE_PART * waited, FIRST_PAUSE), LONGEST_PAUSE)

    def _docker(self, first: timedelta | None, lasted: timedelta) -> timedelta | None:
        """5, 5, 10, 20, 40 and then 60 s, for each absence anew; `first` is what the error says."""
        if lasted > LONGEST_WITHOUT_DOCKER:
            self._docker_waits = 0
        if self._docker_waits >= self._docker_waits_allowed:
            return None
        grown = DOCKER_PAUSES[min(self._docker_waits, len(DOCKER_PAUSES) - 1)]
        self._docker_waits += 1
        return min((first or FIRST_DOCKER_PAUSE) * grown, LONGEST_DOCKER_PAUSE)
