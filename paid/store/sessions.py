"""One-time login links and the sessions of signed-in browsers.

Only SHA-256 digests are stored: the tokens carry 256 random bits, so there is nothing to guess and
a copy of the database signs nobody in.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, delete, update
from sqlmodel import Session, col, select

from paid.models import LoginLink, WebSession
from paid.store import clock, events
from paid.store.events import NewEvent

LINK_LIFETIME = timedelta(hours=1)
SESSION_LIFETIME = timedelta(days=7)
KEPT_AFTER_END = timedelta(days=30)
"""How long used links and ended sessions stay, for whoever looks into an incident."""
LONGEST_TOKEN = 200


@dataclass(frozen=True)
class SignedIn:
    """Who a session belongs to, and until when it is good."""

    login: str
    expires_at: datetime


def new_login_link(session: Session, lifetime: timedelta = LINK_LIFETIME) -> str:
    """A token for `/login?token=…`, good once; the caller shows it and nobody stores it."""
    _forget_old(session)
    token = secrets.token_urlsafe(32)
    session.add(LoginLink(token_hash=_digest(token), expires_at=clock.now(session) + lifetime))
    return token


def sign_in(session: Session, token: str, *, replaces: str | None = None) -> str | None:
    """Spend a login link and return the new session's cookie; None when the link is no good.

    Of two that race for one link, one wins. `replaces` is the cookie that the browser had, which
    ends: a session never outlives the next sign-in of its browser.
    """
    if not _spend(session, token):
        return None
    if replaces is not None:
        sign_out(session, replaces)
    cookie = secrets.token_urlsafe(32)
    until = clock.now(session) + SESSION_LIFETIME
    session.add(WebSession(token_hash=_digest(cookie), expires_at=until))
    events.append_to_system(session, NewEvent("web.signed_in", {"login": "admin"}))
    return cookie


def who(session: Session, cookie: str) -> SignedIn | None:
    """Whose cookie it is; None when it is unknown, over or revoked."""
    if len(cookie) > LONGEST_TOKEN:
        return None
    row = session.exec(
        select(WebSession).where(
            WebSession.token_hash == _digest(cookie),
            col(WebSession.revoked_at).is_(None),
            WebSession.expires_at > clock.NOW,
        )
    ).first()
    return SignedIn(row.login, row.expires_at) if row else None


def sign_out(session: Session, cookie: str) -> None:
    """Revoke a session at once; a second time does nothing."""
    session.connection().execute(
        update(WebSession)
        .where(col(WebSession.token_hash) == _digest(cookie), col(WebSession.revoked_at).is_(None))
        .values(revoked_at=clock.NOW)
    )


def _spend(session: Session, token: str) -> bool:
    if len(token) > LONGEST_TOKEN:
        return False
    spent: CursorResult[tuple[()]] = session.connection().execute(
        update(LoginLink)
        .where(
            col(LoginLink.token_hash) == _digest(token),
            col(LoginLink.used_at).is_(None),
            col(LoginLink.expires_at) > clock.NOW,
        )
        .values(used_at=clock.NOW)
    )
    return spent.rowcount == 1


def _forget_old(session: Session) -> None:
    long_ago = clock.now(session) - KEPT_AFTER_END
    connection = session.connection()
    connection.execute(delete(LoginLink).where(col(LoginLink.expires_at) < long_ago))
    connection.execute(delete(WebSession).where(col(WebSession.expires_at) < long_ago))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
