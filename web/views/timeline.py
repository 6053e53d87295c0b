"""A run's phases, from the events that mark its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from paid.contracts import RunStatus
from paid.models import Event
from paid.store.pages import RunDetail

_PHASES = {
    RunStatus.QUEUED: "Queued",
    RunStatus.PROVISIONING: "Sandbox",
    RunStatus.RUNNING: "Agent",
    RunStatus.VERIFYING: "Checks",
    RunStatus.REVIEWING: "Review",
    RunStatus.AWAITING_APPROVAL: "Approval",
    RunStatus.CREATING_PR: "Pull request",
}
_ONLY_WHEN_SEEN = {RunStatus.REVIEWING, RunStatus.AWAITING_APPROVAL}


@dataclass(frozen=True)
class Phase:
    """One phase: `state` is done, current, stopped or ahead; `visits` counts its rounds."""

    name: str
    state: str
    seconds: float
    visits: int
    since: datetime | None

    @property
    def spoken(self) -> str:
        """The state in a word for people who do not see its colour."""
        return {"done": "done", "current": "now", "stopped": "ended here", "ahead": "to come"}[
            self.state
        ]


def phases(detail: RunDetail) -> list[Phase]:
    """The way of the run: what was, what is, and what is to come."""
    marks = _marks(detail)
    spans = _spans(marks, detail.run.ended_at or datetime.now(UTC))
    latest = marks[-1][0]
    return [
        _phase(status, spans.get(status, []), status == latest, detail)
        for status in _PHASES
        if _shown(status, spans, detail)
    ]


def _marks(detail: RunDetail) -> list[tuple[RunStatus, datetime]]:
    """When which phase began. A run is queued from its first moment on."""
    marks = [(RunStatus.QUEUED, detail.run.created_at)]
    for event in detail.milestones:
        status = _status(event)
        if status in _PHASES and status != marks[-1][0]:
            marks.append((status, event.at))
    return marks


def _status(event: Event) -> RunStatus | None:
    name = event.kind.removeprefix("run.")
    return RunStatus(name) if name in set(RunStatus) else None


def _spans(
    marks: Sequence[tuple[RunStatus, datetime]], end: datetime
) -> dict[RunStatus, list[tuple[datetime, float]]]:
    spans: dict[RunStatus, list[tuple[datetime, float]]] = {}
    until = [at for _, at in marks[1:]] + [end]
    for (status, began), ended in zip(marks, until, strict=True):
        spans.setdefault(status, []).append((began, max(0.0, (ended - began).total_seconds())))
    return spans


def _shown(
    status: RunStatus, spans: dict[RunStatus, list[tuple[datetime, float]]], detail: RunDetail
) -> bool:
    if status in spans:
        return True
    if status is RunStatus.VERIFYING:
        return bool(detail.policy.checks)
    return status not in _ONLY_WHEN_SEEN


def _phase(
    status: RunStatus, spans: list[tuple[datetime, float]], latest: bool, detail: RunDetail
) -> Phase:
    if not spans:
        state = "ahead"
    elif not latest:
        state = "done"
    elif detail.run.ended_at is None:
        state = "current"
    else:
        state = "done" if detail.run.status == RunStatus.COMPLETED else "stopped"
    return Phase(
        name=_PHASES[status],
        state=state,
        # The last visit of the current phase is still growing; the page counts it on.
        seconds=sum(seconds for _, seconds in (spans[:-1] if state == "current" else spans)),
        visits=len(spans),
        since=spans[-1][0] if state == "current" else None,
    )
