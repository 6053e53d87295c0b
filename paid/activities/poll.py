"""Looking at a project on GitHub, recording what is seen, and saying what follows from the record.

First the record, then the starts: a crash between the two loses nothing, because the next tick
reads the record again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from temporalio import activity

from paid.activities.heartbeat import heartbeats
from paid.activities.poll_look import Look, OnRequest
from paid.contracts import LookResult, PollInput, PollResult, RunStatus, RunToStart
from paid.errors import GitHubNotFoundError, GitHubRateLimitedError, GitHubUnauthorizedError
from paid.github.words import GitHubPort, Repository
from paid.models import Project, ProjectState
from paid.store import clock, issues, projects, token_expiry
from paid.store.database import Database
from paid.triage import Labels

FULL_LOOK_EVERY_TICKS = 60
"""Between, only issues that changed are asked for; a full look mends whatever slipped through."""
PAUSED_SECONDS = 300.0
"""A paused project is asked after in PostgreSQL alone, in case a signal was lost."""

_log = structlog.get_logger(__name__)


class PollActivities:
    """What the poll asks of GitHub and of PostgreSQL."""

    def __init__(
        self,
        database: Database,
        clients: Callable[[Project], GitHubPort],
        on_request: OnRequest = lambda _project, _run_id: None,
    ) -> None:
        self._database, self._clients, self._on_request = database, clients, on_request

    def all(self) -> list[Callable[..., Any]]:
        """The activities, for a worker."""
        return [self.look_at_github, self.read_record]

    @activity.defn(name="look_at_github", no_thread_cancel_exception=True)
    def look_at_github(self, poll: PollInput) -> LookResult:
        """Record what the project's labels ask for, and which runs have lost their reason.

        A token or a repository that is gone pauses the project, with the reason on record. What
        follows from the record comes along, which spares most ticks a second activity.
        """
        return replace(self._looked(poll), record=self.read_record(poll))

    def _looked(self, poll: PollInput) -> LookResult:
        with self._database.session() as session:
            project = projects.get(session, poll.project_id)
        if project.state != ProjectState.ACTIVE:
            return LookResult(None)
        github = self._clients(project)
        with heartbeats():
            try:
                found = github.repository(project.full_name, look_inside=False)
                self._note_expiry(project, github.token_expires_at())
                if (reason := _unusable(project, found)) is not None:
                    return self._pause(poll.project_id, reason)
                project = self._follow_rename(project, found)
                return self._look(poll, project, github)
            except GitHubUnauthorizedError as error:
                return self._pause(poll.project_id, str(error))
            except GitHubNotFoundError as error:
                reason = f"{project.full_name} is gone, or hidden from the token: {error.message}"
                return self._pause(poll.project_id, reason)
            except GitHubRateLimitedError as error:
                # not a retry of this attempt: what is on record must start meanwhile
                return LookResult(poll.since, wait_seconds=error.retry_after_seconds)

    @activity.defn(name="read_record", no_thread_cancel_exception=True)
    def read_record(self, poll: PollInput) -> PollResult:
        """What is to be started and cancelled, by the record alone."""
        with self._database.session() as session:
            project = projects.get(session, poll.project_id)
            live = issues.live_runs(session, poll.project_id)
        paused = project.state == ProjectState.PAUSED
        return PollResult(
            wait_seconds=PAUSED_SECONDS if paused else float(project.interval_seconds),
            starts=tuple(
                RunToStart(run.run_id, run.workflow_id)
                for run in live
                # also one that was cancelled at once: its workflow is what ends it properly
                if run.status == RunStatus.QUEUED
            ),
            cancel_workflow_ids=tuple(run.workflow_id for run in live if run.cancel_requested),
            paused=paused,
            stop=project.state == ProjectState.REMOVED,
        )

    def _look(self, poll: PollInput, project: Project, github: GitHubPort) -> LookResult:
        full = poll.since is None or poll.ticks % FULL_LOOK_EVERY_TICKS == 0
        since = None if full else datetime.fromisoformat(str(poll.since))
        with self._database.session() as session:
            names = projects.labels(session, poll.project_id)
            policy = projects.policy(session, poll.project_id)
        labels = Labels(names["build"], names["plan"], names["cancel"])
        look = Look(
            self._database, github, project, labels, policy.trusted_logins, self._on_request
        )
        if poll.after == 0:
            look.cancel_what_lost_its_reason()
        seen = look.record_what_is_asked_for(since, poll.after)
        return LookResult(seen.since.isoformat() if seen.since else None, after=seen.after)

    def _note_expiry(self, project: Project, expires_at: datetime | None) -> None:
        """Record when the token ends, and tell of it in time; mostly there is nothing to do."""
        told = expires_at == project.token_expires_at
        if told and expires_at is None:
            return
        with self._database.session() as session:
            if told and not token_expiry.is_near(expires_at, clock.now(session)):
                return
            token_expiry.note(session, projects.number(project), expires_at)

    def _pause(self, project_id: int, reason: str) -> LookResult:
        _log.warning("poll.paused", project_id=project_id, reason=reason)
        with self._database.session() as session:
            projects.pause(session, project_id, reason, by="paid")
        return LookResult(None)

    def _follow_rename(self, project: Project, found: Repository) -> Project:
        """A renamed repository, or another default branch, is followed: the id is the same."""
        owner, name = projects.split_name(found.full_name)
        wanted = (owner, name, found.clone_url, found.default_branch)
        now = (project.owner, project.name, project.clone_url, project.default_branch)
        if wanted == now:
            return project
        with self._database.session() as session:
            row = projects.get(session, projects.number(project), lock=True)
            row.owner, row.name, row.clone_url, row.default_branch = wanted
            session.add(row)
            return row


def _unusable(project: Project, found: Repository) -> str | None:
    if found.github_id != project.github_id:
        return f"{project.full_name} is another repository now: the one that was added is gone."
    if found.archived:
        return f"{project.full_name} is archived: nobody can push to it."
    if found.disabled:
        return f"{project.full_name} is disabled by GitHub; its owner is told why, on its page."
    if not found.has_issues:
        return f"{project.full_name} has its issues switched off. Switch them on again."
    if not found.has_pull_requests:
        return f"{found.full_name} has its pull requests switched off. Switch them on again."
    if not found.can_push:
        return f"The token may not write to {project.full_name} any more. Give it the right again."
    return None
