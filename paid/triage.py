"""What a label on an issue means: one pure decision, from what was seen and what is known.

Everything that GitHub says comes in as values, so that each rule can be tried without a server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from paid.github.words import GHOST, Edit, IssueSeen, LabelEvent

ISSUE_GONE = "The issue was deleted or moved away."
WATCH_SLACK = timedelta(minutes=10)
"""So far may GitHub's clock be from that of PostgreSQL."""


class Action(StrEnum):
    """What follows from a label."""

    START = "start"
    REFUSE = "refuse"
    WAIT = "wait"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Labels:
    """The names that a project's labels have."""

    build: str
    plan: str
    cancel: str


@dataclass(frozen=True)
class Known:
    """What the record has of the issue: the label event that was acted on, if any.

    `is_live` says that a run of it goes on, `is_ending` that this run was told to stop.
    """

    label_event_id: int | None = None
    is_live: bool = False
    is_ending: bool = False


@dataclass(frozen=True)
class Verdict:
    """An action. `code` and `message` say why a label is refused; `hint` what a person can do."""

    action: Action
    event: LabelEvent | None = None
    code: str = ""
    message: str = ""
    hint: str = ""


NOTHING = Verdict(Action.NOTHING)


def standing_label(events: Sequence[LabelEvent], label: str) -> LabelEvent | None:
    """The event that set the label which is on the issue now; None when it was taken away.

    `events` are oldest first. GitHub compares label names without case.
    """
    of_label = [event for event in events if event.label.lower() == label.lower()]
    return of_label[-1] if of_label and of_label[-1].added else None


def unanswered_label(
    issue: IssueSeen, labels: Labels, known: Known, events: Sequence[LabelEvent]
) -> LabelEvent | None:
    """The event of the label that is on the issue, unless it was acted on already."""
    event = standing_label(events, _wanted(issue, labels))
    is_answered = event is not None and _is_answered(event, known)
    return None if is_answered else event


def decide(
    issue: IssueSeen,
    labels: Labels,
    known: Known,
    events: Sequence[LabelEvent],
    trusted: Callable[[str], bool],
    edits: Callable[[], Sequence[Edit] | None],
    *,
    overdue: bool = False,
) -> Verdict:
    """What to do about an open issue that carries the build or the plan label.

    `trusted` says whether a login may ask for runs; `edits` is asked only when it matters;
    `overdue` says that the event of a label, and the issue as the label left it, would have been
    shown by now. Until then an issue that is older than its label is waited for: nobody labelled
    such a text.
    """
    wanted = _wanted(issue, labels)
    event = standing_label(events, wanted)
    if event is None:
        return _without_event(issue, wanted, known, events) if overdue else Verdict(Action.WAIT)
    if _is_answered(event, known):
        return NOTHING
    if issue.updated_at < event.at and not overdue:
        return Verdict(Action.WAIT)
    if not trusted(event.actor):
        return _refused(event, "label_by_outsider", _OUTSIDER.format(who=event.actor), _ASK)
    conflict = _conflict(issue, labels, event)
    if conflict is not None:
        return conflict
    changed = _change_since_label(issue, event, trusted, edits)
    if changed is not None:
        return changed
    # a label that is set anew while its run still stops must not be lost with that run
    return Verdict(Action.WAIT if known.is_ending else Action.START, event)


def answer_where_nothing_starts(
    issue: IssueSeen,
    labels: Labels,
    known: Known,
    events: Sequence[LabelEvent],
    watched_since: datetime,
    *,
    overdue: bool = False,
) -> Verdict:
    """What to say about the label on a pull request, or on an issue that was closed already.

    Only of a label that was set since the project is watched, and on a closed issue only of one
    that was set after it was closed: who closes an issue with its label means to end things.
    """
    event = standing_label(events, labels.build) or standing_label(events, labels.plan)
    if event is None:
        return NOTHING if overdue else Verdict(Action.WAIT)
    if _is_answered(event, known):
        return NOTHING
    if event.at < watched_since - WATCH_SLACK:
        return NOTHING
    if issue.is_pull_request:
        return _refused(event, "label_on_pull_request", _PULL, _ISSUE.format(event.label))
    if issue.closed_at is None or event.at < issue.closed_at:
        return NOTHING
    return _refused(event, "label_on_closed_issue", _CLOSED, _REOPEN)


