"""One look at a project's issues: each is judged by `paid.triage`, and the verdict recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from paid.contracts import RunStatus
from paid.errors import (
    DatabaseError,
    GitHubError,
    GitHubNotFoundError,
    GitHubRateLimitedError,
    GitHubUnauthorizedError,
)
from paid.github import status
from paid.github.texts import StatusView, status_comment
from paid.github.words import WRITERS, GitHubPort, IssueSeen, LabelEvent
from paid.models import Issue, Project
from paid.store import issues, projects, runs
from paid.store.database import Database
from paid.store.issues import LiveRun
from paid.triage import (
    WATCH_SLACK,
    Action,
    Known,
    Labels,
    Verdict,
    answer_where_nothing_starts,
    decide,
    reason_to_cancel,
    unanswered_label,
)

_log = structlog.get_logger(__name__)

RUNS_A_LOOK = 4
"""How many runs a look records before it breaks off, so that they can start."""
RUNS_A_FURTHER_LOOK = 12
"""The same for a look that goes on where one broke off: by then there is something to start, and
each look begins with three questions to GitHub."""
MOST_FAILURES = 3
"""So many issues that cannot be judged stop a look: then it is hardly about these issues."""
CONCERNS_ALL = (DatabaseError, GitHubRateLimitedError, GitHubUnauthorizedError)
EVENT_DELAY = timedelta(minutes=10)
"""GitHub lists the event of a label seconds after the label, or it is long past."""
OVERLAP = timedelta(seconds=30)
"""A change may show in lists after a later one does, and GitHub's `since` may leave its own second
out: so much before the newest change is asked for again."""

OnRequest = Callable[[Project, int], None]
"""Called with the number of a run that was recorded."""


@dataclass(frozen=True)
class Seen:
    """From when on to ask the next time (None: all), and where this look broke off (0: nowhere)."""

    since: datetime | None
    after: int


class Look:
    """What one tick of the poll does with one project."""

    def __init__(
        self,
        database: Database,
        github: GitHubPort,
        project: Project,
        labels: Labels,
        trusted_logins: Sequence[str],
        on_request: OnRequest,
    ) -> None:
        self._on_request = on_request
        self._database, self._github, self._labels = database, github, labels
        self._project, self._repo = project, project.full_name
        self._project_id = projects.number(project)
        self._trust = dict.fromkeys((login.lower() for login in trusted_logins), True)

    def cancel_what_lost_its_reason(self) -> None:
        """Ask for the end of runs whose issue was closed or deleted, or lost its label.

        A run that is publishing moves its own label on, and is not to be stopped by that alone.
        """
        with self._database.session() as session:
            live = issues.live_runs(session, self._project_id)
        concerned = [run for run in live if not (run.cancel_requested or run.has_pull_request)]
        if not concerned:
            return
        # one list tells of most of them; only those that are not in it are asked for one by one
        listed = {seen.number: seen for seen in self._github.issues(self._repo, self._labels.build)}
        for run in concerned:
            number = run.issue_number
            seen = listed.get(number) or self._github.issue(self._repo, number)
            by_label = run.by_label and run.status != RunStatus.CREATING_PR
            reason = reason_to_cancel(seen, self._labels, run.purpose, by_label=by_label)
            if reason is not None:
                self._cancel(run, seen, reason)

    def record_what_is_asked_for(self, since: datetime | None, after: int) -> Seen:
        """Judge the labelled issues that changed at or after `since` (None: all of them).

        They are taken by their numbers, from the one behind `after` on, until a few runs were
        recorded; the next look goes on from there. One that cannot be judged keeps no other from
        its run; a look with such a one fails in the end, and the next one tries again.
        """
        found = self._labelled(since)
        rows, live = self._known(found), self._live()
        most = RUNS_A_LOOK if after == 0 else RUNS_A_FURTHER_LOOK
        recorded, settled, failures = 0, True, list[Exception]()
        for issue in found:
            row, run = rows.get(issue.number), live.get(issue.number)
            if issue.number <= after or _is_settled(issue, row, run):
                continue
            try:
                action = self._judge(issue, row, run)
            except GitHubNotFoundError:
                continue  # deleted between the list and the question
            except CONCERNS_ALL:
                raise
            except Exception as error:
                _log.warning("poll.issue_not_judged", issue=issue.number, error=str(error))
                failures.append(error)
                if len(failures) == MOST_FAILURES:
                    raise
                continue
            settled &= action is not Action.WAIT
            recorded += action is Action.START
            if recorded == most and issue is not found[-1]:
                return Seen(since, issue.number)
        if failures:
            raise failures[0]
        return Seen(self._newest(found, since) if settled else since, 0)

    def _newest(self, found: Sequence[IssueSeen], since: datetime | None) -> datetime | None:
        """From when on to ask the next time; as before while not everything is on record."""
        rows = self._known(found)
        for issue in found:
            row = rows.get(issue.number)
            if row is None or row.remote_updated_at != issue.updated_at:
                return since
        if not found:
            return since
        return max(issue.updated_at for issue in found) - OVERLAP

    def _known(self, found: Sequence[IssueSeen]) -> dict[int, Issue]:
        with self._database.session() as session:
            return issues.known(session, self._project_id, [issue.number for issue in found])

    def _live(self) -> dict[int, LiveRun]:
        with self._database.session() as session:
            return {run.issue_number: run for run in issues.live_runs(session, self._project_id)}

    def _labelled(self, since: datetime | None) -> list[IssueSeen]:
        """What carries a label that asks for something, by number.

        Closed issues and pull requests that nobody has touched since the project is watched are
        left out: a repository may have hundreds that carry the label from earlier days.
        """
        found = {
            issue.number: issue
            for label in (self._labels.build, self._labels.plan)
            for issue in self._github.labelled(self._repo, label, since)
        }
        watched = self._project.created_at - WATCH_SLACK
        return [
            found[number]
            for number in sorted(found)
            if found[number].can_be_worked_on or found[number].updated_at >= watched
        ]

    def _cancel(self, run: LiveRun, issue: IssueSeen | None, reason: str) -> None:
        with self._database.session() as session:
            runs.request_cancel(session, run.run_id, "github", reason)
            if issue is None:
                issues.note_gone(session, self._project_id, run.issue_number)
            else:
                issues.note(session, self._project_id, issue)

    def _judge(self, issue: IssueSeen, row: Issue | None, live: LiveRun | None) -> Action:
        """Decide and record; nothing is recorded of an issue that has to be looked at again."""
        known = Known(
            label_event_id=row.label_event_id if row else None,
            is_live=live is not None,
            is_ending=live is not None and live.cancel_requested,
        )
        events = self._github.label_events(self._repo, issue.number)
        if unanswered_label(issue, self._labels, known, events) is not None:
            anew = self._anew(issue.number)
            if anew is None:
                return Action.WAIT
            issue = anew
        verdict = self._verdict(issue, known, events)
        if verdict.action is Action.REFUSE:
            self._refuse(issue, row, verdict)
        elif verdict.action is not Action.WAIT:
            self._record(issue, verdict)
        return verdict.action

    def _anew(self, number: int) -> IssueSeen | None:
        """The issue as it is after its label's event; None without it or without a label.

        The list was read before the events: its text may be one that an outsider wrote and took
        back before somebody read the issue and set the label. What is pinned is read after the
        events, and its edits are asked for after it, so that no text falls between.
        """
        issue = self._github.issue(self._repo, number)
        is_labelled = issue is not None and any(
            issue.has(label) for label in (self._labels.build, self._labels.plan)
        )
        return issue if is_labelled else None

    def _verdict(self, issue: IssueSeen, known: Known, events: Sequence[LabelEvent]) -> Verdict:
        newest = max([issue.updated_at, *(event.at for event in events)])
        overdue = self._github.now() - newest > EVENT_DELAY
        if not issue.can_be_worked_on:
            since = self._project.created_at
            return answer_where_nothing_starts(
                issue, self._labels, known, events, since, overdue=overdue
            )
        return decide(
            issue,
            self._labels,
            known,
            events,
            self._is_trusted,
            lambda: self._github.edits(self._repo, issue.number, issue),
            overdue=overdue,
        )

    def _record(self, issue: IssueSeen, verdict: Verdict) -> None:
        run = None
        with self._database.session() as session:
            if verdict.action is Action.START and verdict.event is not None:
                project = projects.get(session, self._project_id)
                by = verdict.event.actor
                run = issues.request_run(session, project, issue, by=by, event=verdict.event)
            else:
                issues.note(session, self._project_id, issue)
        if run is not None and run.id is not None:
            self._on_request(project, run.id)

    def _refuse(self, issue: IssueSeen, row: Issue | None, verdict: Verdict) -> None:
        """Say it on the issue, then record it: saying it again finds the same comment."""
        assert verdict.event is not None  # noqa: S101 - a refusal is of a label that was set
        comment_id = self._say(issue, row, verdict)
        with self._database.session() as session:
            issues.refuse(
                session, self._project_id, issue, verdict.event, verdict.code, verdict.message
            )
            if comment_id is not None:
                issues.keep_comment(session, self._project_id, issue.number, comment_id)

    def _say(self, issue: IssueSeen, row: Issue | None, verdict: Verdict) -> int | None:
        body = status_comment(StatusView("refused", verdict.message, verdict.hint))
        kept = row.status_comment_id if row else None
        try:
            return status.say(self._github, self._repo, issue.number, body, kept)
        except GitHubError as error:
            if error.retryable:
                raise
            # a locked issue takes no comment; the record and the dashboard have the reason
            _log.warning("poll.comment_refused", issue=issue.number, error=error.message)
            return None

    def _is_trusted(self, login: str) -> bool:
        """Listed by the project, or able to write to the repository; asked once a look."""
        key = login.lower()
        if key not in self._trust:
            self._trust[key] = self._github.permission(self._repo, login) in WRITERS
        return self._trust[key]


def _is_settled(issue: IssueSeen, row: Issue | None, run: LiveRun | None) -> bool:
    """Whether the issue is as it was judged, and its run goes on: a label starts no second one.

    Each look asks for the last half minute again. A change within the second that is on record
    may be missed here; a label set anew in it is taken away with the others at the run's end.
    """
    is_judged = row is not None and row.remote_updated_at == issue.updated_at
    return is_judged and run is not None and run.by_label and not run.cancel_requested
