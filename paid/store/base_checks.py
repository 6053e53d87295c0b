"""How checks end on an untouched base: asked once for each base, check and environment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from paid.models import BaseCheck, Policy
from paid.store import clock, events


def key(argv: Sequence[str], policy: Policy, image: str) -> str:
    """Names a check in its environment: what may change how it ends on the same commit."""
    surroundings = [policy.cpus, policy.memory_mib, policy.pids, policy.check_timeout_seconds]
    told = [list(argv), image, policy.egress_hosts, surroundings]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def known(
    session: Session, project_id: int, base_sha: str, keys: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The reports that are there, by key."""
    question = select(BaseCheck).where(
        BaseCheck.project_id == project_id,
        BaseCheck.base_sha == base_sha,
        col(BaseCheck.key).in_(keys),
    )
    return {row.key: row.report for row in session.exec(question)}


def keep(
    session: Session, project_id: int, base_sha: str, reports: Mapping[str, Mapping[str, Any]]
) -> None:
    """Remember reports by key; a newer one takes the place of one that is there."""
    for name, report in reports.items():
        stored = events.without_nul(dict(report))
        row = insert(BaseCheck).values(
            project_id=project_id, base_sha=base_sha, key=name, report=stored, at=clock.NOW
        )
        session.connection().execute(
            row.on_conflict_do_update(
                constraint="base_check_once", set_={"report": stored, "at": clock.NOW}
            )
        )
