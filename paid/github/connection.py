"""The only importer of PyGithub: its requests, made conditional, bounded and without waits.

PyGithub signs, keeps connections and builds addresses. Its objects are not used, because a list
asked through them cannot be conditional; its retries and its sleeps are off, because Temporal owns
both (house style, rule 9).
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from github import Auth, Github

from paid.errors import (
    GitHubError,
    GitHubNotFoundError,
    GitHubRateLimitedError,
    GitHubUnavailableError,
)
from paid.github.addresses import is_elsewhere, moved_to, next_page
from paid.github.answers import Answer, graphql_error, nonsense, read_answer, server_time
from paid.github.etags import EtagCache, Kept

TIMEOUT_SECONDS = 30
EXPIRATION_HEADER = "github-authentication-token-expiration"
"""A header of every answer to a token that will expire."""
PAGE_SIZE = 100
MOST_PAGES = 200
MOST_REDIRECTS = 3
_MESSAGE_CHARS = 300
_TLS = """Is it the server's certificate? Put its authority's into the system's store, which git
reads, and name the store's file in REQUESTS_CA_BUNDLE.""".replace("\n", " ")

_AWAY = "Check this machine's network, and the project's API address."

# PyGithub prints on its own what it follows and waits for, between our output and JSON log lines
_ITS_LOGGER = logging.getLogger("github")
_ITS_LOGGER.handlers.clear()
_ITS_LOGGER.setLevel(logging.WARNING)

Parameters = Mapping[str, str | int]
_Raw = tuple[int, dict[str, Any], str]


