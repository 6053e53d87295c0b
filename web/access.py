"""Who is asking, and whether a change was asked for by our own pages."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotAuthorizedException, PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware.authentication import (
    AbstractAuthenticationMiddleware,
    AuthenticationResult,
)

from paid.store import sessions
from paid.store.database import Database
from web.addresses import Addresses

CSRF_FIELD = "csrf_token"
CSRF_HEADER = "x-csrf-token"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
Connection = ASGIConnection[Any, Any, Any, State]


@dataclass(frozen=True)
class Visitor:
    """A signed-in person; `cookie` is the session's secret and goes nowhere."""

    login: str
    cookie: str

    @property
    def csrf_token(self) -> str:
        """Bound to the session, so that it needs no storage and ends with it."""
        return hmac.new(self.cookie.encode(), b"csrf", hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return f"Visitor({self.login})"


class Authentication(AbstractAuthenticationMiddleware):
    """Sets `request.user` to a Visitor or None; the guards decide what that means."""

    async def authenticate_request(self, connection: Connection) -> AuthenticationResult:
        state = connection.app.state
        cookie = connection.cookies.get(state.addresses.cookie_name)
        visitor = await find_visitor(state.database, cookie) if cookie else None
        return AuthenticationResult(user=visitor, auth=None)


async def find_visitor(database: Database, cookie: str) -> Visitor | None:
    """The person behind a session's cookie, asked anew each time: revoked means revoked now."""

    def ask() -> sessions.SignedIn | None:
        with database.session() as session:
            return sessions.who(session, cookie)

    found = await anyio.to_thread.run_sync(ask)
    return Visitor(found.login, cookie) if found else None


def signed_in(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard: only people with a live session."""
    if connection.user is None:
        raise NotAuthorizedException("Sign in first.")


def own_origin(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard: a change comes from a page of this dashboard, as the browser itself says."""
    if connection.scope.get("method") in _SAFE_METHODS:
        return
    addresses: Addresses = connection.app.state.addresses
    origin = connection.headers.get("origin", "")
    host = connection.headers.get("host", "").lower()
    if origin not in addresses.origins or origin.partition("://")[2] != host:
        raise PermissionDeniedException("The request does not come from this dashboard.")


async def own_form(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard: a change carries the session's CSRF token, as a field or as a header."""
    if connection.scope.get("method") in _SAFE_METHODS:
        return
    _only_fields(connection)
    visitor: Visitor | None = connection.user
    given = connection.headers.get(CSRF_HEADER) or await _csrf_field(connection)
    expected = visitor.csrf_token if visitor else ""
    if not expected or not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
        raise PermissionDeniedException("The form is out of date. Load the page again.")


def _only_fields(connection: Connection) -> None:
    """Forms here have fields only; files and other kinds of bodies are not even read."""
    kind = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("", "application/x-www-form-urlencoded"):
        raise HTTPException("Send a form with fields only.", status_code=415)


async def _csrf_field(connection: Connection) -> str:
    if not isinstance(connection, Request):
        return ""
    form = await connection.form()
    value = form.get(CSRF_FIELD, "")
    return value if isinstance(value, str) else ""
