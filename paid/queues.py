"""Task-queue names, and the timeout-and-retry stories that activities follow, each told once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType


def host_queue(shared_queue: str, host: str) -> str:
    """The queue that only one host's worker reads; container work goes to it."""
    return f"{shared_queue}-host-{host}"


def claim_queue(shared_queue: str) -> str:
    """The queue on which hosts with free slots claim runs."""
    return f"{shared_queue}-hosts"


def run_workflow_id(project_id: int, issue_number: int, generation: int) -> str:
    """A run's workflow id. `generation` counts the times that the issue was labelled anew.

    By the project and not by GitHub's number of the repository: a repository may be removed and
    added anew, and two servers may each have one of the same number.
    """
    return f"run:{project_id}/{issue_number}/{generation}"


def poll_workflow_id(project_id: int) -> str:
    """The one poll of a project."""
    return f"poll:{project_id}"


@dataclass(frozen=True)
class Preset:
    """A timeout-and-retry story. `heartbeat` of None is for activities of a few seconds.

    `first_wait` is that before the second attempt; each further one is twice as long.
    `docker_waits` is how often a run's workflow waits during one absence of Docker: 5, 5, 10,
    20, 40 and then 60 s (`paid.workflows.patience`). 0 leaves it to Temporal, as one of the
    attempts. What `is_local` runs beside its workflow and goes through no queue: a short word that
    it waits for.
    """

    start_to_close: timedelta
    attempts: int
    heartbeat: timedelta | None = None
    schedule_to_start: timedelta | None = None
    first_wait: timedelta = timedelta(seconds=1)
    docker_waits: int = 0
    is_local: bool = False


HOST_WAIT = timedelta(minutes=15)
"""How long work for a host waits for its worker before the run is given to another host."""

QUICK = Preset(start_to_close=timedelta(seconds=30), attempts=10)
"""PostgreSQL only."""
BESIDE = replace(QUICK, is_local=True)
"""The same, without a way through Temporal before it and behind it."""
GITHUB = Preset(start_to_close=timedelta(minutes=5), attempts=8, heartbeat=timedelta(minutes=1))
"""Calls to GitHub; the waits that a rate limit asks for are the retry policy's, not a sleep's."""
LOOK = replace(GITHUB, attempts=4)
"""The poll's: what does not pass within seconds is waited for by the workflow, which can be woken.
"""
PUBLISH = replace(GITHUB, schedule_to_start=HOST_WAIT, docker_waits=10)
"""The same on the run's host, which may be lost."""
CLAIM_SOON = Preset(
    start_to_close=timedelta(seconds=30), attempts=3, schedule_to_start=timedelta(seconds=10)
)
"""The first seconds of a claim: whoever has no host after them is told why."""
CLAIM = Preset(start_to_close=timedelta(seconds=30), attempts=0)
"""Waits for a free slot: tried until there is one. 0 attempts means without end."""
CONTAINER = Preset(
    start_to_close=timedelta(minutes=30),
    attempts=5,
    heartbeat=timedelta(minutes=1),
    schedule_to_start=HOST_WAIT,
    docker_waits=6,
)
"""Docker and git on the run's host: clone, workspace, checks."""
AGENT = Preset(
    start_to_close=timedelta(minutes=45),
    attempts=3,
    heartbeat=timedelta(minutes=1),
    schedule_to_start=HOST_WAIT,
    first_wait=timedelta(seconds=9),
    docker_waits=5,
)
"""One turn of the agent; a further attempt re-attaches to the container that runs.

The waits between the attempts add up to half a minute.
A worker that takes a dead one's place does not let it wait (`paid.takeover`).
"""
CLEANUP = Preset(
    start_to_close=timedelta(minutes=2),
    attempts=20,
    heartbeat=timedelta(seconds=30),
    schedule_to_start=HOST_WAIT,
)
"""Must come through: retried for as long as a host may need to come back."""


WAIT = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
"""Clean-up must not race a step that still runs, so a cancel waits for the step to end."""


def options(preset: Preset, ends_at_once: Sequence[str] = ()) -> dict[str, Any]:
    """A preset as keyword arguments of `workflow.execute_activity`.

    Waits between attempts grow from the preset's first one to 1 min. Which errors are not retried
    is said by the errors themselves (`paid.errors`, translated in `paid.temporal`), and by
    `ends_at_once`: the types that a workflow takes into its own hands.
    """
    return {
        **local_options(preset, ends_at_once),
        "schedule_to_start_timeout": preset.schedule_to_start,
        "heartbeat_timeout": preset.heartbeat,
    }


def local_options(preset: Preset, ends_at_once: Sequence[str] = ()) -> dict[str, Any]:
    """The same of `workflow.execute_local_activity`, which goes through no queue."""
    return {
        "start_to_close_timeout": preset.start_to_close,
        "cancellation_type": WAIT,
        "retry_policy": RetryPolicy(
            initial_interval=preset.first_wait,
            backoff_coefficient=2,
            maximum_interval=timedelta(minutes=1),
            maximum_attempts=preset.attempts,
            non_retryable_error_types=ends_at_once or None,
        ),
    }
