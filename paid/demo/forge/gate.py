"""What every REST request passes: token, limits, faults, paging, ETags and the log."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from aiohttp import web

from paid.demo.forge import rights
from paid.demo.forge.calls import Answer, Call, Endpoint
from paid.demo.forge.errors import ApiError
from paid.demo.forge.faults import Fault, Switches
from paid.demo.forge.git_store import GitStore
from paid.demo.forge.links import Links
from paid.demo.forge.paging import page_of
from paid.demo.forge.world import Token, World

HOUR_SECONDS = 3600
API_PREFIX = "/api/v3"
GRAPHQL_PREFIX = "/api"
"""As on GitHub Enterprise, where GraphQL stands beside REST."""


@dataclass(frozen=True)
class Logged:
    """One request, as the forge remembers it; `conditional` says that it asked "changed since?"."""

    method: str
    path: str
    status: int
    login: str | None
    conditional: bool = False


@dataclass
class Gate:
    """The shared state of all requests. `limit` is the number a token has an hour."""

    world: World
    git: GitStore
    faults: Switches = field(default_factory=Switches)
    log: list[Logged] = field(default_factory=list)
    etags: bool = True
    limit: int = 5000
    window_ends: float = field(default_factory=lambda: time.time() + HOUR_SECONDS)

    def handler(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Wrap an endpoint; it runs in a thread, with the world's lock held."""

        async def handle(request: web.Request) -> web.StreamResponse:
            login, response = await self._handle(request, endpoint)
            conditional = "if-none-match" in request.headers
            self.log.append(
                Logged(request.method, request.path_qs, response.status, login, conditional)
            )
            return response

        return handle

    async def _handle(
        self, request: web.Request, endpoint: Endpoint
    ) -> tuple[str | None, web.StreamResponse]:
        fault = self.faults.take(request.method, request.path)
        if fault is not None and fault.kind not in ("truncate", "drop_after"):
            return None, await self._spoiled(request, fault)
        token: Token | None = None
        try:
            token = self.token_of(request)
            if token is not None and token.used >= self.limit:
                raise self._used_up(self.window_ends)
            self._follow_rename(request)
            self._follow_transfer(request)
            rights.check(token, request.method, request.path)
            call = await self._call(request, token)
            answer, data = await asyncio.to_thread(self._answer, endpoint, call, request)
            response = self._respond(request, answer, data)
        except ApiError as error:
            response = web.json_response(error.body, status=error.status, headers=error.headers)
        if token is not None and response.status != 304:
            token.used += 1
        self._limit_headers(response, token)
        if fault is not None:
            _spoil_answer(request, response, fault)
        return token.login if token else None, response

    def token_of(self, request: web.Request) -> Token | None:
        """The token in the request, None without one; raises 401 for a wrong or revoked one."""
        given = _secret(request.headers.get("authorization", ""))
        if given is None:
            return None
        token = self.world.tokens.get(given)
        if token is None or token.revoked:
            raise ApiError(401, "Bad credentials")
        return token

    def _follow_rename(self, request: web.Request) -> None:
        """GitHub's answer for the old name of a repository: 301 to reads, 307 to writes."""
        info = request.match_info
        old = f"{info.get('owner')}/{info.get('repo')}"
        new = self.world.renamed.get(old.lower())
        if new is None:
            return
        _redirect(request, request.path_qs.replace(f"/repos/{old}", f"/repos/{new}", 1))

    def _follow_transfer(self, request: web.Request) -> None:
        """The same for an issue that is in another repository now."""
        info = request.match_info
        old, number = f"{info.get('owner')}/{info.get('repo')}", info.get("number", "0")
        moved = self.world.transferred.get((old.lower(), int(number)))
        if moved is not None:
            was, now = f"/repos/{old}/issues/{number}", f"/repos/{moved[0]}/issues/{moved[1]}"
            _redirect(request, request.path_qs.replace(was, now, 1))

    async def _call(self, request: web.Request, token: Token | None) -> Call:
        html = f"{request.scheme}://{request.host}"
        body: Any = {}
        if request.method in ("POST", "PUT", "PATCH") and await request.read():
            try:
                body = await request.json()
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise ApiError(400, "Problems parsing JSON") from error
        if isinstance(body, list):
            body = {"labels": body}  # some endpoints take the bare list
        if not isinstance(body, dict):
            raise ApiError(422, "Invalid request: not an object")
        login = token.login if token else None
        links = Links(html, html + API_PREFIX)
        return Call(
            self.world, self.git, links, login, token, request.match_info, request.query, body
        )

    def _answer(self, endpoint: Endpoint, call: Call, request: web.Request) -> tuple[Answer, Any]:
        with self.world.lock:
            answer = endpoint(call)
            if answer.items is None or answer.render is None:
                return answer, answer.data
            address = f"{request.scheme}://{request.host}{request.path}"
            items, link = page_of(answer.items, call.query, address, cursors=answer.cursors)
            if link:
                answer.headers["link"] = link
            return answer, [answer.render(item) for item in items]

    def _respond(self, request: web.Request, answer: Answer, data: Any) -> web.Response:
        headers = dict(answer.headers)
        if answer.status == 204:
            return web.Response(status=204, headers=headers)
        body = json.dumps(data).encode()
        if self.etags and request.method == "GET":
            etag = f'W/"{hashlib.sha256(body).hexdigest()}"'
            headers["etag"] = etag
            headers["cache-control"] = "private, max-age=60, s-maxage=60"
            if etag in request.headers.get("if-none-match", ""):
                return web.Response(status=304, headers=headers)
        return web.Response(
            body=body, status=answer.status, headers=headers, content_type="application/json"
        )

    def _limit_headers(self, response: web.StreamResponse, token: Token | None) -> None:
        used = min(token.used if token else 0, self.limit)
        response.headers.update(
            {
                "x-ratelimit-limit": str(self.limit),
                "x-ratelimit-remaining": str(self.limit - used),
                "x-ratelimit-used": str(used),
                "x-ratelimit-reset": str(int(self.window_ends)),
                "x-ratelimit-resource": "core",
                "x-github-request-id": "FORGE:0:0:0",
                "x-github-api-version-selected": "2022-11-28",
            }
        )
        response.headers.update(rights.headers(token))

    def _used_up(self, ends: float) -> ApiError:
        headers = {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": "0",
            "x-ratelimit-reset": str(int(ends)),
            "x-ratelimit-resource": "core",
        }
        return ApiError(403, "API rate limit exceeded for user ID 1.", headers=headers)

    async def _spoiled(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.kind in ("timeout", "drop_before"):
            await asyncio.sleep(fault.seconds)
            hang_up(request)
            return web.Response(status=500)
        if fault.kind == "garbage":
            return web.Response(body=b"<html>\xff nonsense", content_type="application/json")
        error = ApiError(fault.status, f"Switched on: {fault.status}")
        if fault.kind == "primary":
            error = self._used_up(time.time() + fault.seconds)
        if fault.kind == "secondary":
            wait = {"retry-after": str(int(fault.seconds))} if fault.seconds else {}
            message = "You have exceeded a secondary rate limit. Please wait a few minutes."
            status = fault.status if fault.status in (403, 429) else 403
            error = ApiError(status, message, headers=wait)
        return web.json_response(error.body, status=error.status, headers=error.headers)


def _secret(authorization: str) -> str | None:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() in ("bearer", "token"):
        return rest.strip()
    if scheme.lower() == "basic":
        with contextlib.suppress(ValueError):
            return base64.b64decode(rest).decode(errors="replace").partition(":")[2]
    return None if not authorization else ""


def _spoil_answer(request: web.Request, response: web.StreamResponse, fault: Fault) -> None:
    if fault.kind == "drop_after":
        hang_up(request)
    elif isinstance(response, web.Response) and isinstance(response.body, bytes):
        response.body = response.body[: len(response.body) // 2]


def _redirect(request: web.Request, to: str) -> NoReturn:
    status = 301 if request.method == "GET" else 307
    location = f"{request.scheme}://{request.host}{to}"
    words = "Moved Permanently" if status == 301 else "Temporary Redirect"
    raise ApiError(status, words, headers={"location": location})


def hang_up(request: web.Request) -> None:
    """Close the connection without a word."""
    if request.transport is not None:
        request.transport.close()
