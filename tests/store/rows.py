"""Rows that tests begin with."""

from __future__ import annotations

from paid.models import Credential, Issue, Policy, Project, Run
from paid.store.database import Database


def make_run(database: Database, number: int = 1) -> int:
    with database.session() as session:
        project = session.get(Project, 1) or Project(
            api_url="https://api", owner="o", name="r", github_id=7, clone_url="https://c",
            default_branch="main", state="active", credential_id=None,
        )  # fmt: skip
        if project.id is None:
            credential = Credential(kind="github_token", ciphertext="x")
            session.add(credential)
            session.flush()
            project.credential_id = credential.id
            session.add(project)
            session.flush()
            session.add(Policy(project_id=project.id))
        issue = Issue(project_id=project.id, number=number, github_id=number, title="t",
                      html_url="u", author="maria", generation=1)  # fmt: skip
        session.add(issue)
        session.flush()
        run = Run(project_id=project.id, issue_id=issue.id, generation=1,
                  workflow_id=f"run:7:{number}:1", requested_by="maria", agent="codex")  # fmt: skip
        session.add(run)
        session.flush()
        assert run.id is not None
        return run.id