def reason_to_cancel(
    issue: IssueSeen | None, labels: Labels, purpose: str, *, by_label: bool = True
) -> str | None:
    """Why a live run of the issue should end; None when it should go on.

    A run that no label asked for needs none to go on.
    """
    if issue is None:
        return ISSUE_GONE
    if issue.has(labels.cancel):
        return f"The label {labels.cancel} was set."
    if issue.state != "open":
        return "The issue was closed."
    wanted = labels.plan if purpose == "plan" else labels.build
    return None if not by_label or issue.has(wanted) else f"The label {wanted} was removed."


def _wanted(issue: IssueSeen, labels: Labels) -> str:
    return labels.build if issue.has(labels.build) else labels.plan


def _is_answered(event: LabelEvent, known: Known) -> bool:
    return known.label_event_id is not None and event.id <= known.label_event_id


def _without_event(
    issue: IssueSeen, wanted: str, known: Known, events: Sequence[LabelEvent]
) -> Verdict:
    """The label is there, and no event set it: events keep the name that a label had then.

    It stands for the newest event there is, so that it is said once; who set it, nobody knows.
    """
    newest = max((event.id for event in events), default=0)
    if known.is_live or (known.label_event_id is not None and newest <= known.label_event_id):
        return NOTHING
    event = LabelEvent(newest, wanted, GHOST, issue.updated_at, added=True)
    return _refused(event, "label_without_event", _NO_EVENT.format(wanted), _AGAIN)


def _conflict(issue: IssueSeen, labels: Labels, event: LabelEvent) -> Verdict | None:
    if issue.has(labels.cancel):
        return _refused(event, "two_labels", _BOTH.format(event.label, labels.cancel), _ONE)
    if issue.has(labels.build) and issue.has(labels.plan):
        return _refused(event, "two_labels", _BOTH.format(labels.build, labels.plan), _ONE)
    if not issue.has(labels.build):
        return _refused(event, "no_planning", _NO_PLANNING, f"Set {labels.build} to have it done.")
    return None


def _change_since_label(
    issue: IssueSeen,
    event: LabelEvent,
    trusted: Callable[[str], bool],
    edits: Callable[[], Sequence[Edit] | None],
) -> Verdict | None:
    """The refusal where somebody untrusted may have changed the text since the label was set.

    Only the author and people with rights can edit. GitHub tells moments in whole seconds, so an
    edit in the second of the label may have come after it, and counts as later. A server that
    cannot tell of edits is not believed: the label itself changed the issue, so the issue's own
    moment says nothing of an edit.
    """
    if trusted(issue.author):
        return None
    told = edits()
    if told is None:
        return _refused(event, "edits_not_told", _NOT_TOLD.format(who=issue.author), _TRUST)
    if all(edit.at < event.at or trusted(edit.editor) for edit in told):
        return None
    return _refused(event, "edited_after_label", _EDITED, _AGAIN)


def _refused(event: LabelEvent, code: str, message: str, hint: str) -> Verdict:
    return Verdict(Action.REFUSE, event, code, message, hint)


_OUTSIDER = "The label was set by {who}, who may not write to this repository."
_ASK = "Someone with write access can set the label anew, or an owner of the project can list "
_ASK += "the person as trusted."
_BOTH = "The labels {} and {} are both set, and they ask for different things."
_ONE = "Remove both, then set the one that is meant."
_NO_PLANNING = "Planning is not part of this version of Paid."
_EDITED = "The issue was changed after the label was set, or in the same second, so what was asked "
_EDITED += "for may not be what it says now."
_NOT_TOLD = "GitHub does not tell whether {who}, who may not write to this repository, changed the "
_NOT_TOLD += "issue after the label was set."
_TRUST = "Open an issue of your own with this text and label that one, or let an owner of the "
_TRUST += "project list the author as trusted."
_NO_EVENT = "GitHub does not say who set the label {}; it may have been renamed since."
_PULL = "This is a pull request, and Paid works on issues."
_ISSUE = "Open an issue that says what is wanted, and set {} there."
_CLOSED = "The issue is closed, and Paid works on open ones."
_REOPEN = "If it is still wanted, open it again; then remove the label and set it anew."
_AGAIN = "Read it again; if it is what you want, remove the label and set it anew."
