"""What is asked about the work of failed runs: whether it is kept, and to publish it after all.

The commits themselves are a bundle on the host of the run (paid.activities.workspace).
"""

from __future__ import annotations

from sqlmodel import Session, col, select

from paid.contracts import RunStatus
from paid.errors import BadInputError
from paid.models import Run
from paid.store import events, runs, secrets

DAYS = 14
WORK_KEPT = "run.work_kept"


def keeps_work(run: Run) -> bool:
    """Whether a run's commits are kept when it ends so: it failed, and had some."""
    failed = run.status == RunStatus.FAILED and run.pr_number is None
    return failed and run.head_sha is not None and run.base_sha is not None


def was_told(session: Session, run_id: int) -> bool:
    """Whether it is on record where the run's work is kept."""
    return bool(events.of_kind(session, run_id, WORK_KEPT))


def passed_its_checks(session: Session, run: Run) -> bool:
    """Whether the run failed while it published: its commit had passed all checks by then."""
    assert run.id is not None  # noqa: S101 - read from PostgreSQL
    tried = events.of_kind(session, run.id, f"run.{RunStatus.CREATING_PR}")
    return bool(tried) and tried[-1].data.get("commit") == run.head_sha


def advice(session: Session, run: Run) -> str:
    """What a person can do with the kept work, in a sentence or two; empty where none is kept."""
    if not keeps_work(run):
        return ""
    text = f"Its commits are kept for {DAYS} days: `paid work fetch {run.id}` brings them."
    if releasable(session, run):
        command = f"`paid release {run.id} --reason TEXT`"
        if command not in run.error_message:
            text += (
                f" If what was found in them may be published, {command} publishes them without"
                " another turn of the agent."
            )
    elif passed_its_checks(session, run):
        text += (
            f" Once the cause is mended, `paid retry {run.id} --publish` publishes them without"
            " another turn of the agent."
        )
    return text


def place(session: Session, run_id: int) -> str:
    """The file of a run's kept work on its host. Raises BadInputError when nothing is kept."""
    run = runs.get(session, run_id)
    found = events.of_kind(session, run_id, WORK_KEPT)
    if found:
        return str(found[-1].data["file"])
    hint = "Only a run that failed with commits of its own, and without a pull request, keeps them."
    if not run.ended:
        hint = "It goes on: `paid logs -f` shows it."
    elif keeps_work(run):
        hint = "It has just ended, and its commits are being put aside: try again in a moment."
    raise BadInputError(f"Nothing is kept of run {run_id}.", hint=hint)


def releasable(session: Session, run: Run) -> list[dict[str, str]]:
    """The secrets for which a run failed to publish, where a person may let them go.

    Each has its kind, its place, and the SHA-256 of its value as `fingerprint`.
    """
    return secrets.found_in(session, run) if keeps_work(run) else []


def release(session: Session, run_id: int, by: str, reason: str) -> Run:
    """Let go what the run's refusal named, and publish what was kept of the run.

    The caller starts its workflow, if it `publishes_only`: another run is at work still, and is
    going to publish by itself. Raises BadInputError, with nothing released.
    """
    run = secrets.release(session, run_id, by, reason)
    return reopen(session, run_id, by) if run.ended else run


def reopen(session: Session, run_id: int, by: str) -> Run:
    """Let a failed run publish the work that was kept of it; the caller starts its workflow.

    A run that was opened already is returned as it is. Raises BadInputError where nothing could
    be published.
    """
    place(session, run_id)
    run = runs.locked(session, run_id)
    if not run.ended and run.publishes_only:
        return run
    _require_publishable(session, run)
    run.status, run.ended_at, run.publishes_only = RunStatus.QUEUED, None, True
    run.error_code = run.error_message = ""
    number = len(events.of_kind(session, run_id, "run.reopened")) + 1
    # another name than before: a workflow of that name has ended, and would end the run again
    run.workflow_id = f"{run.workflow_id.partition(':publish:')[0]}:publish:{number}"
    session.add(run)
    runs.say(session, run, "run.reopened", by=by, commit=run.head_sha)
    return run


def _require_publishable(session: Session, run: Run) -> None:
    if run.pr_number is not None:
        raise BadInputError(f"Run {run.id} has a pull request: {run.pr_url}.")
    if not keeps_work(run) or run.cancel_requested_at is not None:
        raise BadInputError(f"Run {run.id} has not failed: it is {run.status}.")
    if not passed_its_checks(session, run):
        raise BadInputError(
            f"The work of run {run.id} has not passed the project's checks.",
            hint=f"`paid work fetch {run.id}` brings it; or label the issue again.",
        )
    question = select(Run.id).where(Run.issue_id == run.issue_id, col(Run.ended_at).is_(None))
    if (other := session.exec(question).first()) is not None:
        raise BadInputError(
            f"Run {other} of the same issue is under way.", hint=f"`paid cancel {other}` ends it."
        )
