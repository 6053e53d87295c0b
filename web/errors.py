"""Every error becomes an answer that says what to do: a page for people, JSON for programs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import structlog
from litestar import Request, Response
from litestar.enums import MediaType
from litestar.exceptions import HTTPException, NotAuthorizedException, ValidationException
from litestar.response import Redirect, Template
from litestar.types import ExceptionHandlersMap

from paid.errors import BadInputError, CredentialError, DatabaseError, NotFoundError, PaidError

log = structlog.get_logger("web.error")

_STATUS = {
    BadInputError: 400,
    NotFoundError: 404,
    CredentialError: 409,
    DatabaseError: 503,
}
_HINTS = {
    400: "Check what you typed, or go back and try again.",
    401: "Sign in with a new link: run `paid login-link` where Paid runs.",
    403: "Load the page again and repeat the change.",
    404: "It may have been removed, or the address has a slip in it.",
    405: "Use the buttons and forms of the pages.",
    413: "Send less at once.",
    429: "Wait a moment, then try again.",
    500: "Look up the reference in the dashboard's log.",
    503: "Try again in a moment. `paid doctor` says what is not running.",
}
AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True)
class Trouble:
    """What went wrong, for people."""

    status: int
    title: str
    message: str
    hint: str
    reference: str = ""


def http_error(request: AnyRequest, error: HTTPException) -> Response[Any]:
    """Litestar's own errors: no such page, bad parameters, not signed in, …"""
    if isinstance(error, NotAuthorizedException) and _is_a_visit(request):
        return Redirect("/login", status_code=303)
    if error.status_code >= 500:
        log.error("http_error", path=request.url.path, status=error.status_code, exc_info=error)
    return _answer(request, _trouble(error.status_code, _detail(error)), _kept(error))


def paid_error(request: AnyRequest, error: PaidError) -> Response[Any]:
    """What Paid foresaw."""
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    if status >= 500:
        log.error("paid_error", path=request.url.path, code=error.code, error=error.message)
    return _answer(request, _trouble(status, error.message, hint=error.hint))


def no_such_file(request: AnyRequest, _: HTTPException) -> Response[Any]:
    """A name that the file system itself refuses: too long, or odd (Litestar makes it a 500)."""
    return _answer(request, _trouble(404, "There is nothing at this address."))


def unexpected_error(request: AnyRequest, error: Exception) -> Response[Any]:
    """What nobody foresaw: logged whole under a reference, shown without its details."""
    reference = secrets.token_hex(4)
    log.error("unexpected_error", path=request.url.path, reference=reference, exc_info=error)
    message = "Something went wrong that should not have."
    return _answer(request, _trouble(500, message, reference=reference))


HANDLERS = cast(
    ExceptionHandlersMap,
    {HTTPException: http_error, PaidError: paid_error, Exception: unexpected_error},
)


def _trouble(status: int, message: str, *, hint: str | None = None, reference: str = "") -> Trouble:
    title = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
    return Trouble(status, title, message, hint or _HINTS.get(status, ""), reference)


def _detail(error: HTTPException) -> str:
    if isinstance(error, ValidationException):
        return _invalid(error)
    if error.status_code == 404:
        return "There is nothing at this address."
    if error.status_code >= 500:
        return "Something went wrong that should not have."
    return error.detail or HTTPStatus(error.status_code).phrase


def _invalid(error: ValidationException) -> str:
    """Names the fields; the values that were sent are not repeated."""
    extra = error.extra if isinstance(error.extra, list) else []
    keys = [str(item["key"]) for item in extra if isinstance(item, dict) and "key" in item]
    named = ", ".join(f"“{key[:40]}”" for key in keys[:5])
    return f"The value of {named} cannot be used." if named else "The request cannot be used."


def _kept(error: HTTPException) -> dict[str, str]:
    headers = error.headers or {}
    return {
        name: value for name, value in headers.items() if name.lower() in ("retry-after", "allow")
    }


def _answer(
    request: AnyRequest, trouble: Trouble, headers: dict[str, str] | None = None
) -> Response[Any]:
    if _wants_json(request):
        body = {"error": trouble.title, "message": trouble.message, "hint": trouble.hint}
        return Response(
            body, status_code=trouble.status, headers=headers, media_type=MediaType.JSON
        )
    template = "parts/notice.html" if _is_htmx(request) else "error.html"
    return Template(
        template,
        context={"trouble": trouble, "visitor": request.scope.get("user")},
        status_code=trouble.status,
        headers=headers,
    )


def _is_htmx(request: AnyRequest) -> bool:
    return request.headers.get("hx-request") == "true"


def _is_a_visit(request: AnyRequest) -> bool:
    """Somebody opened a page; scripts and streams get a plain 401 instead of a detour."""
    return request.method == "GET" and not _is_htmx(request) and not _wants_json(request)


def _wants_json(request: AnyRequest) -> bool:
    accepted = request.headers.get("accept", "*/*")
    is_machine = request.url.path.startswith("/webhooks/") or "text/event-stream" in accepted
    return is_machine or ("application/json" in accepted and "text/html" not in accepted)
