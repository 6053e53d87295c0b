"""Task-queue names, and the timeout-and-retry stories that activities follow, each told once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType


def host_queue(shared_queue: str, host: str) -> str:
    """The queue that only one host's worker reads; container work goes to it."""
    return f"{shared_queue}-host-{host}"


def run_workflow_id(github_repo_id: int, issue_number: int, generation: int) -> str:
    """A run's workflow id. `generation` counts the times that the issue was labelled anew."""
    return f"run:{github_repo_id}:{issue_number}:{generation}"


def poll_workflow_id(project_id: int) -> str:
    """The one poll of a project."""
    return f"poll:{project_id}"


@dataclass(frozen=True)
class Preset:
    """A timeout-and-retry story. `heartbeat` of None is for activities of a few seconds."""

    start_to_close: timedelta
    attempts: int
    heartbeat: timedelta | None = None
    schedule_to_start: timedelta | None = None


NEVER_RETRIED = [
    "BadInputError",
    "ConfigurationError",
    "LimitReachedError",
    "BudgetExceededError",
    "PriceUnknownError",
    "SandboxNotTightError",
    "GitHubUnauthorizedError",
    "GitHubNotFoundError",
    "PushRejectedError",
    "BundleRejectedError",
    "ImageMissingError",
    "CredentialError",
    "NotFoundError",
]
"""Error types that no retry can mend; `paid.errors` says why for each."""

QUICK = Preset(start_to_close=timedelta(seconds=30), attempts=10)
"""PostgreSQL only."""
GITHUB = Preset(start_to_close=timedelta(minutes=5), attempts=8, heartbeat=timedelta(minutes=1))
"""Calls to GitHub; the waits that a rate limit asks for are the retry policy's, not a sleep's."""
CONTAINER = Preset(start_to_close=timedelta(minutes=15), attempts=5, heartbeat=timedelta(minutes=1))
"""Docker and git on the run's host: clone, workspace, checks."""
AGENT = Preset(start_to_close=timedelta(minutes=45), attempts=3, heartbeat=timedelta(minutes=1))
"""One turn of the agent; a further attempt re-attaches to the container that runs."""
CLEANUP = Preset(start_to_close=timedelta(minutes=2), attempts=20, heartbeat=timedelta(seconds=30))
"""Must come through: retried for as long as a host may need to come back."""


def retry_policy(preset: Preset) -> RetryPolicy:
    """Exponential from 1 s to 1 min, never for errors that no retry can mend."""
    return RetryPolicy(
        initial_interval=timedelta(seconds=1),
        backoff_coefficient=2,
        maximum_interval=timedelta(minutes=1),
        maximum_attempts=preset.attempts,
        non_retryable_error_types=NEVER_RETRIED,
    )


WAIT = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
"""Clean-up must not race a step that still runs, so a cancel waits for the step to end."""
