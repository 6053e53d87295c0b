"""Who is speaking: run tokens, and the news that one of them has died."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl

import psycopg

from paid.errors import DatabaseError
from paid.gateway.batching import Batches
from paid.gateway.lines import Line, persistently

log = logging.getLogger(__name__)

REMEMBERED_SECONDS = 1.0
"""A revocation is heard of at once; where the news is lost, this is how late it can be."""
MOST_REMEMBERED = 4096
LONGEST_TOKEN = 200
RECONNECT_SECONDS = 1.0
_HEADERS = ("authorization", "x-api-key", "x-goog-api-key")


@dataclass(frozen=True)
class Grant:
    """What the bearer of a token may do. `egress_hosts` of None means the registries."""

    run_id: int
    project_id: int
    token_hash: bytes
    allowed_models: tuple[str, ...] = ()
    fallback_models: tuple[str, ...] = ()
    egress_hosts: tuple[str, ...] | None = None

    def allows(self, vendor: str, model: str) -> bool:
        """Whether the project lets this model be used: every one, if it names none."""
        names = (model, f"{vendor}/{model}")
        return not self.allowed_models or any(
            fnmatchcase(name, pattern) for name in names for pattern in self.allowed_models
        )


@dataclass(frozen=True)
class _Work:
    """What is done under a token, and how it is cut."""

    digest: bytes
    cut: Callable[[], object]


def token_of(headers: Mapping[str, str], target: str = "") -> str | None:
    """The token that a model client sent, in whichever header its vendor uses.

    Many clients of Gemini put it into the address, as `key`.
    """
    for name in _HEADERS:
        value = headers.get(name)
        if value:
            scheme, _, rest = value.partition(" ")
            return rest.strip() if scheme.lower() == "bearer" else value.strip()
    return dict(parse_qsl(target.partition("?")[2])).get("key")


class Access:
    """Looks tokens up, remembers them for a moment, and cuts what a dead one still does."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._line = Line(url)
        self._look_up = Batches(self._look_up_many)
        self._remembered: OrderedDict[bytes, tuple[float, Grant | None]] = OrderedDict()
        self._heard = 0
        self._busy: dict[int, dict[asyncio.Task[Any], _Work]] = {}
        self._news: dict[int, asyncio.Event] = {}
        self._when_dead: list[Callable[[int | None], None]] = []
        self._when_capped: list[Callable[[], None]] = []
        self.hears = False
        """Whether a revocation is heard of at once now."""

    def when_dead(self, tell: Callable[[int | None], None]) -> None:
        """Tell of each run whose token died, and with None that any could have died unheard."""
        self._when_dead.append(tell)

    def when_capped(self, tell: Callable[[], None]) -> None:
        """Tell that a limit of money was changed."""
        self._when_capped.append(tell)

    async def grant(self, token: str | None) -> Grant | None:
        """What a token is good for; None for a wrong, foreign or dead one.

        Raises DatabaseError.
        """
        if not token or len(token) > LONGEST_TOKEN:
            return None
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        known = self._remembered.get(digest)
        if known is not None and known[0] > monotonic():
            return known[1]
        heard = self._heard
        found = await self._look_up.submit(digest)
        if heard != self._heard:
            return found  # it may have died since it was looked up: who asks again looks again
        self._remembered[digest] = (monotonic() + REMEMBERED_SECONDS, found)
        while len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return found

    @contextlib.contextmanager
    def working(self, grant: Grant, cut: Callable[[], object] | None = None) -> Any:
        """Mark the present task as work under a token, to be cut when that is revoked.

        Without `cut` the task is cancelled. What was revoked just before this is not heard of any
        more: see `grant`.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - only requests come here
        tasks = self._busy.setdefault(grant.run_id, {})
        tasks[task] = _Work(grant.token_hash, cut or task.cancel)
        try:
            yield
        finally:
            del tasks[task]
            if not tasks:
                self._busy.pop(grant.run_id, None)

    async def wait_for_news(self, run_id: int, seconds: float) -> None:
        """Until something about a run's hold changed, or the time is over."""
        event = self._news.setdefault(run_id, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)

    async def close(self) -> None:
        """Close its connection."""
        await self._line.close()

    async def listen(self) -> None:
        """Hear of revoked tokens, changed holds and limits; reconnects; runs until cancelled."""
        while True:
            try:
                async for channel, run_id in self._notices():
                    self._hear(channel, run_id)
            except (psycopg.Error, DatabaseError) as error:
                log.warning("the gateway hears no news: %s", error)
            self.hears = False
            self._forget()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _notices(self) -> AsyncIterator[tuple[str, int]]:
        connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        async with connection:
            await connection.execute("LISTEN paid_run_token")
            await connection.execute("LISTEN paid_hold")
            await connection.execute("LISTEN paid_budget")
            self._forget()
            await self._cut_what_died_unheard()
            self.hears = True
            async for notice in connection.notifies():
                if notice.payload.isdigit():
                    yield notice.channel, int(notice.payload)

    def _forget(self) -> None:
        self._heard += 1
        self._remembered.clear()
        self._tell(None)

    def _tell(self, run_id: int | None) -> None:
        for tell in self._when_dead:
            tell(run_id)

    async def _cut_what_died_unheard(self) -> None:
        """Cut the work under tokens that were revoked while nobody listened."""
        working = list({work.digest for tasks in self._busy.values() for work in tasks.values()})
        grants = await asyncio.gather(*map(self._look_up.submit, working))
        dead = {digest for digest, grant in zip(working, grants, strict=True) if grant is None}
        for tasks in self._busy.values():
            for work in list(tasks.values()):
                if work.digest in dead:
                    work.cut()

    def _hear(self, channel: str, run_id: int) -> None:
        if channel == "paid_hold":
            event = self._news.pop(run_id, None)
            if event is not None:
                event.set()
            return
        if channel == "paid_budget":
            for tell in self._when_capped:
                tell()
            return
        self._heard += 1
        for digest, (_, grant) in list(self._remembered.items()):
            if grant is not None and grant.run_id == run_id:
                del self._remembered[digest]
        self._tell(run_id)
        for work in list(self._busy.get(run_id, {}).values()):
            work.cut()

    async def _look_up_many(self, digests: Sequence[bytes]) -> list[Grant | None]:
        """One question for all that ask now; many requests of a run come with the same token."""
        question = (
            "SELECT h.digest, g.* FROM unnest(%s::bytea[]) AS h(digest)"
            " CROSS JOIN LATERAL run_token_grant(h.digest) AS g"
        )
        rows = await persistently(lambda: self._line.rows(question, (list(set(digests)),)))
        found = {bytes(row["digest"]): _grant(row) for row in rows}
        return [found.get(digest) for digest in digests]


def _grant(row: Mapping[str, Any]) -> Grant:
    hosts = row["egress_hosts"]
    return Grant(
        row["run_id"],
        row["project_id"],
        bytes(row["digest"]),
        tuple(row["allowed_models"]),
        tuple(row["fallback_models"]),
        None if hosts is None else tuple(hosts),
    )
