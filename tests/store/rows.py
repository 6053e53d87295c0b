"""Rows that tests begin with."""

from __future__ import annotations

from paid.contracts import RunStatus
from paid.models import Credential, Issue, Policy, Project, Run
from paid.store import kept, runs, secrets
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


FOUND = [
    {"kind": "a GitHub token", "place": "a.ini, line 3", "fingerprint": "ab" * 32},
    {"kind": "an AWS key", "place": "the message of commit 0123456789", "fingerprint": "cd" * 32},
]


def refuse(database: Database, run_id: int, *, code: str = "secret_found") -> None:
    """End a run whose work passed its checks, and was refused for secrets when it was published."""
    head, base = "a" * 40, "b" * 40
    with database.session() as session:
        run = runs.get(session, run_id)
        run.host, run.head_sha, run.base_sha, run.branch = "here", head, base, "paid/issue-1-1"
    with database.session() as session:
        runs.enter(session, run_id, RunStatus.CREATING_PR, commit=head)
        run = runs.get(session, run_id)
        runs.say(session, run, secrets.FOUND, commit=head, found=FOUND)
        runs.end(session, run_id, RunStatus.FAILED, code, "The change holds a secret.")
        runs.say(session, run, kept.WORK_KEPT, file="/kept", head=head)
