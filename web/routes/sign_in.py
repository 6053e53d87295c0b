"""Signing in with a one-time link, and out again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.exceptions import TooManyRequestsException
from litestar.params import Body, QueryParameter
from litestar.response import Redirect, Template

from paid.errors import BadInputError
from paid.store import sessions
from web.access import Visitor
from web.addresses import Addresses
from web.services import GivenServices, Services

AnyRequest = Request[Visitor | None, Any, Any]
Token = Annotated[str, QueryParameter(name="token", max_length=sessions.LONGEST_TOKEN)]


@dataclass(frozen=True)
class SignInForm:
    """The button's form: the link's token comes back in the body, not in an address."""

    token: str = ""


@get("/login")
async def show_sign_in(request: AnyRequest, token: Token = "") -> Template:
    """A button for the link's token: opening a link changes nothing, so previews spend none."""
    return Template("sign_in.html", context={"token": token, "visitor": request.user})


@post("/login", status_code=303)
async def sign_in(
    request: AnyRequest,
    services: GivenServices,
    data: Annotated[SignInForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Spend the link, and give the browser a new session; an old one of it ends."""
    _count_attempt(request, services)
    cookies = services.addresses
    before = request.cookies.get(cookies.cookie_name)
    cookie = await services.ask(
        lambda session: sessions.sign_in(session, data.token, replaces=before)
    )
    if cookie is None:
        raise BadInputError(
            "This link was used already, is too old, or is not one of ours.",
            hint="Get a new one: run `paid login-link` where Paid runs.",
        )
    return Redirect("/runs", status_code=303, cookies=[_session_cookie(cookies, cookie)])


@post("/logout", status_code=303)
async def sign_out(request: Request[Visitor, Any, Any], services: GivenServices) -> Redirect:
    """End the session in the database; the cookie is worthless from then on."""
    await services.ask(lambda session: sessions.sign_out(session, request.user.cookie))
    return Redirect("/login", status_code=303, cookies=[_session_cookie(services.addresses, None)])


def _count_attempt(request: AnyRequest, services: Services) -> None:
    address = request.client.host if request.client else "unknown"
    wait_seconds = services.login_attempts.retry_after_seconds(address)
    if wait_seconds:
        raise TooManyRequestsException(
            "Too many attempts to sign in.", headers={"retry-after": str(wait_seconds)}
        )


def _session_cookie(addresses: Addresses, value: str | None) -> Cookie:
    """SameSite=Lax lets links from GitHub arrive signed in; changes need the CSRF token anyway."""
    return Cookie(
        key=addresses.cookie_name,
        value=value or "",
        max_age=int(sessions.SESSION_LIFETIME.total_seconds()) if value else 0,
        path="/",
        httponly=True,
        secure=addresses.secure,
        samesite="lax",
    )


ROUTES = [show_sign_in, sign_in]
