"""Rows that ledger and gateway tests begin with, and the ledger's functions from Python."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlmodel import Session

from paid.models import Credential, Issue, LedgerAccount, Policy, Project, Run
from paid.store.database import Database

_NUMBERS = count(1)


@dataclass(frozen=True)
class Rows:
    project_id: int
    issue_id: int
    run_id: int


def add_project(session: Session, **values: Any) -> int:
    credential = Credential(kind="github_token", ciphertext="sealed")
    session.add(credential)
    session.flush()
    number = next(_NUMBERS)
    usual = {
        "api_url": "https://forge.example",
        "owner": "acme",
        "name": f"shop-{number}",
        "github_id": number,
        "clone_url": "https://forge.example/acme/shop.git",
        "default_branch": "main",
        "credential_id": credential.id,
    }
    project = Project(**usual | values)
    session.add(project)
    session.flush()
    session.add(Policy(project_id=project.id))
    session.flush()
    return project.id


def add_issue(session: Session, project_id: int, issue_number: int | None = None) -> int:
    number = next(_NUMBERS)
    issue = Issue(
        project_id=project_id,
        number=issue_number or number,
        github_id=number,
        title="Mend it",
        html_url="https://forge.example/acme/shop/issues/1",
        author="ann",
    )
    session.add(issue)
    session.flush()
    return issue.id


def add_run(session: Session, project_id: int, issue_id: int, **values: Any) -> int:
    number = next(_NUMBERS)
    run = Run(
        project_id=project_id,
        issue_id=issue_id,
        generation=number,
        workflow_id=f"run:{number}",
        requested_by="ann",
        agent="codex",
        **values,
    )
    session.add(run)
    session.flush()
    return run.id


def add_rows(database: Database, **project: Any) -> Rows:
    with database.session() as session:
        project_id = add_project(session, **project)
        issue_id = add_issue(session, project_id)
        return Rows(project_id, issue_id, add_run(session, project_id, issue_id))


def item(run_id: int, amount: int, **values: Any) -> dict[str, Any]:
    return {
        "request_id": str(uuid4()),
        "run_id": run_id,
        "amount": amount,
        "vendor": "anthropic",
        "model": "claude-sonnet-4-6",
        "owner": "here",
        "seconds": 60,
        **values,
    }


def reserve(session: Session, *items: dict[str, Any], at: datetime | None = None) -> list[Any]:
    question = "SELECT * FROM ledger_reserve(:items, coalesce(:at, clock_timestamp()))"
    return _call(session, question, items, at)


def settle(session: Session, *items: dict[str, Any], at: datetime | None = None) -> list[Any]:
    question = "SELECT * FROM ledger_settle(:items, coalesce(:at, clock_timestamp()))"
    return _call(session, question, items, at)


def settlement(reserved: dict[str, Any], amount: int | None, **values: Any) -> dict[str, Any]:
    return reserved | {"amount": amount, "basis": "vendor"} | values


def account(session: Session, scope: str, scope_id: int, period: str = "total") -> LedgerAccount:
    found = session.connection().execute(
        text(
            "SELECT id FROM ledger_account WHERE scope = :s AND scope_id = :i AND period = :p"
            " ORDER BY starts_on DESC LIMIT 1"
        ),
        {"s": scope, "i": scope_id, "p": period},
    )
    return session.get_one(LedgerAccount, found.scalar_one(), populate_existing=True)


def request_id(reserved: dict[str, Any]) -> UUID:
    return UUID(reserved["request_id"])


def _call(session: Session, question: str, items: tuple[dict[str, Any], ...], at: Any) -> list[Any]:
    cast = question.replace(":items", "CAST(:items AS jsonb)").replace(
        ":at", "CAST(:at AS timestamptz)"
    )
    return list(session.connection().execute(text(cast), {"items": json.dumps(items), "at": at}))
