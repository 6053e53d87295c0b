"""Activities that only read and write PostgreSQL: the budget's word, and the end of a run."""

from __future__ import annotations

from datetime import UTC, datetime

from temporalio import activity

from paid.contracts import EndInput, PullRequest, RunEnd, RunInput, RunPlan, RunStatus
from paid.models import Run
from paid.store import budgets, holds, runs
from paid.store.database import Database


class RecordActivities:
    """What a run's workflow asks of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(name="check_budget")
    def check_budget(self, run: RunInput) -> RunPlan:
        """Whether there is money for the run to begin or to go on, and its guardrails.

        A run that may not is put on record as budget_exceeded, which is a pause: nothing was
        spent, and a raised limit or a new day lets it go on. One that waits for a vendor's quota
        is queued again, and goes on by itself.
        """
        with self._database.session() as session:
            facts = runs.facts(session, run.run_id)
            room = budgets.room(session, run.run_id)
            hold = holds.current(session, run.run_id)
            if room.allowed and hold is None:
                return RunPlan(
                    allowed=True,
                    max_iterations=facts.policy.max_iterations,
                    max_tokens=facts.policy.max_tokens,
                    max_seconds=facts.policy.max_seconds,
                    has_checks=bool(facts.policy.checks),
                )
            reason = _reason(room, hold)
            quota = room.allowed and hold is not None and hold.reason == "quota"
            status = RunStatus.QUEUED if quota else RunStatus.BUDGET_EXCEEDED
            runs.enter(session, run.run_id, status, reason=reason)
            return RunPlan(allowed=False, reason=reason, status=status, wait_seconds=_wait(hold))

    @activity.defn(name="end_run")
    def end_run(self, end: EndInput) -> RunEnd:
        """End the run once; the answer is the end that it has, whoever came first."""
        with self._database.session() as session:
            run = runs.get(session, end.run_id)
            status, code, message = _winner(run, end)
            run = runs.end(session, end.run_id, status, code, message)
            pull_request = None
            if run.pr_number is not None and run.pr_url is not None:
                pull_request = PullRequest(run.pr_number, run.pr_url)
            return RunEnd(RunStatus(run.status), pull_request)


LONGEST_LOOK_SECONDS = 900.0
"""A paused run looks again by itself so often: a new day's budget sends no signal."""


def _wait(hold: holds.Hold | None) -> float:
    if hold is None or hold.until is None:
        return LONGEST_LOOK_SECONDS
    left = (hold.until - datetime.now(UTC)).total_seconds()
    return min(LONGEST_LOOK_SECONDS, max(1.0, left))


def _reason(room: budgets.Room, hold: holds.Hold | None) -> str:
    if not room.allowed:
        return f"The {room.cap or 'project'} budget is used up. Raise it, and the run goes on."
    if hold is not None and hold.reason == "quota":
        return "The model vendor's quota is used up; the run goes on by itself when it resets."
    return "A request did not fit into the budget. Raise it, and the run goes on."


def _winner(run: Run, end: EndInput) -> tuple[RunStatus, str, str]:
    """Cancel against completion: an open pull request is a completed run, and nothing else is."""
    if run.pr_number is not None:
        return RunStatus.COMPLETED, "", ""
    if run.cancel_requested_at is not None:
        who = f" by {run.cancel_requested_by}" if run.cancel_requested_by else ""
        why = f": {run.cancel_reason}" if run.cancel_reason else "."
        return RunStatus.CANCELLED, "cancelled", f"Cancelled{who}{why}"
    return end.status, end.code, end.message
