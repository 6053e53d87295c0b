"""Activities that take a host for a run, make its workspace, and give both back."""

from __future__ import annotations

from pathlib import Path

from temporalio import activity

from paid import queues
from paid.activities.heartbeat import heartbeats
from paid.activities.parts import Host
from paid.contracts import HostSlot, RunInput, RunStatus, Workspace
from paid.models import Run
from paid.store import runs, tokens


class WorkspaceActivities:
    """Docker volumes, mirrors and containers of this host; every activity may be repeated."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @activity.defn(name="provision_container", no_thread_cancel_exception=True)
    def provision_container(self, run: RunInput) -> HostSlot:
        """Claim a slot of this host for the run, once the engine has answered."""
        host, settings = self._host, self._host.settings
        host.engine.ping()
        with host.database.session() as session:
            runs.enter(session, run.run_id, RunStatus.PROVISIONING)
            runs.claim_host(session, run.run_id, settings.host_name, settings.run_slots)
        queue = queues.host_queue(settings.temporal_task_queue, settings.host_name)
        return HostSlot(settings.host_name, queue)

    @activity.defn(name="create_worktree", no_thread_cancel_exception=True)
    def create_worktree(self, run: RunInput) -> Workspace:
        """Fetch, pin the base, and make the run's workspace on its own branch."""
        host = self._host
        with host.database.session() as session:
            facts = runs.facts(session, run.run_id)
        project = facts.project
        assert project.id is not None  # noqa: S101 - read from PostgreSQL
        branch = facts.run.branch or f"paid/issue-{facts.issue.number}-{run.run_id}"
        with heartbeats():
            prepared = host.mirrors.prepare(
                host.remote(project), run.run_id, project.default_branch
            )
            volume = host.workspaces.create(
                run.run_id, project.id, prepared.path, prepared.base_sha
            )
        with host.database.session() as session:
            row = runs.enter(session, run.run_id, RunStatus.PROVISIONING)
            if row.base_sha is None:
                runs.say(session, row, "run.workspace", branch=branch, base=prepared.base_sha)
            row.branch, row.base_sha = branch, prepared.base_sha
        return Workspace(run.run_id, volume, prepared.base_sha, branch)

    @activity.defn(name="release_container", no_thread_cancel_exception=True)
    def release_container(self, run: RunInput) -> None:
        """End every container of the run and make its token worthless."""
        host = self._host
        with host.database.session() as session:
            tokens.revoke(session, run.run_id)
        with heartbeats():
            for owned in host.engine.owned():
                if owned.run_id == run.run_id:
                    host.engine.remove(owned.name)

    @activity.defn(name="cleanup_worktree", no_thread_cancel_exception=True)
    def cleanup_worktree(self, run: RunInput) -> None:
        """Remove the workspace, the run's folder, and what the mirror kept for the run."""
        host = self._host
        with host.database.session() as session:
            row = runs.get(session, run.run_id)
        with heartbeats():
            host.workspaces.remove(run.run_id)
            self._keep_work(row)
            host.mirrors.forget_run(row.project_id, run.run_id)

    def _keep_work(self, run: Run) -> None:
        """Keep the commits of a run that failed as a bundle: they were paid for."""
        mirrors, kept = self._host.mirrors, kept_bundle(self._host.settings.data_dir, run)
        unpublished = run.status == RunStatus.FAILED and run.pr_number is None
        if not (unpublished and run.head_sha and run.base_sha) or kept.exists():
            return
        if mirrors.imported(run.project_id, _id(run)) is None:
            return
        mirrors.save_bundle(run.project_id, run.base_sha, run.head_sha, kept)
        with self._host.database.session() as session:
            runs.say(session, run, "run.work_kept", file=str(kept), head=run.head_sha)


def kept_bundle(data_dir: Path, run: Run) -> Path:
    """Where the work of a failed run is kept; `git fetch FILE paid-kept` brings it back."""
    return data_dir / "kept" / f"run-{_id(run)}.bundle"


def _id(run: Run) -> int:
    assert run.id is not None  # noqa: S101 - read from PostgreSQL
    return run.id
