"""Live pages: server-sent events that can be resumed.

A stream keeps its own place (a Cursor), sends it as each message's id, and starts again from the
`Last-Event-ID` that a browser gives back. News only wake it; it then reads rows, so a slow reader
slows nobody, and a lost wake-up costs at most one ping's time.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from jinja2 import Environment
from litestar import Request, get
from litestar.params import QueryParameter
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Stream
from sqlmodel import Session

from paid.models import Event, Output
from paid.store import caps, events, pages, steps
from paid.store import runs as run_store
from web.access import Visitor, find_visitor
from web.routes.parameters import AfterEvent, RunId
from web.services import GivenServices, Services
from web.views.activity import items
from web.views.run_page import Cursor, RunPage, chunks, run_page

LEAST_PAUSE_SECONDS = 0.15
"""News within this time are read together: an agent can say a thousand lines a second."""
LISTS_PAUSE_SECONDS = 1.0
STATE_PARTS = ("summary", "timeline", "meters", "facts", "hold")
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
VisitorRequest = Request[Visitor, Any, Any]
After = Annotated[str, QueryParameter(name="after", max_length=60)]


@get("/runs/stream")
async def stream_runs(
    request: VisitorRequest, services: GivenServices, after: AfterEvent = 0
) -> Stream:
    """Says `runs` whenever the list of runs may have changed since the event `after`."""
    return _stream(_list_news(services, request.user, _seen(request, after)))


@get("/runs/{run_id:int}/stream")
async def stream_run(
    request: VisitorRequest, services: GivenServices, run_id: RunId, after: After = "e0.o0"
) -> Stream:
    """The live parts of a run's page, from `Last-Event-ID` or `after` on."""
    cursor = Cursor.read(request.headers.get("last-event-id") or after)
    await services.ask(lambda session: run_store.get(session, run_id))
    engine: JinjaTemplateEngine = request.app.template_engine  # type: ignore[assignment]
    watched = _RunNews(services, engine.engine, request.user, run_id, cursor)
    return _stream(watched.messages())


class _RunNews:
    """What one browser that watches one run has got so far, and what it gets next."""

    def __init__(
        self,
        services: Services,
        templates: Environment,
        visitor: Visitor,
        run_id: int,
        cursor: Cursor,
    ) -> None:
        self._services = services
        self._templates = templates
        self._visitor = visitor
        self._run_id = run_id
        self._cursor = cursor
        self._sent: dict[str, str] = {}

    async def messages(self) -> AsyncIterator[bytes]:
        """The stream's bytes until the run has ended, the person signed out, or Paid stops."""
        with self._services.live.watch(self._run_id) as watcher:
            yield _comment("listening")
            while not watcher.closing:
                events, output, page = await self._services.ask(self._read)
                for message in self._render(events, output, page):
                    yield message
                if page.detail.run.ended and not events and not output:
                    yield _message("ended", "", str(self._cursor))
                    return
                if events or output:
                    await watcher.rest(LEAST_PAUSE_SECONDS)
                elif not await watcher.wait(self._services.ping_seconds):
                    yield _comment("ping")
                    if not await _still_signed_in(self._services, self._visitor):
                        return

    def _read(self, session: Session) -> tuple[list[Event], list[Output], RunPage]:
        happened = events.of_run(session, self._run_id, self._cursor.seq, limit=200)
        output = steps.output_after(session, self._run_id, self._cursor.output_id, limit=50)
        detail = pages.run(session, self._run_id)
        cap = caps.waiting(session, detail.run, detail.hold)
        return happened, output, run_page(detail, cap, self._services.settings)

    def _render(
        self, events: Sequence[Event], output: Sequence[Output], page: RunPage
    ) -> list[bytes]:
        messages = []
        if events:
            self._cursor = Cursor(events[-1].seq or 0, self._cursor.output_id)
            shown = self._html("activity", items=items(events))
            messages.append(_message("activity", shown, str(self._cursor)))
        if output:
            self._cursor = Cursor(self._cursor.seq, output[-1].id or 0)
            shown = self._html("output", chunks=chunks(output))
            messages.append(_message("output", shown, str(self._cursor)))
        for part in STATE_PARTS:
            shown = self._html(part, view=page)
            if self._sent.get(part) != shown:
                self._sent[part] = shown
                messages.append(_message(part, shown, str(self._cursor)))
        return messages

    def _html(self, part: str, **context: Any) -> str:
        template = self._templates.get_template(f"runs/_{part}.html")
        return template.render(visitor=self._visitor, **context)


def _seen(request: VisitorRequest, after: int) -> int:
    """The newest event that the browser knows of: of its last message, or else of its page."""
    last = request.headers.get("last-event-id", "")
    return int(last) if re.fullmatch(r"[0-9]{1,18}", last) else after


async def _list_news(services: Services, visitor: Visitor, seen: int) -> AsyncIterator[bytes]:
    # Watching comes before looking: no change falls between the page and its stream.
    with services.live.watch(None) as watcher:
        yield _comment("listening")
        if await services.ask(events.last_id) > seen:
            watcher.wake()
        while not watcher.closing:
            if await watcher.wait(services.ping_seconds):
                newest = await services.ask(events.last_id)
                yield _message("runs", "changed", str(newest))
                await watcher.rest(LISTS_PAUSE_SECONDS)
                continue
            yield _comment("ping")
            if not await _still_signed_in(services, visitor):
                return


async def _still_signed_in(services: Services, visitor: Visitor) -> bool:
    return await find_visitor(services.database, visitor.cookie) is not None


def _stream(messages: AsyncIterator[bytes]) -> Stream:
    return Stream(messages, media_type="text/event-stream", headers=_HEADERS)


def _message(event: str, data: str, message_id: str) -> bytes:
    """One message. Line ends in `data` cannot begin a field of their own."""
    lines = data.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    body = "".join(f"data: {line}\n" for line in lines)
    return f"event: {event}\nid: {message_id}\n{body}\n".encode("utf-8", "replace")


def _comment(text: str) -> bytes:
    return f": {text}\n\n".encode()


ROUTES = [stream_runs, stream_run]
