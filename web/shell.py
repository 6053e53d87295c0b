"""What holds for every answer: the Host check, the security headers, and one log record.

This wraps the application from outside, because Litestar's own middleware does not see requests
that match no route.
"""

from __future__ import annotations

import time

import structlog
from litestar.datastructures import MutableScopeHeaders
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from web.addresses import Addresses

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # Pico's form icons are data URLs in its stylesheet
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    # Not `no-referrer`: with that, browsers send `Origin: null` and the Origin check fails.
    "referrer-policy": "same-origin",
}
_WRONG_NAME = b"This dashboard does not answer under that name. Set PAID_WEB_URL to its address.\n"
_NO_ADDRESS = b"That is not an address. Go back, and follow a link or type it again.\n"
_QUIET_PATHS = ("/static/", "/health", "/metrics")

log = structlog.get_logger("web.request")


class Shell:
    """The outermost layer."""

    def __init__(self, inner: ASGIApp, addresses: Addresses) -> None:
        self._inner = inner
        self._addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind: str = scope["type"]  # Litestar's Scope leaves the lifespan out
        if kind == "lifespan":
            await self._inner(scope, receive, send)
        elif kind == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": None})
        elif _host(scope) not in self._addresses.hosts:
            await _refuse(send, _WRONG_NAME)
        elif "\0" in scope["path"]:
            await _refuse(send, _NO_ADDRESS)  # no file system call would take it
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._decorate(scope, message)
            await send(message)

        try:
            await self._inner(scope, receive, sending)
        finally:
            _record(scope, status, time.monotonic() - started)

    def _decorate(self, scope: Scope, message: Message) -> None:
        headers = MutableScopeHeaders.from_message(message)
        for name, value in SECURITY_HEADERS.items():
            headers[name] = value
        if self._addresses.secure:
            headers["strict-transport-security"] = "max-age=31536000"
        if scope["path"].startswith("/static/"):
            headers["cache-control"] = "no-cache"
        else:
            headers.setdefault("cache-control", "no-store")


def _host(scope: Scope) -> str | None:
    """The one Host header; None when it is missing or there are several."""
    found = [value for name, value in scope["headers"] if name == b"host"]
    return found[0].decode("latin-1").lower() if len(found) == 1 else None


async def _refuse(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    headers += [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _record(scope: Scope, status: int, seconds: float) -> None:
    quiet = scope["path"].startswith(_QUIET_PATHS) and status < 400
    client = scope["client"]
    # Never the query string: a login link's token is in it.
    (log.debug if quiet else log.info)(
        "request",
        method=scope.get("method"),
        path=scope["path"],
        status=status,
        milliseconds=round(seconds * 1000, 1),
        client=client[0] if client else None,
    )
