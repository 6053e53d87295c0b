"""What crosses Temporal: frozen dataclasses, one in and one out, references instead of bytes.

Never a table row, never a secret, never a text of a stranger. A new field has a default, so that a
history recorded before it still replays.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RunStatus(StrEnum):
    """Where a run is; the last six are ends."""

    QUEUED = "queued"
    PROVISIONING = "provisioning"
    RUNNING = "running"
    VERIFYING = "verifying"
    REVIEWING = "reviewing"
    AWAITING_APPROVAL = "awaiting_approval"
    CREATING_PR = "creating_pr"
    COMPLETED = "completed"
    NO_CHANGES = "no_changes"
    FAILED = "failed"
    CANCELLED = "cancelled"
    BUDGET_EXCEEDED = "budget_exceeded"
    NEEDS_INPUT = "needs_input"


ENDED = frozenset(
    {
        RunStatus.COMPLETED,
        RunStatus.NO_CHANGES,
        RunStatus.FAILED,
        RunStatus.CANCELLED,
        RunStatus.BUDGET_EXCEEDED,
        RunStatus.NEEDS_INPUT,
    }
)


class TurnEnd(StrEnum):
    """Why one turn of the agent ended."""

    FINISHED = "finished"
    AGENT_ERROR = "agent_error"
    TIME_LIMIT = "time_limit"
    TOKEN_LIMIT = "token_limit"  # noqa: S105 - a name, not a secret
    LOOP = "loop"
    NO_WORKSPACE = "no_workspace"
    BUDGET = "budget"
    QUOTA = "quota"
    NEEDS_INPUT = "needs_input"
    LOST = "lost"
    """Its container was killed, stopped or removed from outside."""
    INTERRUPTED = "interrupted"
    """The same while Docker was away, which has taken its containers with it: it may go on."""


STEPS = 2
"""How a run that begins now goes about its steps; 1 asked for each, by a queue, behind the last."""


@dataclass(frozen=True)
class RunInput:
    """Names the run; everything else about it is read from PostgreSQL by the activities.

    `steps` is the `STEPS` of the time when the run began, by which its history replays. It costs
    less than `workflow.patched` on the way that every run goes.
    """

    run_id: int
    steps: int = 1


@dataclass(frozen=True)
class RunPlan:
    """What `check_budget` found: may the run go on, and with which guardrails.

    `wait_seconds` is how long to wait before asking again when it may not; None means until
    somebody raises the budget. `status` is what the run is meanwhile. `publish_at` is the host that
    keeps the work of a run that is only to be published; empty for every other run.
    """

    allowed: bool
    reason: str = ""
    status: RunStatus = RunStatus.BUDGET_EXCEEDED
    wait_seconds: float | None = None
    max_iterations: int = 10
    max_tokens: int = 2_000_000
    max_seconds: int = 4 * 3600
    has_checks: bool = False
    publish_at: str = ""


@dataclass(frozen=True)
class HostSlot:
    """The host that took the run: its name and the task queue that only its worker reads.

    `quiet_after_seconds`: by then the runs that begin there just now will have begun; people are
    told of this one after it. 0 when nothing else begins.
    """

    host: str
    task_queue: str
    quiet_after_seconds: float = 0.0


@dataclass(frozen=True)
class Workspace:
    """A run's workspace on its host.

    `volume` is a Docker volume, `base_sha` and `branch` are made by Paid, never by a person.
    """

    run_id: int
    volume: str
    base_sha: str
    branch: str


@dataclass(frozen=True)
class TurnInput:
    """One turn of the agent: the first task, or what to mend (kept under `feedback_id`).

    `turn` counts containers, `iteration` rounds of agent and checks: a pause makes them differ.
    `resumed` is set when the turn goes on where a pause (budget, quota) interrupted the last.
    `workspace` of None is the one that the turn's host makes just now.
    """

    run_id: int
    turn: int
    iteration: int
    workspace: Workspace | None
    feedback_id: int | None = None
    resumed: bool = False
    max_seconds: int = 2400
    max_tokens: int = 2_000_000


@dataclass(frozen=True)
class TurnResult:
    """How a turn ended. `head_sha` is None when the branch still is at its base.

    A turn that found no workspace has not begun: it is asked for again, with one.
    `output_digest` is equal for turns that said and did the same. With a `feedback_id` the work
    could not be taken for what the agent can mend; `code` and `message` say why.
    """

    end: TurnEnd
    head_sha: str | None
    tokens_used: int = 0
    output_digest: str = ""
    message: str = ""
    feedback_id: int | None = None
    code: str = ""


@dataclass(frozen=True)
class VerifyInput:
    """The exact commit to check, in a clean container."""

    run_id: int
    iteration: int
    head_sha: str
    base_sha: str


@dataclass(frozen=True)
class VerifyResult:
    """Whether every check passed; the failing output is kept under `feedback_id`.

    `cannot_pass` says why another round of the agent would not help; empty where it may. `summary`
    names the first check that failed, with the end of its output: bounded, and made plain.
    """

    passed: bool
    feedback_id: int | None = None
    output_digest: str = ""
    cannot_pass: str = ""
    summary: str = ""


@dataclass(frozen=True)
class PublishInput:
    """The commit to push and open a pull request for."""

    run_id: int
    workspace: Workspace
    head_sha: str


@dataclass(frozen=True)
class KeptWork:
    """The work of a failed run, back in its host's mirror: what is to be published."""

    workspace: Workspace
    head_sha: str


@dataclass(frozen=True)
class PullRequest:
    """The pull request on GitHub.

    With a `feedback_id` there is none: publishing was refused for what the agent can mend. `code`
    and `message` say why, for a run that has no round left.
    """

    number: int
    url: str
    feedback_id: int | None = None
    code: str = ""
    message: str = ""


@dataclass(frozen=True)
class EndInput:
    """The end of a run: its status, a code for programs and a sentence for people."""

    run_id: int
    status: RunStatus
    code: str = ""
    message: str = ""


@dataclass(frozen=True)
class RunEnd:
    """The end that the run's row has: a cancel and a completion that meet have one winner."""

    status: RunStatus
    pull_request: PullRequest | None = None


@dataclass(frozen=True)
class PollInput:
    """One project's poll, kept over continue-as-new.

    `since` is an ISO time: issues that were changed before it were looked at; None asks for all.
    `after` is the number of the issue at which the last look broke off, 0 when it came to its end.
    """

    project_id: int
    ticks: int = 0
    since: str | None = None
    after: int = 0


@dataclass(frozen=True)
class RunToStart:
    """A recorded run whose workflow may not be there yet."""

    run_id: int
    workflow_id: str


@dataclass(frozen=True)
class PollResult:
    """What the record says: runs to start, workflows to cancel, and when to look again.

    `stop` when the project is not watched any more.
    """

    wait_seconds: float
    starts: tuple[RunToStart, ...] = ()
    cancel_workflow_ids: tuple[str, ...] = ()
    paused: bool = False
    stop: bool = False


@dataclass(frozen=True)
class LookResult:
    """One look at GitHub: what to give for the next one, and for how long to leave GitHub alone.

    A look breaks off (`after` is not 0) when it has recorded a few runs, so that the first of many
    starts before the last was looked at; the next one goes on from there at once. `record` is what
    follows from the record afterwards; None means that it was not read.
    """

    since: str | None = None
    wait_seconds: float = 0
    after: int = 0
    record: PollResult | None = None
