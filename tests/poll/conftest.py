"""A project on the forge, and its poll's activities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select
from temporalio.testing import ActivityEnvironment

from paid.activities.poll import PollActivities
from paid.contracts import LookResult, PollInput, PollResult, RunStatus
from paid.demo.forge import Forge
from paid.github.clients import GitHubClients
from paid.models import Event, Issue, Project, Run
from paid.store import projects, runs
from paid.store.credentials import SecretBox
from paid.store.database import Database
from paid.store.projects import NewProject

REPO = "acme/greeter"


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    forge = Forge(tmp_path / "forge")
    forge.start()
    yield forge
    forge.stop()


@dataclass
class Watched:
    """A watched repository: maria owns it and labels, otto opens issues, eve is a stranger."""

    forge: Forge
    database: Database
    activities: PollActivities
    project_id: int
    token: str
    since: str | None = None
    ticks: int = 0
    after: int = 0
    told: list[int] = field(default_factory=list)
    """The runs that a look has told its host of."""

    def look(self) -> LookResult:
        """One tick's look, as the workflow would ask for it."""
        given = PollInput(self.project_id, self.ticks, self.since, self.after)
        result = ActivityEnvironment().run(self.activities.look_at_github, given)
        self.since, self.after = result.since, result.after
        self.ticks += self.after == 0
        return result

    def record(self) -> PollResult:
        return ActivityEnvironment().run(
            self.activities.read_record, PollInput(self.project_id, self.ticks, self.since)
        )

    def issue(self, author: str = "maria", body: str = "Say hello, not hi.") -> int:
        return self.forge.add_issue(REPO, "Greet politely", body, author)

    def label(self, number: int, label: str = "paid-build", actor: str = "maria") -> None:
        self.forge.add_label(REPO, number, label, actor)

    def long_ago(self, number: int) -> None:
        """Let a minute pass since everything that happened to the issue."""
        issue = self.forge.issue(REPO, number)
        issue.updated_at -= timedelta(minutes=1)
        for event in issue.events:
            event.created_at -= timedelta(minutes=1)
        for edit in issue.edits:
            edit.at -= timedelta(minutes=1)

    def runs(self) -> list[Run]:
        with self.database.session() as session:
            return list(session.exec(select(Run).order_by(col(Run.id))))

    def row(self, number: int) -> Issue:
        with self.database.session() as session:
            return session.exec(select(Issue).where(Issue.number == number)).one()

    def project(self) -> Project:
        with self.database.session() as session:
            return projects.get(session, self.project_id)

    def kinds(self) -> list[str]:
        with self.database.session() as session:
            return [event.kind for event in session.exec(select(Event).order_by(col(Event.id)))]

    def comments(self, number: int) -> list[str]:
        return [comment.body for comment in self.forge.issue(REPO, number).comments]

    def end(self, run_id: int, status: RunStatus = RunStatus.FAILED) -> None:
        with self.database.session() as session:
            runs.end(session, run_id, status, "x", "x")


@pytest.fixture
def watched(forge: Forge, database: Database, tmp_path: Path) -> Iterator[Watched]:
    token = forge.add_user("paid-bot")
    github_id = forge.add_repository(REPO, {"README.md": "hello\n"}, owner="maria")
    forge.set_permission(REPO, "paid-bot", "write")
    for login in ("otto", "eve"):
        forge.add_user(login)
    box = SecretBox(tmp_path / "secret.key")
    new = NewProject(
        api_url=forge.api_url,
        owner="acme",
        name="greeter",
        github_id=github_id,
        clone_url=f"{forge.url}/{REPO}.git",
        default_branch="main",
        token=token,
    )
    with database.session() as session:
        project_id = projects.number(projects.add(session, box, new))
    clients = GitHubClients(database, box)
    told: list[int] = []
    activities = PollActivities(database, clients, lambda _project, run_id: told.append(run_id))
    yield Watched(forge, database, activities, project_id, token, told=told)
    clients.close()
