"""The activity that lets a run's commits out: policy, push, pull request."""

from __future__ import annotations

from typing import Any

from temporalio import activity

from paid.activities.heartbeat import heartbeats
from paid.activities.own_secrets import model_keys
from paid.activities.parts import GitHubFor, Host
from paid.activities.refused_token import refusal_pauses
from paid.activities.turn_gaps import gaps_of
from paid.containers.changes import Changes, Policy, check_texts
from paid.containers.publishable import Gaps
from paid.contracts import PublishInput, PullRequest, RunStatus
from paid.errors import (
    BaseRewrittenError,
    GitHubError,
    NothingToPublishError,
    PaidError,
    SecretFoundError,
)
from paid.github.texts import (
    CheckSeen,
    FileSeen,
    PullRequestText,
    PullRequestView,
    pull_request_text,
)
from paid.github.untrusted import hidden_in
from paid.people import published
from paid.store import clock, events, ledger, projects, runs, secrets, steps
from paid.store.runs import RunFacts

_NO_COMMITS = "no commits between"
"""What GitHub answers to a pull request from a branch that has nothing which its base has not."""
_RELEASE = (
    "If that is no secret, or may be published, a person lets it go, and it is published then:"
    " `paid release {} --reason TEXT`."
)
_NOTHING_LEFT = "Beside {!r}, as it is now, nothing is left of the change."


