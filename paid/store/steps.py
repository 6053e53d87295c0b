"""What is asked of steps: begin or take over, store output, end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from paid.errors import StaleAttemptError
from paid.models import Feedback, Output, Step
from paid.store import clock, events
from paid.store.events import NewEvent


@dataclass(frozen=True)
class StepHold:
    """The right of one attempt to write about a step; a later attempt takes it away."""

    step_id: int
    run_id: int
    project_id: int
    attempt: int
    cursor: str
    batches: int
    report: dict[str, Any]
    started_at: datetime


def begin(
    session: Session,
    run_id: int,
    project_id: int,
    kind: str,
    number: int,
    container: str,
) -> StepHold:
    """Begin a step, or take it over from an attempt that died, with what it had stored."""
    question = select(Step).where(Step.run_id == run_id, Step.kind == kind, Step.number == number)
    step = session.exec(question.with_for_update()).first()
    if step is None:
        step = Step(run_id=run_id, kind=kind, number=number, container=container)
    else:
        step.attempt += 1
        step.state = "running" if step.ended_at is None else step.state
    session.add(step)
    session.flush()
    assert step.id is not None  # noqa: S101 - flush has set it
    last = session.exec(select(func.max(Output.number)).where(Output.step_id == step.id)).one()
    return StepHold(
        step_id=step.id,
        run_id=run_id,
        project_id=project_id,
        attempt=step.attempt,
        cursor=step.log_cursor,
        # not their count: a batch of reports alone takes a number and stores no output
        batches=0 if last is None else last + 1,
        report=step.report,
        started_at=step.started_at,
    )


def store_output(
    session: Session, hold: StepHold, number: int, cursor: str, text: str, found: list[NewEvent]
) -> None:
    """Store a batch of lines, what they mean, and up to where the log is read, all or nothing.

    Raises StaleAttemptError when another attempt has taken the step over.
    """
    _still_mine(session, hold, log_cursor=cursor)
    if text:
        session.add(
            Output(
                run_id=hold.run_id, step_id=hold.step_id, number=number, text=events.storable(text)
            )
        )
    events.append_to_run(session, hold.run_id, hold.project_id, *found)


def note_start(session: Session, hold: StepHold) -> bool:
    """Record that the step's container has begun; False when an attempt before did."""
    if "begun" in hold.report:
        return False
    _still_mine(session, hold, report={**hold.report, "begun": True})
    return True


def read_anew(session: Session, hold: StepHold) -> StepHold:
    """Another container takes the place of the step's last one: its log and its time begin anew."""
    _still_mine(session, hold, log_cursor="", started_at=clock.NOW)
    step = session.get_one(Step, hold.step_id, populate_existing=True)
    return replace(hold, cursor="", started_at=step.started_at)


def end_all_of(session: Session, run_id: int) -> None:
    """End the steps of a run that ends, whose attempts came to no end of their own."""
    change = (
        update(Step)
        .where(col(Step.run_id) == run_id, col(Step.ended_at).is_(None))
        .values(state="stopped", ended_at=clock.NOW)
    )
    session.connection().execute(change)


def note(session: Session, hold: StepHold, **report: Any) -> None:
    """Merge facts into the step's report."""
    step = session.get_one(Step, hold.step_id, populate_existing=True)
    _still_mine(session, hold, report={**step.report, **events.without_nul(report)})


def end(session: Session, hold: StepHold, state: str, exit_code: int | None) -> None:
    """End the step."""
    _still_mine(session, hold, state=state, exit_code=exit_code, ended_at=clock.NOW)


def add_feedback(session: Session, run_id: int, iteration: int, kind: str, text: str) -> int:
    """Keep what goes back to the agent, and return its id."""
    row = Feedback(run_id=run_id, iteration=iteration, kind=kind, text=events.storable(text))
    session.add(row)
    session.flush()
    assert row.id is not None  # noqa: S101 - flush has set it
    return row.id


def of_run(session: Session, run_id: int) -> list[Step]:
    """A run's steps in the order of their beginning."""
    return list(session.exec(select(Step).where(Step.run_id == run_id).order_by(col(Step.id))))


def output_after(session: Session, run_id: int, after_id: int, limit: int = 200) -> list[Output]:
    """A run's output batches after `after_id`, oldest first."""
    question = (
        select(Output)
        .where(Output.run_id == run_id, col(Output.id) > after_id)
        .order_by(col(Output.id))
        .limit(limit)
    )
    return list(session.exec(question))


def output_size(session: Session, run_id: int) -> int:
    """How many characters of output are stored of a run."""
    stored = select(func.coalesce(func.sum(func.length(Output.text)), 0))
    return int(session.exec(stored.where(Output.run_id == run_id)).one())


def _still_mine(session: Session, hold: StepHold, **values: Any) -> None:
    change = (
        update(Step)
        .where(col(Step.id) == hold.step_id, col(Step.attempt) == hold.attempt)
        .values(**values)
    )
    if session.connection().execute(change).rowcount != 1:
        raise StaleAttemptError(f"Step {hold.step_id} belongs to a newer attempt.")
