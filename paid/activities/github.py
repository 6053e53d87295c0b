"""Activities that tell people on GitHub how a run goes: the one comment, and the labels."""

from __future__ import annotations

from sqlmodel import Session
from temporalio import activity

from paid.activities.heartbeat import heartbeats
from paid.activities.own_secrets import model_keys, without_secrets
from paid.activities.parts import GitHubFor
from paid.contracts import RunInput, RunStatus
from paid.errors import GitHubNotFoundError
from paid.github.status import say
from paid.github.texts import (
    PAUSED_BY_VENDOR,
    WAITING,
    StatusView,
    dollars,
    status_comment,
)
from paid.github.untrusted import hidden_in
from paid.github.words import GitHubPort, IssueSeen
from paid.models import LabelPurpose, Run
from paid.settings import Settings
from paid.store import estimates, holds, issues, kept, ledger, pauses, projects, runs
from paid.store.database import Database
from paid.store.pauses import Pause
from paid.store.runs import RunFacts
from paid.triage import ISSUE_GONE, standing_label

DONE_LABEL = "paid-done"
FAILED_LABEL = "paid-failed"
_QUIET_ENDS = {RunStatus.CANCELLED}
"""Ends after which no label says that something failed."""


class GitHubActivities:
    """Writes that a lost answer may repeat: each finds what it wrote before."""

    def __init__(self, settings: Settings, database: Database, github_for: GitHubFor) -> None:
        self._settings, self._database, self._github_for = settings, database, github_for

    @activity.defn(name="announce", no_thread_cancel_exception=True)
    def announce(self, run: RunInput) -> None:
        """Tell the issue's people that Paid has begun; of an issue that is gone, end the run."""
        with heartbeats():
            try:
                self._comment(run.run_id)
            except GitHubNotFoundError:
                self._cancel_if_gone(run.run_id)

    @activity.defn(name="report_end", no_thread_cancel_exception=True)
    def report_end(self, run: RunInput) -> None:
        """Move the labels on, and let the comment say how it ended."""
        with heartbeats():
            facts = self._facts(run.run_id)
            self._move_labels(facts)
            self._comment(run.run_id)

    def _cancel_if_gone(self, run_id: int) -> None:
        """Ask for the end of a run whose issue is not there; the poll tells its workflow.

        Raises GitHubNotFoundError where the repository is what is gone, which ends no run.
        """
        facts = self._facts(run_id)
        github, repo = self._github_for(facts.project), facts.project.full_name
        github.repository(repo, look_inside=False)
        if github.issue(repo, facts.issue.number) is not None:
            return
        with self._database.session() as session:
            runs.request_cancel(session, run_id, "github", ISSUE_GONE)

    def _facts(self, run_id: int) -> RunFacts:
        with self._database.session() as session:
            return runs.facts(session, run_id)

    def _comment(self, run_id: int) -> None:
        with self._database.session() as session:
            facts = runs.facts(session, run_id)
            view = self._view(session, facts)
        project, issue = facts.project, facts.issue
        body = status_comment(view)
        comment_id = say(
            self._github_for(project),
            project.full_name,
            issue.number,
            body,
            issue.status_comment_id,
        )
        with self._database.session() as session:
            issues.keep_comment(session, projects.number(project), issue.number, comment_id)

    def _view(self, session: Session, facts: RunFacts) -> StatusView:
        run = facts.run
        assert run.id is not None  # noqa: S101 - read from PostgreSQL
        cost = ledger.run_cost(session, run.id)
        pause = pauses.of_run(session, run, holds.current(session, run.id))
        likely = estimates.of_run(session, run.id)
        # the gateway may still read on what an agent that was stopped had asked for
        unsettled = cost.reserved_microdollars if run.ended else 0
        return StatusView(
            status=_shown_status(run, pause),
            message=self._publishable(facts, run.error_message or (pause.text if pause else "")),
            hint=kept.advice(session, run),
            likely=likely.said(dollars) if likely else "",
            run_id=run.id,
            run_url=f"{self._settings.dashboard_url}/runs/{run.id}",
            agent=run.agent,
            branch=run.branch,
            pull_request_url=run.pr_url,
            cost_microdollars=cost.spent_microdollars + unsettled if run.ended else None,
            estimated_microdollars=cost.estimated_microdollars + unsettled,
            tokens=cost.input_tokens + cost.output_tokens,
            rounds=run.iterations,
            findings=hidden_in(facts.issue.pinned_title or "", facts.issue.pinned_body or ""),
        )

    def _publishable(self, facts: RunFacts, message: str) -> str:
        """The message before anything escapes it; it may be the agent's last words."""
        known = (facts.issue.pinned_title or "", facts.issue.pinned_body or "")
        return without_secrets(message, known, model_keys(self._settings))

    def _move_labels(self, facts: RunFacts) -> None:
        """Take away the label that asked, and put one that tells the end; a write for each.

        To replace all labels by one write would take away what somebody sets at this moment, when
        automations tell of the pull request that was just opened. The end is told last: whoever
        sees it may set the label that asks anew, which must stay.
        """
        project, issue = facts.project, facts.issue
        github = self._github_for(project)
        seen = github.issue(project.full_name, issue.number)
        if seen is None:
            return
        gone = {DONE_LABEL, FAILED_LABEL, *self._asking_labels(facts, github, seen)}
        if (end_label := _label_of(RunStatus(facts.run.status))) is not None:
            gone.discard(end_label)
        for label in seen.labels:
            if label.lower() in gone:  # GitHub compares names without case
                github.remove_label(project.full_name, issue.number, label)
        if end_label is not None and not seen.has(end_label):
            github.add_labels(project.full_name, issue.number, [end_label])

    def _asking_labels(self, facts: RunFacts, github: GitHubPort, seen: IssueSeen) -> set[str]:
        """Names in lower case of the labels that asked for the run, or for its end.

        One that was set anew while a cancelled run stopped asks for the next run, and stays.
        """
        with self._database.session() as session:
            labels = projects.labels(session, projects.number(facts.project))
        build = labels[LabelPurpose.BUILD]
        asked = {labels[LabelPurpose.CANCEL].lower()}
        if facts.run.status == RunStatus.CANCELLED and seen.has(build):
            events = github.label_events(facts.project.full_name, seen.number)
            standing = standing_label(events, build)
            if standing is not None and standing.id > (facts.issue.label_event_id or 0):
                return asked
        return asked | {build.lower()}


def _shown_status(run: Run, pause: Pause | None) -> str:
    if run.waits:
        return WAITING
    return PAUSED_BY_VENDOR if pause is not None and pause.reason == "quota" else run.status


def _label_of(status: RunStatus) -> str | None:
    if status is RunStatus.COMPLETED:
        return DONE_LABEL
    return None if status in _QUIET_ENDS else FAILED_LABEL
