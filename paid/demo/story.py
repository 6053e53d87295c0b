"""What happens to the demo's runs, read from the same events as the dashboard and the audit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlmodel import Session, col, select

from paid.models import Event, Issue, Run
from paid.store import ledger
from paid.store.database import Database

LOOK_SECONDS = 0.15


@dataclass(frozen=True)
class Happening:
    """One event of a run. `data` may hold texts of strangers."""

    kind: str
    data: Mapping[str, Any]
    at: datetime
    run_id: int | None = None


@dataclass(frozen=True)
class RunState:
    """A run as it is now. `pr_url` of None: there is no pull request (yet)."""

    id: int
    issue_number: int
    issue_title: str
    status: str
    started: datetime
    ended: datetime | None
    branch: str | None
    pr_url: str | None
    message: str
    spent_microdollars: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 0

    def seconds(self) -> float:
        """How long it has taken so far, or took."""
        return max(0.0, ((self.ended or datetime.now(UTC)) - self.started).total_seconds())


@dataclass
class Story:
    """Follows one project. `run` is the run that something happened to last.

    Several runs may go on at once: each happening is told while `run` is its own.
    """

    database: Database
    project_id: int
    run: RunState | None = None
    _seen: int = 0

    def follow(self) -> Iterator[Happening | None]:
        """Events as they come, for ever; None when nothing has happened for a moment."""
        while True:
            happened, runs = self._look()
            for happening in happened:
                self.run = runs.get(happening.run_id or 0, self.run)
                yield happening
            if not happened:
                self.run = runs.get(self.run.id, self.run) if self.run else None
                yield None
                time.sleep(LOOK_SECONDS)

    def _look(self) -> tuple[list[Happening], dict[int, RunState]]:
        """What is new, and the runs that it concerns, or the last one, as they are now."""
        with self.database.session() as session:
            question = (
                select(Event)
                .where(Event.project_id == self.project_id, col(Event.id) > self._seen)
                .order_by(col(Event.id))
                .limit(100)
            )
            found = list(session.exec(question))
            happened = [_happening(event) for event in found]
            wanted = {event.run_id for event in found if event.run_id is not None}
            if self.run is not None:
                wanted.add(self.run.id)
            runs = {run_id: _state(session, run_id) for run_id in wanted}
        if found:
            self._seen = found[-1].id or self._seen
        return happened, runs


def _happening(event: Event) -> Happening:
    return Happening(event.kind, event.data, event.at, event.run_id)


def _state(session: Session, run_id: int) -> RunState:
    run = session.get_one(Run, run_id)
    issue = session.get_one(Issue, run.issue_id)
    cost = ledger.run_cost(session, run_id)
    return RunState(
        id=run_id,
        issue_number=issue.number,
        issue_title=issue.pinned_title or issue.title,
        status=run.status,
        started=run.created_at,
        ended=run.ended_at,
        branch=run.branch,
        pr_url=run.pr_url,
        message=run.error_message,
        spent_microdollars=cost.spent_microdollars,
        input_tokens=cost.input_tokens,
        output_tokens=cost.output_tokens,
        requests=cost.requests,
    )
