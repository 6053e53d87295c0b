"""Activities that only read and write PostgreSQL: the budget's word, and the end of a run."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import Session
from temporalio import activity

from paid.contracts import EndInput, PullRequest, RunEnd, RunInput, RunPlan, RunStatus
from paid.models import Run
from paid.people import published
from paid.store import budgets, caps, clock, estimates, holds, pauses, runs
from paid.store.database import Database
from paid.store.holds import Hold
from paid.store.pauses import Pause


class RecordActivities:
    """What a run's workflow asks of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(name="check_budget", no_thread_cancel_exception=True)
    def check_budget(self, run: RunInput) -> RunPlan:
        """Whether there is money for the run to begin or to go on, and its guardrails.

        A run that may not is put on record as budget_exceeded, which is a pause: nothing was
        spent, and a raised limit or a new day lets it go on. One that waits for a vendor's quota
        is queued again, and goes on by itself. The first call records the likely cost.
        """
        with self._database.session() as session:
            facts = runs.facts(session, run.run_id)
            if facts.run.publishes_only:  # which costs nothing
                return RunPlan(allowed=True, publish_at=facts.run.host or "")
            estimates.record(session, facts.run)
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
            return _paused(session, facts.run, hold)

    @activity.defn(name="end_run", no_thread_cancel_exception=True)
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


LOOK_SECONDS = 900.0
"""How often a run that is paused for money looks again at first: a new day sends no signal."""
LOOKS_APART = 0.1
"""Later it looks after so much of the time that it has waited: about 60 times in 14 days, so that
the workflow's history stays small."""


def _paused(session: Session, run: Run, hold: Hold | None) -> RunPlan:
    quota = hold is not None and hold.reason == "quota"
    if hold is not None and quota:
        pause = pauses.for_quota(hold)
    else:
        cap = caps.met(session, run, hold)
        assert cap is not None  # noqa: S101 - nothing else leaves a run without room
        pause = pauses.for_money(cap)
    assert run.id is not None  # noqa: S101 - read from PostgreSQL
    status = RunStatus.QUEUED if quota else RunStatus.BUDGET_EXCEEDED
    runs.enter(session, run.id, status, reason=pause.text)
    now = clock.now(session)
    waited = now - runs.entered(session, run.id, status)
    left = None if pause.until is None else pause.until - now
    seconds = _wait(pause, left, waited)
    return RunPlan(allowed=False, reason=pause.why, status=status, wait_seconds=seconds)


def _wait(pause: Pause, until_its_end: timedelta | None, waited: timedelta) -> float:
    """Until the pause ends by itself; a wait for money looks before, because people raise caps."""
    left = None if until_its_end is None else max(1.0, until_its_end.total_seconds())
    if pause.reason == "quota" and left is not None:
        return left
    look = max(LOOK_SECONDS, LOOKS_APART * waited.total_seconds())
    return look if left is None else min(left, look)


def _winner(run: Run, end: EndInput) -> tuple[RunStatus, str, str]:
    """Cancel against completion: an open pull request is a completed run, and nothing else is."""
    if run.pr_number is not None:
        return RunStatus.COMPLETED, "", ""
    if run.cancel_requested_at is not None:
        who = f" by {published(run.cancel_requested_by)}" if run.cancel_requested_by else ""
        why = f": {run.cancel_reason}" if run.cancel_reason else "."
        return RunStatus.CANCELLED, "cancelled", f"Cancelled{who}{why}"
    return end.status, end.code, end.message
