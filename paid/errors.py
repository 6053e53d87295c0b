"""One root for every error that Paid raises on purpose.

Each error says three things: a `code` that is stored and shown and never changes its meaning,
whether a retry can help (`retryable`), and, where a person can do something, what (`hint`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar


class PaidError(Exception):
    """Raised when something that Paid foresaw goes wrong; the root of all the others."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    retry_after_seconds: float | None = None
    """When a retry makes sense; None leaves it to the retry policy."""
    workflow_waits: ClassVar[bool] = False
    """Whether a run's workflow waits for what is missing, and tells people, instead of Temporal."""

    for_agent: str | None = None
    """What the run's agent is told where it can mend the cause of what was refused."""

    def __init__(
        self, message: str, *, hint: str | None = None, for_agent: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.for_agent = for_agent

    def __str__(self) -> str:
        if not self.hint:
            return self.message
        end = "" if self.message.endswith((".", "!", "?", "…", ":")) else "."
        return f"{self.message}{end} {self.hint}"


class BadInputError(PaidError):
    """Raised when what a person or a repository gave cannot be used as it is."""

    code = "bad_input"


class BranchMissingError(BadInputError):
    """Raised when a repository has no branch of the name that Paid knows as its default one.

    It is tried again because the poll follows a renamed default branch with its next look.
    """

    code = "branch_missing"
    retryable = True
    retry_after_seconds = 20.0


class NotFoundError(PaidError):
    """Raised when a project, run or other thing that was named does not exist."""

    code = "not_found"


class ConfigurationError(PaidError):
    """Raised when a setting is missing or contradicts another."""

    code = "configuration"


class DatabaseError(PaidError):
    """Raised when PostgreSQL does not answer or refuses; its schema may be behind."""

    code = "database"
    retryable = True


class EmbeddedServiceError(PaidError):
    """Raised when PostgreSQL or Temporal cannot be started as a child process."""

    code = "embedded_service"


class ServerKilledError(EmbeddedServiceError):
    """Raised when somebody killed such a process while it was starting; it had no fault itself."""


class GitError(PaidError):
    """Raised when git on the host ends with an error that a retry will not change."""

    code = "git"


class GitUnavailableError(GitError):
    """Raised when git could not reach the remote; the same command may work later."""

    code = "git_unavailable"
    retryable = True


class PushRejectedError(GitError):
    """Raised when the remote refuses the branch: protected, or moved by somebody else.

    `kind` is that of `paid.containers.push_refusals`, or `moved`.
    """

    code = "push_rejected"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        for_agent: str | None = None,
        kind: str = "refused",
    ) -> None:
        super().__init__(message, hint=hint, for_agent=for_agent)
        self.kind = kind


class NothingToPublishError(PaidError):
    """Raised when nothing is left of a change beside the base branch as it is now."""

    code = "no_changes"


class PolicyError(PaidError):
    """Raised when a change is held for a person: it touches what no agent may change alone."""

    code = "policy"


class SecretFoundError(PolicyError):
    """Raised when a change would publish a secret, or what looks like one.

    `found` are its secrets, as they may be told: kind, place, and the SHA-256 of the value by which
    a person may let it go.
    """

    code = "secret_found"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        for_agent: str | None = None,
        found: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(message, hint=hint, for_agent=for_agent)
        self.found = tuple(found)


class UnpublishableError(PolicyError):
    """Raised when publishing a change as it is would lose or give away something of it."""

    code = "unpublishable"


class BaseRewrittenError(GitError):
    """Raised when the base branch was rewritten or deleted while the run worked on it."""

    code = "base_rewritten"


class GitHubError(PaidError):
    """Raised when GitHub refuses for good; see the subclasses for the reasons that matter."""

    code = "github"


class GitHubUnavailableError(GitHubError):
    """Raised when GitHub does not answer, answers 5xx or answers nonsense."""

    code = "github_unavailable"
    retryable = True


