"""Issues as they were seen, and the runs that they ask for: recorded first, started afterwards."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from paid.contracts import RunStatus
from paid.github.untrusted import content_hash
from paid.github.words import IssueSeen, LabelEvent
from paid.models import Event, Issue, Project, Run
from paid.queues import run_workflow_id
from paid.store import clock, events, projects, runs
from paid.store.events import NewEvent, storable

REQUESTED = "run.requested"
"""The first event of each run: who asked, and by which label event."""
REFUSED = "issue.refused"
"""A label that starts nothing, on the project's chain: the issue, who set it, and why not."""


@dataclass(frozen=True)
class LiveRun:
    """A run that has not ended, with the issue that it is for."""

    run_id: int
    workflow_id: str
    issue_number: int
    purpose: str
    status: str
    cancel_requested: bool
    has_pull_request: bool
    by_label: bool
    """Whether a label asked for it; what a person started in Paid itself needs none to go on."""


def known(session: Session, project_id: int, numbers: Collection[int]) -> dict[int, Issue]:
    """Those of the issues that are on record, by number."""
    question = select(Issue).where(
        Issue.project_id == project_id, col(Issue.number).in_(list(numbers))
    )
    return {row.number: row for row in session.exec(question)}


def live_runs(session: Session, project_id: int) -> list[LiveRun]:
    """The project's runs that have not ended, oldest first."""
    asked = aliased(Event)
    question = (
        select(Run, Issue.number, asked.data)
        .join(Issue, col(Issue.id) == col(Run.issue_id))
        .join(
            asked,
            and_(col(asked.run_id) == col(Run.id), col(asked.kind) == REQUESTED),
            isouter=True,
        )
        .where(Run.project_id == project_id, col(Run.ended_at).is_(None))
        .order_by(col(Run.id))
    )
    return [_live(run, number, data) for run, number, data in session.exec(question)]


def note(session: Session, project_id: int, issue: IssueSeen) -> Issue:
    """Record how an issue looks now; returns its row, locked until the transaction ends."""
    values = {
        "github_id": issue.github_id,
        "title": storable(issue.title),
        "html_url": storable(issue.html_url),
        "author": issue.author,
        "state": issue.state,
        "remote_updated_at": issue.updated_at,
        "seen_at": clock.NOW,
    }
    upsert = insert(Issue).values(project_id=project_id, number=issue.number, **values)
    session.connection().execute(
        upsert.on_conflict_do_update(index_elements=["project_id", "number"], set_=values)
    )
    return _locked(session, project_id, issue.number)


def note_gone(session: Session, project_id: int, number: int) -> None:
    """Record that an issue was deleted or moved away."""
    row = _locked(session, project_id, number)
    row.state, row.seen_at = "gone", clock.now(session)
    session.add(row)


def request_run(
    session: Session, project: Project, issue: IssueSeen, *, by: str, event: LabelEvent | None
) -> Run | None:
    """Record a run for an issue and pin the text that it is about.

    With `event`, a label: the same one never counts twice. Without, a person asked in Paid itself.
    None when that label was acted on before, or a run of the issue is live.
    """
    project_id = projects.number(project)
    row = note(session, project_id, issue)
    if event is not None:
        if row.label_event_id is not None and row.label_event_id >= event.id:
            return None
        row.label_event_id, row.labelled_by = event.id, event.actor
        session.add(row)
    if _live_run_of(session, row) is not None:
        return None
    row.generation += 1
    row.pinned_hash = content_hash(issue.title, issue.body)
    row.pinned_title, row.pinned_body = storable(issue.title), storable(issue.body)
    run = _new_run(session, project, row, by)
    said = {"by": by, "issue": issue.number, "hash": row.pinned_hash}
    runs.say(session, run, REQUESTED, **said, label_event=event.id if event else None)
    return run


def refuse(
    session: Session, project_id: int, issue: IssueSeen, event: LabelEvent, code: str, message: str
) -> None:
    """Record that a label was seen and starts nothing, so that it is said once."""
    row = note(session, project_id, issue)
    row.label_event_id = max(event.id, row.label_event_id or 0)
    session.add(row)
    data = {"issue": issue.number, "by": event.actor, "code": code, "message": message}
    events.append_to_project(session, project_id, NewEvent(REFUSED, data))


def refusals(session: Session, project_id: int, limit: int = 5) -> list[Event]:
    """The labels that started nothing, the newest first."""
    question = (
        select(Event)
        .where(Event.project_id == project_id, Event.kind == REFUSED)
        .order_by(col(Event.id).desc())
    )
    return list(session.exec(question.limit(limit)))


def keep_comment(session: Session, project_id: int, number: int, comment_id: int) -> None:
    """Keep the id of the one comment that Paid has on an issue."""
    row = _locked(session, project_id, number)
    row.status_comment_id = comment_id
    session.add(row)


def _live(run: Run, number: int, request: Mapping[str, Any] | None) -> LiveRun:
    assert run.id is not None  # noqa: S101 - a row that was read has an id
    return LiveRun(
        run_id=run.id,
        workflow_id=run.workflow_id,
        issue_number=number,
        purpose=run.purpose,
        status=run.status,
        cancel_requested=run.cancel_requested_at is not None,
        has_pull_request=run.pr_number is not None,
        # what is only published again was asked for in Paid itself; its label is gone by then
        by_label=(request or {}).get("label_event") is not None and not run.publishes_only,
    )


def _locked(session: Session, project_id: int, number: int) -> Issue:
    question = (
        select(Issue)
        .where(Issue.project_id == project_id, Issue.number == number)
        .with_for_update(key_share=True)
    )
    return session.exec(question, execution_options={"populate_existing": True}).one()


def _live_run_of(session: Session, row: Issue) -> Run | None:
    question = select(Run).where(Run.issue_id == row.id, col(Run.ended_at).is_(None))
    return session.exec(question).first()


def _new_run(session: Session, project: Project, row: Issue, by: str) -> Run:
    assert row.id is not None  # noqa: S101 - a row that was read has an id
    run = Run(
        project_id=row.project_id,
        issue_id=row.id,
        generation=row.generation,
        workflow_id=run_workflow_id(row.project_id, row.number, row.generation),
        status=RunStatus.QUEUED,
        requested_by=by,
        agent=project.agent,
        model=project.model,
    )
    session.add(row)
    session.add(run)
    session.flush()
    return run
