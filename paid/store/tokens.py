"""Run tokens: the only secret that enters a container, good at the gateway and nowhere else."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy import text
from sqlmodel import Session

from paid.models import RunToken

PREFIX = "paid_run_"
"""Lets secret scanners, and people, tell what a leaked one is."""


def issue(session: Session, run_id: int) -> str:
    """A new token for a run. It is returned once and never stored; its hash is."""
    token = PREFIX + secrets.token_urlsafe(32)
    session.add(RunToken(run_id=run_id, token_hash=digest(token)))
    session.flush()
    return token


def revoke(session: Session, run_id: int) -> int:
    """End all tokens of a run, and at the commit its open streams; returns how many there were.

    A run that ends or is to be cancelled loses its tokens by a trigger, in the same transaction.
    """
    found = session.connection().execute(text("SELECT run_token_revoke(:run)"), {"run": run_id})
    return int(found.scalar_one())


def digest(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).digest()