class GitHubUnauthorizedError(GitHubError):
    """Raised on 401 or 403: the token is wrong, revoked, or lacks a right.

    `status` is the server's; None where git says so.
    """

    code = "github_unauthorized"

    def __init__(self, message: str, *, hint: str | None = None, status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class GitHubNotFoundError(GitHubError):
    """Raised on 404 or 410: not there, or hidden from this token."""

    code = "github_not_found"


class GitHubRateLimitedError(GitHubError):
    """Raised when a primary or secondary limit holds; `retry_after_seconds` says how long."""

    code = "github_rate_limited"
    retryable = True
    retry_after_seconds: float

    def __init__(
        self, message: str, *, retry_after_seconds: float, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds


class ContainerError(PaidError):
    """Raised when a container cannot be made, or did not do what it was made for."""

    code = "container"


class DockerUnavailableError(ContainerError):
    """Raised when the Docker engine does not answer."""

    code = "docker_unavailable"
    retryable = True


class NoDockerError(ContainerError):
    """Raised when Docker answered on no host for so long that a run that waits for it fails."""

    code = "docker_unavailable"


class ContainerLostError(ContainerError):
    """Raised when a container that should be there is gone: somebody removed it."""

    code = "container_lost"


class NotFrozenError(ContainerError):
    """Raised when the kernel did not stop all processes in runc's time; it may the next time."""


class ContainerKilledError(ContainerError):
    """Raised when a container was ended from outside in the middle of work that may be repeated."""

    code = "container_killed"
    retryable = True


class OutOfMemoryError(ContainerError):
    """Raised when the kernel ended a container because it reached its limit of memory."""

    code = "out_of_memory"


class GatewayAwayError(ContainerError):
    """Raised when the gateway of a run's host does not answer; nothing was begun without it."""

    code = "gateway_away"
    retryable = True
    workflow_waits = True


class SandboxNotTightError(ContainerError):
    """Raised when the probe inside a container finds a lock open; nothing was run in it."""

    code = "sandbox_not_tight"


class ImageMissingError(ContainerError):
    """Raised when the agent image has not been built on this host."""

    code = "image_missing"


class DiskFullError(ContainerError):
    """Raised when there is too little disk for another workspace."""

    code = "disk_full"
    retryable = True


class DiskTakenError(ContainerError):
    """Raised when a run was stopped because it held most of a disk that ran full."""

    code = "disk_full"


class BundleRejectedError(PaidError):
    """Raised when what came out of a workspace is not a bundle of the run's own branch."""

    code = "bundle_rejected"


class ChangeTooLargeError(BundleRejectedError):
    """Raised when a change is so large, or made so, that reading it passes a limit of the host.

    Never retried: the change stays as large as it is.
    """

    code = "change_too_large"

    def __init__(
        self, message: str, *, hint: str | None = None, for_agent: str | None = None
    ) -> None:
        hint = hint or "Let the agent make a smaller change, in parts."
        told = (
            f"{message} Make the change smaller, in every commit: leave out what is generated,"
            " downloaded or packed."
        )
        super().__init__(message, hint=hint, for_agent=for_agent or told)


class AgentError(PaidError):
    """Raised when the agent program fails for a reason of its own."""

    code = "agent"


class LimitReachedError(PaidError):
    """Raised when a run reaches one of its limits: rounds, tokens, time, money or sameness."""

    code = "limit_reached"


class BudgetExceededError(PaidError):
    """Raised when a reservation would pass a cap; nothing was spent."""

    code = "budget_exceeded"


class PriceUnknownError(PaidError):
    """Raised when a model has no price: refused, because an unpriced call cannot be capped."""

    code = "price_unknown"


class ModelKeyMissingError(PaidError):
    """Raised when the gateway of a run's host has no key for any vendor that its agent asks."""

    code = "model_key_missing"


class CredentialError(PaidError):
    """Raised when a stored secret cannot be decrypted with the keys at hand."""

    code = "credential"


class RunCancelledError(PaidError):
    """Raised inside a run's step when a person has cancelled the run; nothing more may happen."""

    code = "cancelled"


class StaleAttemptError(PaidError):
    """Raised when a writer that was taken for dead comes back: a newer attempt has its place."""

    code = "stale_attempt"


class HostFullError(PaidError):
    """Raised when every run slot of a host is taken."""

    code = "host_full"
    retryable = True


class DetachedError(PaidError):
    """Raised when this worker lets go of a container that goes on; the next attempt finds it."""

    code = "detached"
    retryable = True
    retry_after_seconds = 0.1