class PublishActivities:
    """Pushes from this host's mirrors; nothing is pushed after a cancel was acknowledged."""

    def __init__(self, host: Host, github_for: GitHubFor) -> None:
        self._host, self._github_for = host, github_for

    @activity.defn(name="create_pull_request", no_thread_cancel_exception=True)
    def create_pull_request(self, given: PublishInput) -> PullRequest:
        """Push the commit and open the pull request, or adopt what an earlier attempt made."""
        with self._host.database.session() as session:
            run = runs.enter(session, given.run_id, RunStatus.CREATING_PR, commit=given.head_sha)
            facts = runs.facts(session, given.run_id)
            if run.pr_number is not None and run.pr_url is not None:
                return PullRequest(run.pr_number, run.pr_url)
        with heartbeats(), refusal_pauses(self._host.database, facts.project):
            try:
                return self._published(given, facts)
            except PaidError as error:
                if error.for_agent is None or facts.run.publishes_only:
                    raise
                return self._sent_back(given, error)

    def _published(self, given: PublishInput, facts: RunFacts) -> PullRequest:
        # of this attempt alone: another one has to look again
        background, look = self._host.background, f"base {activity.info().attempt}"
        background.begin(given.run_id, look, lambda: self._standing_base(given, facts))
        text = self._checked_text(given, facts)
        base = background.outcome(given.run_id, look, lambda: self._standing_base(given, facts))
        self._push(given, facts)
        return self._open(given, facts, text, base)

    def _sent_back(self, given: PublishInput, error: PaidError) -> PullRequest:
        """Keep for the agent what hinders its work from being published, and tell people."""
        with self._host.database.session() as session:
            run = runs.effect_fence(session, given.run_id, self._host.settings.host_name)
            told = str(error.for_agent)
            kept = steps.add_feedback(session, given.run_id, run.iterations, "publish", told)
            runs.say(session, run, "publish.refused", code=error.code, message=str(error))
        return PullRequest(0, "", feedback_id=kept, code=error.code, message=str(error))

    def _checked_text(self, given: PublishInput, facts: RunFacts) -> PullRequestText:
        """The text that policy and secret scan let through; what they found is on record."""
        try:
            return self._text_let_through(given, facts)
        except SecretFoundError as error:
            error.hint = _RELEASE.format(given.run_id)
            with self._host.database.session() as session:
                run = runs.get(session, given.run_id)
                runs.say(session, run, secrets.FOUND, commit=given.head_sha, found=error.found)
            raise

    def _text_let_through(self, given: PublishInput, facts: RunFacts) -> PullRequestText:
        policy, project_id = self._policy(facts), projects.number(facts.project)
        with self._host.database.session() as session:
            gaps = gaps_of(session, given.run_id)
        self._host.mirrors.require_publishable(
            project_id,
            given.workspace.base_sha,
            given.head_sha,
            facts.policy.raw_filters,
            gaps,
        )
        changes = self._host.mirrors.check(
            project_id, given.workspace.base_sha, given.head_sha, policy
        )
        view = self._view(given, facts, changes, gaps)
        text = pull_request_text(view)
        # as the agent wrote them: what is escaped for Markdown may not be known again
        said = (view.summary, *(file.path for file in view.files), text.title, text.body)
        known = (view.issue_title, view.issue_body)
        check_texts(policy, given.workspace.branch, *said, known=known)
        return text

    def _policy(self, facts: RunFacts) -> Policy:
        allowed = facts.policy.allowed_secrets
        return Policy(
            allow_workflow_changes=facts.policy.allow_workflow_changes,
            secrets=self._secrets(facts),
            allowed_paths=tuple(each["path"] for each in allowed if "path" in each),
            allowed_values=frozenset(
                [
                    *facts.run.released_secrets,
                    *(each["value"] for each in allowed if "value" in each),
                ]
            ),
        )

    def _standing_base(self, given: PublishInput, facts: RunFacts) -> str:
        """The branch that the pull request is for, under the name that it has now.

        Raises BaseRewrittenError when it is gone, or does not hold the run's base any more: the
        pull request would show commits of others.
        """
        remote, base_sha = self._host.remote(facts.project), given.workspace.base_sha
        base = facts.project.default_branch
        state = self._host.mirrors.base_state(remote, base, base_sha)
        if state == "gone":
            project = facts.project
            found = self._github_for(project).repository(project.full_name, look_inside=False)
            base = found.default_branch
            state = self._host.mirrors.base_state(remote, base, base_sha)
        if state in ("gone", "rewritten"):
            raise BaseRewrittenError(
                f"The base branch {base!r} was {'deleted' if state == 'gone' else state}"
                " while the run worked on it.",
                hint="Label the issue again to start from the branch as it is now.",
            )
        if state == "moved" and not self._host.mirrors.adds_to(remote, base, given.head_sha):
            raise NothingToPublishError(_NOTHING_LEFT.format(base))
        return base

    def _push(self, given: PublishInput, facts: RunFacts) -> None:
        remote, branch = self._host.remote(facts.project), given.workspace.branch
        with self._host.database.session() as session:
            run = runs.effect_fence(session, given.run_id, self._host.settings.host_name)
            left_at = runs.pushed_head(session, run)
            pushed = self._host.mirrors.push(remote, given.run_id, given.head_sha, branch, left_at)
            runs.say(
                session, run, "run.pushed", branch=branch, adopted=pushed.adopted,
                head=given.head_sha,
            )  # fmt: skip

    def _open(
        self, given: PublishInput, facts: RunFacts, text: PullRequestText, base: str
    ) -> PullRequest:
        project = facts.project
        with self._host.database.session() as session:
            run = runs.effect_fence(session, given.run_id, self._host.settings.host_name)
            if run.pr_number is not None and run.pr_url is not None:
                return PullRequest(run.pr_number, run.pr_url)
            try:
                opened = self._github_for(project).create_pull_request(
                    project.full_name,
                    title=text.title,
                    body=text.body,
                    branch=given.workspace.branch,
                    base=base,
                    draft=facts.policy.draft_pull_request,
                )
            except GitHubError as error:
                if _NO_COMMITS in error.message.lower():
                    raise NothingToPublishError(_NOTHING_LEFT.format(base)) from error
                raise
            run.pr_number, run.pr_url = opened.number, opened.html_url
            session.add(run)
            runs.say(session, run, "run.pull_request", number=opened.number, url=opened.html_url)
        return PullRequest(opened.number, opened.html_url)

    def _view(
        self, given: PublishInput, facts: RunFacts, changes: Changes, gaps: Gaps
    ) -> PullRequestView:
        run, issue = facts.run, facts.issue
        assert run.id is not None  # noqa: S101 - read from PostgreSQL
        with self._host.database.session() as session:
            cost = ledger.run_cost(session, run.id)
            checks, summary = _checks_of(session, facts), _last_words(session, run.id)
            verified = events.of_kind(session, run.id, "verify.ended")
            let_go = secrets.let_go(session, run.id)
            took = clock.since(session, run.started_at or run.created_at)
        return PullRequestView(
            issue_number=issue.number,
            issue_title=issue.pinned_title or issue.title,
            issue_body=issue.pinned_body or "",
            requested_by=published(run.requested_by),
            run_id=run.id,
            agent=run.agent,
            base_sha=given.workspace.base_sha,
            head_sha=given.head_sha,
            summary=summary,
            commits=tuple(commit.subject for commit in changes.commits),
            files=tuple(FileSeen(file.path, file.added, file.deleted) for file in changes.files),
            checked_sha=str(verified[-1].data.get("commit", "")) if verified else "",
            left_out=tuple(gaps.left_out.items()),
            checks=checks,
            let_go=tuple(let_go),
            rounds=run.iterations,
            cost_microdollars=cost.spent_microdollars,
            estimated_microdollars=cost.estimated_microdollars,
            tokens=cost.input_tokens + cost.output_tokens,
            minutes=took.total_seconds() / 60,
            run_url=f"{self._host.settings.dashboard_url}/runs/{run.id}",
            findings=hidden_in(issue.pinned_title or "", issue.pinned_body or ""),
        )

    def _secrets(self, facts: RunFacts) -> tuple[str, ...]:
        token = self._host.remote(facts.project).token
        return tuple(filter(None, [token, *model_keys(self._host.settings)]))


def _checks_of(session: Any, facts: RunFacts) -> tuple[CheckSeen, ...]:
    """How the project's checks ended on the commit, from the last verify step."""
    assert facts.run.id is not None  # noqa: S101 - read from PostgreSQL
    verified = [step for step in steps.of_run(session, facts.run.id) if step.kind == "verify"]
    reports = verified[-1].report.get("checks", []) if verified else []
    return tuple(
        CheckSeen(
            command=tuple(report["argv"]),  # as it ran: the project's may be others by now
            passed=report["code"] == 0 and not report.get("timed_out"),
            seconds=report.get("seconds"),
            ran_no_test=bool(report.get("ran_no_test")),
        )
        for report in reports
    )


def _last_words(session: Any, run_id: int) -> str:
    """What the agent said last, as the end of its last turn keeps it."""
    ended = [event for event in events.of_run(session, run_id, limit=100_000)
             if event.kind == "turn.ended"]  # fmt: skip
    return str(ended[-1].data.get("message", "")) if ended else ""
