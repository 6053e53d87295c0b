"""Activities that take a host for a run, make its workspace, and give both back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from temporalio import activity

from paid import queues
from paid.activities.commit_words import message_rules, rules_of
from paid.activities.heartbeat import heartbeats
from paid.activities.parts import WORKTREE, GitHubFor, Host
from paid.activities.rules_ahead import rules_for_messages
from paid.activities.task_text import MESSAGE_RULES
from paid.agents import registry
from paid.containers.docker_api import UNAVAILABLE_HINT
from paid.containers.mirror import KEPT_BRANCH
from paid.contracts import HostSlot, KeptWork, RunInput, RunStatus, Workspace
from paid.errors import (
    BadInputError,
    ChangeTooLargeError,
    ContainerError,
    DockerUnavailableError,
    HostFullError,
    ModelKeyMissingError,
    NoDockerError,
    PaidError,
)
from paid.gateway.known_vendors import vendors_with_keys
from paid.models import Run
from paid.store import kept, runs, tokens, waits
from paid.store.runs import RunFacts

RULES = "rules"
"""Under this name a host's background asks for the rules of a run's branch."""
TAKE_BACK_ATTEMPTS = 5
"""After so many the branch of a run without a pull request is left where it is."""
QUIET_SECONDS = 1.0
"""People are told of a run when its agent works: telling them costs what a start needs."""
QUIET_IN_A_CROWD_SECONDS = 15.0
"""Fifty runs that begin at once have begun after it on two cores."""
CLAIM_PAUSE_SECONDS = 10.0
"""The longest pause of a run that waits for Docker: it shall begin soon after Docker does."""

_NO_ANSWER = "Docker does not answer."
_WAITS = UNAVAILABLE_HINT + " The run begins by itself then; it fails if nothing changes within {}."
_NEVER = "Docker did not answer on any host within {}."
_GIVEN_UP = UNAVAILABLE_HINT + " Then set the label again."


class WorkspaceActivities:
    """Docker volumes, mirrors and containers of this host; every activity may be repeated."""

    def __init__(self, host: Host, github_for: GitHubFor | None = None) -> None:
        """Without `github_for` no rules are looked at ahead."""
        self._host, self._github_for = host, github_for

    @activity.defn(name="provision_container", no_thread_cancel_exception=True)
    def provision_container(self, run: RunInput) -> HostSlot:
        """Claim a slot of this host for the run, once the engine has answered.

        Why it cannot be had is on record before the error leaves. A full host is waited for
        without end, an engine that does not answer only for so long.
        """
        try:
            self._host.engine.ping()
            return self._claim(run.run_id)
        except HostFullError as error:
            with self._host.database.session() as session:
                waits.note(session, run.run_id, error, self._host.settings.host_name)
            raise
        except DockerUnavailableError as error:
            raise self._without_docker(run.run_id, error) from error

    def _claim(self, run_id: int) -> HostSlot:
        settings = self._host.settings
        with self._host.database.session() as session:
            had = runs.enter(session, run_id, RunStatus.PROVISIONING).host
            run = runs.claim_host(session, run_id, settings.host_name, settings.run_slots)
            waits.over(session, run)
        if had not in (None, settings.host_name):
            self._end_containers(run_id)  # of a time when this host had the run, and was given up
        self._host.precedence.expect(run_id)
        self._host.background.begin(run_id, WORKTREE, lambda: self._worktree(run_id))
        queue = queues.host_queue(settings.temporal_task_queue, settings.host_name)
        crowded = self._host.precedence.is_crowded(run_id)
        quiet = QUIET_IN_A_CROWD_SECONDS if crowded else QUIET_SECONDS
        return HostSlot(settings.host_name, queue, quiet)

    def _without_docker(self, run_id: int, error: DockerUnavailableError) -> ContainerError:
        """What the run is told: to wait, or that it has waited long enough."""
        settings = self._host.settings
        limit = timedelta(seconds=settings.docker_wait_seconds)
        told = DockerUnavailableError(_NO_ANSWER, hint=_WAITS.format(_span(limit)))
        with self._host.database.session() as session:
            stands = waits.note(session, run_id, told, settings.host_name, error.message)
            if stands and waits.waited(session, run_id) > limit:
                return NoDockerError(_NEVER.format(_span(limit)), hint=_GIVEN_UP)
        told.retry_after_seconds = min(2.0 ** (activity.info().attempt - 1), CLAIM_PAUSE_SECONDS)
        return told

    @activity.defn(name="create_worktree", no_thread_cancel_exception=True)
    def create_worktree(self, run: RunInput) -> Workspace:
        """Fetch, pin the base, and make the run's workspace on its own branch.

        The claim has begun it already, if this is the process that claimed.
        """
        with heartbeats():
            return self._host.background.outcome(
                run.run_id, WORKTREE, lambda: self._worktree(run.run_id)
            )

    def _worktree(self, run_id: int) -> Workspace:
        host = self._host
        with host.database.session() as session:
            facts = runs.facts(session, run_id)
        _check_model_keys(facts.run.agent, vendors_with_keys(host.settings.gateway_socket_path))
        project = facts.project
        assert project.id is not None  # noqa: S101 - read from PostgreSQL
        prepared = host.mirrors.prepare(
            host.remote(project), run_id, project.default_branch, lambda it: host.fetch(it, run_id)
        )
        branch = facts.run.branch or host.mirrors.free_branch(
            project.id, facts.issue.number, run_id
        )
        asked = host.background
        asked.begin(run_id, RULES, lambda: self._rules(facts, branch))
        volume = host.workspaces.create(run_id, project.id, prepared.path, prepared.base_sha)
        messages = asked.outcome(run_id, RULES, lambda: self._rules(facts, branch))
        with host.database.session() as session:
            row = runs.enter(session, run_id, RunStatus.PROVISIONING)
            runs.require_host(row, host.settings.host_name)
            if messages:
                runs.say(session, row, MESSAGE_RULES, must=list(messages))
            if row.base_sha is None:
                runs.say(session, row, "run.workspace", branch=branch, base=prepared.base_sha)
            row.branch, row.base_sha = branch, prepared.base_sha
        return Workspace(run_id, volume, prepared.base_sha, branch)

    def _rules(self, facts: RunFacts, branch: str) -> tuple[str, ...]:
        """What commit messages on the branch must be; PushRejectedError where nothing would do."""
        if self._github_for is None:
            return ()
        github, email = self._github_for(facts.project), facts.policy.commit_email
        return rules_for_messages(github, facts.project.full_name, branch, email)

    @activity.defn(name="restore_work", no_thread_cancel_exception=True)
    def restore_work(self, run: RunInput) -> KeptWork:
        """Bring the kept commits of a failed run back into the mirror, to be published.

        Its files stay as they were checked; author and committer are the project's as it is now.
        """
        host = self._host
        with host.database.session() as session:
            facts = runs.facts(session, run.run_id)
        row, project_id = facts.run, facts.run.project_id
        file = kept_bundle(host.settings.data_dir, row)
        if not file.exists() or row.base_sha is None or row.branch is None:
            raise BadInputError(
                f"The work of run {run.run_id} is not on {host.settings.host_name} any more.",
                hint=f"It is kept for {kept.DAYS} days. Label the issue again.",
            )
        rules = rules_of(facts, {}, message_rules(host.database, run.run_id))
        with heartbeats():
            host.mirrors.fetch(host.remote(facts.project))
            host.mirrors.pin_base(project_id, run.run_id, row.base_sha)
            work = host.mirrors.take_work(
                project_id, run.run_id, file, KEPT_BRANCH, row.base_sha, rules
            )
        branch = host.mirrors.usable_branch(project_id, facts.issue.number, run.run_id, row.branch)
        with host.database.session() as session:
            found = runs.enter(session, run.run_id, RunStatus.PROVISIONING)
            runs.require_host(found, host.settings.host_name)
            found.branch, found.head_sha = branch, work.head
        return KeptWork(Workspace(run.run_id, "", row.base_sha, branch), work.head)

    @activity.defn(name="release_container", no_thread_cancel_exception=True)
    def release_container(self, run: RunInput) -> None:
        """End every container of the run and make its token worthless."""
        host = self._host
        host.precedence.forget(run.run_id)
        with host.database.session() as session:
            tokens.revoke(session, run.run_id)
        with heartbeats():
            host.background.settle(run.run_id)
            self._end_containers(run.run_id)

    def _end_containers(self, run_id: int) -> None:
        for owned in self._host.engine.owned():
            if owned.run_id == run_id:
                self._host.engine.remove(owned.name)

    @activity.defn(name="cleanup_worktree", no_thread_cancel_exception=True)
    def cleanup_worktree(self, run: RunInput) -> None:
        """Remove the workspace, the run's folder, and what the mirror kept for the run."""
        host = self._host
        with host.database.session() as session:
            row = runs.get(session, run.run_id)
        with heartbeats():
            host.workspaces.remove(run.run_id)
            self._keep_work(row)
            self._take_back(row)
            host.mirrors.forget_run(row.project_id, run.run_id)

    def _keep_work(self, run: Run) -> None:
        """Keep the commits of a run that failed as a bundle: they were paid for."""
        mirrors, file = self._host.mirrors, kept_bundle(self._host.settings.data_dir, run)
        if not kept.keeps_work(run):
            return
        with self._host.database.session() as session:
            if kept.was_told(session, _id(run)) and file.exists():
                return
        assert run.base_sha is not None and run.head_sha is not None  # noqa: S101, PT018
        if mirrors.imported(run.project_id, _id(run)) is None:
            return
        if not file.exists():
            try:
                mirrors.save_bundle(run.project_id, run.base_sha, run.head_sha, file)
            except ChangeTooLargeError as error:  # clean-up goes on without
                with self._host.database.session() as session:
                    runs.say(session, run, "run.work_not_kept", reason=str(error))
                return
        with self._host.database.session() as session:
            runs.say(session, run, kept.WORK_KEPT, file=str(file), head=run.head_sha)

    def _take_back(self, run: Run) -> None:
        """Delete the branch of a run that ended between its push and its pull request."""
        host, branch = self._host, run.branch
        if run.pr_number is not None or branch is None:
            return
        with host.database.session() as session:
            project, left_at = runs.facts(session, _id(run)).project, runs.pushed_head(session, run)
        if left_at is None and not host.mirrors.has_pushed(run.project_id, _id(run)):
            return
        deleted, reason = False, "The branch is not where the run left it."
        try:
            deleted = host.mirrors.withdraw(host.remote(project), _id(run), branch, left_at)
            if not deleted and not host.mirrors.is_there(host.remote(project), branch):
                return
        except PaidError as error:
            if error.retryable and activity.info().attempt < TAKE_BACK_ATTEMPTS:
                raise
            reason = str(error)
        with host.database.session() as session:
            if deleted:
                runs.say(session, run, "run.branch_taken_back", branch=branch)
            else:
                runs.say(session, run, "run.branch_left", branch=branch, reason=reason)


def kept_bundle(data_dir: Path, run: Run) -> Path:
    """Where the work of a failed run is kept; `git fetch FILE paid-kept` brings it back."""
    return data_dir / "kept" / f"run-{_id(run)}.bundle"


def _check_model_keys(agent_name: str, known: frozenset[str] | None) -> None:
    """Raise ModelKeyMissingError when the agent could reach no model from this host.

    `known` are the vendors with keys, None where the gateway does not say. A program of the
    user's own (`command`) may need none.
    """
    agent = registry.get(agent_name)
    wanted = sorted({wire.vendor for wire in agent.wires})
    if known is None or not agent.default_model or known.intersection(wanted):
        return
    variables = " or ".join(f"{vendor.upper()}_API_KEY" for vendor in wanted)
    raise ModelKeyMissingError(
        f"The agent {agent_name} needs a model of {' or '.join(wanted)},"
        " and the gateway has no key for it.",
        hint=f"Set {variables} where the gateway (or `paid up`) runs, start it again,"
        " and set the label again.",
    )


def _span(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    return f"{seconds / 60:g} minutes" if seconds > 90 else f"{seconds:g} seconds"


def _id(run: Run) -> int:
    assert run.id is not None  # noqa: S101 - read from PostgreSQL
    return run.id
