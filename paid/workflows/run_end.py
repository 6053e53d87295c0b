"""The ends of a run that its workflow words itself: what an exception or a limit means."""

from __future__ import annotations

from temporalio.exceptions import ApplicationError, is_cancelled_exception

from paid.contracts import EndInput, RunPlan, RunStatus
from paid.workflows.patience import cause_of

SAME = "The agent did the same thing {} times in a row."


def end_after(run_id: int, error: BaseException) -> EndInput:
    """The end that an exception means; what is not foreseen is a failure, said as it is."""
    if is_cancelled_exception(error):
        return _cancelled(run_id)
    cause = cause_of(error)
    if not isinstance(cause, ApplicationError):
        return EndInput(run_id, RunStatus.FAILED, "failed", str(cause or error))
    if cause.type == "RunCancelledError":
        return _cancelled(run_id)
    if cause.type == "BudgetExceededError":
        return EndInput(run_id, RunStatus.BUDGET_EXCEEDED, "budget_exceeded", cause.message)
    if cause.type == "NothingToPublishError":
        return EndInput(run_id, RunStatus.NO_CHANGES, "no_changes", cause.message)
    code = str(cause.details[0]) if cause.details else "failed"
    return EndInput(run_id, RunStatus.FAILED, code, cause.message)


def _cancelled(run_id: int) -> EndInput:
    return EndInput(run_id, RunStatus.CANCELLED, "cancelled", "The run was cancelled.")


def still_failing(plan: RunPlan, summary: str) -> str:
    """What is said of checks that fail behind the last round."""
    rounds = "one round" if plan.max_iterations == 1 else f"{plan.max_iterations} rounds"
    return f"The checks still fail after {rounds} of agent and checks.\n{summary}".strip()
