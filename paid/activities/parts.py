"""What the activities of a host share: its adapters, built once by the worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from paid.activities.background import Background
from paid.containers.contract import MEBIBYTE, Engine, Kind, Limits, StepSpec
from paid.containers.images import agent_image_ref
from paid.containers.mirror import Mirrors, Remote
from paid.containers.task import Task, write_task
from paid.containers.workspace import Workspaces
from paid.github.words import GitHubPort
from paid.models import Policy, Project
from paid.precedence import Precedence
from paid.settings import Settings
from paid.store import projects, tokens
from paid.store.credentials import SecretBox
from paid.store.database import Database
from paid.store.runs import RunFacts

WORKTREE = "worktree"
"""Under this name a host's background makes the workspace of a run that it has claimed."""
_FETCH = "fetch"
FRESH_SECONDS = 5.0
"""So old may a look at the remote be that a run relies on: runs wait for money and for hosts."""


class GitHubFor(Protocol):
    """Makes, or finds again, the client of a project."""

    def __call__(self, project: Project) -> GitHubPort: ...


@dataclass(frozen=True)
class Host:
    """The adapters of one host."""

    settings: Settings
    database: Database
    engine: Engine
    workspaces: Workspaces
    mirrors: Mirrors
    box: SecretBox
    precedence: Precedence = field(default_factory=Precedence)
    background: Background = field(default_factory=Background)
    fresh_seconds: float = FRESH_SECONDS

    def remote(self, project: Project) -> Remote:
        """The project's repository with its token, which stays on the host."""
        assert project.id is not None  # noqa: S101 - a project that is read has an id
        with self.database.session() as session:
            token = projects.token(session, self.box, project)
        return Remote(project.id, project.clone_url, token)

    def fetch_ahead(self, project: Project, run_id: int) -> None:
        """Begin to fetch what a run is bound to start from, though another host may take it."""
        self.background.begin(run_id, _FETCH, lambda: self.mirrors.fetch(self.remote(project)))

    def fetch(self, remote: Remote, run_id: int) -> None:
        """Fetch for a run, unless that was begun just now."""
        self.background.outcome(
            run_id, _FETCH, lambda: self.mirrors.fetch(remote), within=self.fresh_seconds
        )

    def run_folder(self, run_id: int) -> Path:
        """A folder of the host for one run; removed with the run."""
        folder = self.settings.data_dir / "runs" / str(run_id)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def spec(
        self, facts: RunFacts, kind: Kind, number: int, task: Task, *, volume: str
    ) -> StepSpec:
        """A container of the run. One whose task says `gateway` gets a fresh token for it."""
        run, project = facts.run, facts.project
        assert run.id is not None and project.id is not None  # noqa: S101, PT018
        run_token = None
        if task.gateway:
            with self.database.session() as session:
                run_token = tokens.issue(session, run.id)
        return StepSpec(
            run_id=run.id,
            kind=kind,
            number=number,
            image=agent_image_ref(run.agent),
            task_folder=write_task(
                self.settings.data_dir, run.id, kind, number, task, limits_of(facts.policy)
            ),
            volume=volume,
            mirror=self.mirrors.path(project.id),
            gateway=self.settings.gateway_socket_path.parent if task.gateway else None,
            run_token=run_token,
            limits=limits_of(facts.policy),
        )


def limits_of(policy: Policy) -> Limits:
    """The container's limits that a project's policy sets."""
    return Limits(cpus=policy.cpus, memory_bytes=policy.memory_mib * MEBIBYTE, pids=policy.pids)


def container_name(run_id: int, kind: str, number: int) -> str:
    """The name that `StepSpec` gives the same step."""
    return f"paid-run-{run_id}-{kind}-{number}"