class Connection:
    """Requests to one GitHub server with one token; may be shared by threads.

    Args:
        token: sent with every request, never shown in an error.
        api_url: `https://api.github.com`, or a server's own, such as `https://HOST/api/v3`.
        timeout_seconds: for each read of an answer.
    """

    def __init__(self, token: str, api_url: str, timeout_seconds: int = TIMEOUT_SECONDS) -> None:
        self._token = token
        self._api_url = api_url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._idle: queue.LifoQueue[Github] = queue.LifoQueue()
        self._cache = EtagCache()
        self._limited_until = 0.0
        self._told: tuple[datetime, float] | None = None
        self.token_expires: str | None = None
        """What the server's last answers said of the token's end, as it was written."""

    def get(self, path: str, parameters: Parameters | None = None) -> Answer:
        """Ask, conditionally when this was asked before."""
        key = f"{path}?{sorted((parameters or {}).items())}"
        kept = self._cache.get(key)
        condition = {"If-None-Match": kept.etag} if kept else {}
        status, headers, body = self._send("GET", path, parameters, condition, None)
        if status == 304 and kept is not None:
            # what else the answer says is of now: a page that is as it was may have a next one
            return read_answer(304, {**kept.headers, **headers}, kept.body)
        answer = self._read(status, headers, body)
        if headers.get("etag"):
            self._cache.put(key, Kept(headers["etag"], body, headers))
        return answer

    def pages(self, path: str, parameters: Parameters | None = None) -> Iterator[Any]:
        """Every item of a list, page by page; each page is conditional on its own."""
        wanted: Parameters = {**(parameters or {}), "per_page": PAGE_SIZE}
        address, asked, seen = path, wanted, set[str]()
        for number in range(1, MOST_PAGES + 1):
            answer = self.get(address, asked)
            if not isinstance(answer.data, list):
                raise nonsense("a list was expected")
            yield from answer.data
            following = next_page(answer.headers.get("link", ""), self._api_url)
            if following is not None and following in seen:
                raise nonsense("the pages of a list lead in a circle")
            if following is not None:
                seen.add(following)
                address, asked = following, {}
            elif _may_go_on(answer):
                address, asked = path, {**wanted, "page": number + 1}
            else:
                return
        raise GitHubError(f"The list at {path} is longer than {MOST_PAGES * PAGE_SIZE} items.")

    def write(
        self,
        verb: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        may_follow: Callable[[], bool] = lambda: True,
    ) -> Answer:
        """POST, PATCH, PUT or DELETE with a JSON body; `may_follow` is asked at a redirect."""
        return self._read(*self._send(verb, path, None, {}, body, may_follow))

    def graphql(self, query: str, variables: Mapping[str, Any]) -> Any:
        """The `data` of a GraphQL answer; a GitHubError where nothing speaks GraphQL."""
        with self._github() as github:
            url = github.requester.graphql_url
        asked = {"query": query, "variables": dict(variables)}
        status, headers, body = self._send("POST", url, None, {}, asked)
        if status in (404, 405, 501):
            raise GitHubError("This server speaks no GraphQL.")
        data = self._read(status, headers, body).data
        told = data.get("data") if isinstance(data, dict) else None
        error = graphql_error(headers, data)
        # beside a part of the answer, too, GitHub says that it ran out of time for the rest
        if isinstance(told, dict) and not (data.get("errors") and error.retryable):
            return told
        raise error

    def now(self) -> datetime:
        """What the server's clock says, going by its last answer; before that, our own clock's."""
        if self._told is None:
            return datetime.now(UTC)
        moment, at = self._told
        return moment + timedelta(seconds=time.monotonic() - at)

    def close(self) -> None:
        """Close the connections that are idle; the object may be used again."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    def _read(self, status: int, headers: dict[str, Any], body: str) -> Answer:
        try:
            return read_answer(status, headers, body)
        except GitHubRateLimitedError as error:
            self._limited_until = time.monotonic() + error.retry_after_seconds
            raise

    def _send(
        self,
        verb: str,
        path: str,
        parameters: Parameters | None,
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None,
        may_follow: Callable[[], bool] = lambda: True,
    ) -> _Raw:
        """Ask, and ask where the answer says: PyGithub follows 301 alone, and loses its query."""
        for _ in range(MOST_REDIRECTS + 1):
            answered = self._ask(verb, path, parameters, headers, body)
            if not is_elsewhere(answered[0], verb):
                return answered
            path, parameters = moved_to(answered[1].get("location"), self._api_url), None
            if not may_follow():
                raise GitHubNotFoundError("It is in another repository now; nothing was written.")
        raise GitHubError(f"GitHub redirected more than {MOST_REDIRECTS} times.")

    def _ask(
        self,
        verb: str,
        path: str,
        parameters: Parameters | None,
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None,
    ) -> _Raw:
        self._refuse_while_limited()
        asked = {"Accept": "application/vnd.github+json", **headers}
        try:
            with self._github() as github:
                answered = github.requester.requestJson(
                    verb, path, dict(parameters or {}), asked, body
                )
        except requests.exceptions.Timeout:
            message = f"GitHub did not answer within {self._timeout_seconds} s."
            raise GitHubUnavailableError(message) from None
        except requests.exceptions.RequestException as error:
            where = urlsplit(self._api_url).netloc.rpartition("@")[2]
            message = f"GitHub cannot be reached at {where} ({type(error).__name__})."
            is_tls = isinstance(error, requests.exceptions.SSLError)
            raise GitHubUnavailableError(message, hint=_TLS if is_tls else _AWAY) from None
        except (RuntimeError, AssertionError, ValueError) as error:
            # PyGithub raises these for redirects to elsewhere and addresses that it cannot read
            raise GitHubError(
                f"GitHub answered in an unexpected way: {str(error)[:_MESSAGE_CHARS]}",
                hint="Check the project's API address.",
            ) from None
        moment = server_time(answered[1])
        if moment is not None:
            self._told = moment, time.monotonic()
        self.token_expires = answered[1].get(EXPIRATION_HEADER, self.token_expires)
        return answered

    @contextmanager
    def _github(self) -> Iterator[Github]:
        """One that nobody else uses now: PyGithub keeps the request in flight on the object."""
        try:
            github = self._idle.get_nowait()
        except queue.Empty:
            github = self._make()
        try:
            yield github
        finally:
            self._idle.put(github)

    def _make(self) -> Github:
        parts = urlsplit(self._api_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not self._token:
            raise GitHubError(
                "The token or the API address is empty or malformed.",
                hint="An address looks like https://HOST/api/v3.",
            )
        return Github(
            base_url=self._api_url,
            auth=Auth.Token(self._token),
            timeout=self._timeout_seconds,
            per_page=PAGE_SIZE,
            user_agent="paid",
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
            lazy=True,
        )

    def _refuse_while_limited(self) -> None:
        left = self._limited_until - time.monotonic()
        if left > 0:
            raise GitHubRateLimitedError(
                "GitHub's rate limit still holds; nothing was asked.", retry_after_seconds=left
            )


def _may_go_on(answer: Answer) -> bool:
    """Whether a list may have grown behind a full page that is as it was.

    An ETag is of the page, and a server that answers 304 need not say that there is a next one.
    """
    return answer.status == 304 and len(answer.data) >= PAGE_SIZE
