"""How a run's status looks, and what a person can do about an end that is not a success."""

from __future__ import annotations

from dataclasses import dataclass

from paid.contracts import RunStatus
from paid.models import Run, RunHold


@dataclass(frozen=True)
class Badge:
    """A status in words, with the tone of its colour; the colour never says anything alone."""

    text: str
    tone: str


_BADGES = {
    RunStatus.QUEUED: Badge("Queued", "idle"),
    RunStatus.PROVISIONING: Badge("Preparing", "live"),
    RunStatus.RUNNING: Badge("Agent at work", "live"),
    RunStatus.VERIFYING: Badge("Checking", "live"),
    RunStatus.REVIEWING: Badge("Reviewing", "live"),
    RunStatus.AWAITING_APPROVAL: Badge("Needs approval", "wait"),
    RunStatus.CREATING_PR: Badge("Opening pull request", "live"),
    RunStatus.COMPLETED: Badge("Completed", "good"),
    RunStatus.NO_CHANGES: Badge("No changes", "idle"),
    RunStatus.FAILED: Badge("Failed", "bad"),
    RunStatus.CANCELLED: Badge("Cancelled", "idle"),
    RunStatus.BUDGET_EXCEEDED: Badge("Over budget", "wait"),
    RunStatus.NEEDS_INPUT: Badge("Needs input", "wait"),
}

_WHAT_TO_DO = {
    "agent": "Read the agent's last words below. Labelling the issue anew starts another attempt.",
    "bad_input": "Mend what the message names, then label the issue anew.",
    "branch_missing": "Look which branch is the default one, then label the issue anew.",
    "budget_exceeded": "Raise the budget, then label the issue anew if the run has ended.",
    "bundle_rejected": "The workspace gave back something unexpected and nothing was pushed. "
    "The output below shows what the agent did to its repository.",
    "cancelled": "Label the issue anew to start another attempt.",
    "change_too_large": "The message names the limit. Make the issue smaller; label it anew.",
    "checks_cannot_pass": "Mend what the message names, in the project's settings or on its base, "
    "then label the issue anew; `paid project check` tries the checks without an agent.",
    "configuration": "`paid doctor` says which setting to mend.",
    "container": "`paid doctor` checks Docker and the agent image on this machine.",
    "credential": "Give the project its token anew: `paid project set` with a token file.",
    "database": "`paid doctor` checks PostgreSQL.",
    "disk_full": "Free some disk on the worker's host; the next run starts by itself.",
    "docker_unavailable": "Start the Docker engine; `paid doctor` checks it.",
    "git_unavailable": "The repository could not be reached. Label the issue anew later.",
    "github_not_found": "Check that the repository and the issue still exist, and that the "
    "project's token may see them.",
    "github_rate_limited": "GitHub asked to wait. Label the issue anew later.",
    "github_unauthorized": "Give the project a token that may do this (`paid project set` with a "
    "token file), resume it if it is paused, then label the issue anew.",
    "github_unavailable": "GitHub did not answer. Label the issue anew later.",
    "host_lost": "Start a worker (`bin/temporal-worker`), then label the issue anew.",
    "image_missing": "Build the agent's image: `paid agent install`, or `bin/setup`.",
    "limit_reached": "Raise the limit in the project's settings, or make the issue smaller, "
    "then label it anew.",
    "model_key_missing": "Give the gateway the key, start it again, then label the issue anew.",
    "needs_input": "Answer on the issue, then label it anew.",
    "no_changes": "The agent found nothing to change. Say in the issue what should be different.",
    "price_unknown": "Give the model a price in prices.json, or choose another model.",
    "push_rejected": "The repository refused the branch: the message says why, and what to do.",
    "unpublishable": "A person has to make the part of the change that the message names.",
    "policy": "A person has to allow what the change touches; see the project's settings.",
    "secret_found": "Look at the places that the message names. If all of it may be published, a "
    "person releases it; `paid project allow-secret` lets every run of the project publish it.",
    "sandbox_not_tight": "The sandbox was not as tight as it must be, so nothing ran. "
    "`paid doctor` says what is open.",
}
_OTHERWISE = (
    "The output below shows what happened. Labelling the issue anew starts another attempt."
)


def badge(run: Run, hold: RunHold | None = None) -> Badge:
    """The status as people see it: a wait and a cancel on its way go before the phase."""
    if run.ended_at is None and run.cancel_requested_at is not None:
        return Badge("Cancelling", "wait")
    if run.ended_at is None and hold is not None:
        text = "Paused: budget" if hold.reason == "budget" else "Paused: vendor's limit"
        return Badge(text, "wait")
    if run.waits:
        return Badge("Waits for a host", "wait")
    return status_badge(run.status)


def status_badge(status: str) -> Badge:
    """A status itself, whatever else is true of the run."""
    return _BADGES[RunStatus(status)]


def what_to_do(run: Run) -> str:
    """The next step for a person, for a run that ended without a pull request."""
    code = run.error_code or run.status
    return _WHAT_TO_DO.get(code, _OTHERWISE)
