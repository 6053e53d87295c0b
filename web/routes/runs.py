"""The list of runs, one run, and the three things that a person does to a run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.background_tasks import BackgroundTask
from litestar.enums import MediaType, RequestEncodingType
from litestar.params import Body, QueryParameter
from litestar.response import Redirect, Stream, Template
from sqlmodel import Session

from paid.errors import BadInputError
from paid.store import caps, events, holds, kept, pages, projects, run_list, steps
from paid.store import runs as run_store
from paid.store.run_list import RunFilter, RunGroup
from web.access import Visitor
from web.plain_text import plain
from web.routes.parameters import Before, ChosenProject, PageNumber, RunId, SearchText
from web.services import GivenServices, Services
from web.views.budget_raise import BudgetRaise
from web.views.forms import Refusal
from web.views.run_list import ListPage, list_page
from web.views.run_page import RunPage, run_page

VisitorRequest = Request[Visitor, Any, Any]
LONGEST_REASON = 500
Group = Annotated[RunGroup, QueryParameter(name="group")]


@dataclass(frozen=True)
class CancelForm:
    """The cancel button; `reason` is optional."""

    csrf_token: str = ""
    reason: str = ""


@dataclass(frozen=True)
class RaiseForm:
    """A new limit in dollars for the cap that a run waits for; no hours means for good."""

    csrf_token: str = ""
    dollars: str = ""
    hours: str = ""


@dataclass(frozen=True)
class ReleaseForm:
    """The button that lets go what was taken for secrets; `reason` is needed."""

    csrf_token: str = ""
    reason: str = ""


@get("/", status_code=303)
async def start() -> Redirect:
    """The front page is the list of runs."""
    return Redirect("/runs", status_code=303)


@get("/runs")
async def list_runs(
    request: VisitorRequest,
    services: GivenServices,
    group: Group = RunGroup.ALL,
    project: ChosenProject = 0,
    q: SearchText = "",
    page: PageNumber = 1,
) -> Template:
    """Runs, filtered and paged; htmx gets the list alone."""
    wanted = RunFilter(group, project or None, events.storable(q).strip(), page)

    def question(session: Session) -> ListPage:
        # Before the list is read: what comes in between is told of by the stream.
        cursor = events.last_id(session)
        return list_page(
            cursor,
            run_list.page(session, wanted),
            run_list.figures(session, wanted.project_id),
            projects.listing(session, include_removed=True),
            wanted,
        )

    view = await services.ask(question)
    return Template(
        "runs/_list.html" if _wants_fragment(request) else "runs/index.html",
        context={"view": view, "visitor": request.user},
    )


@get("/runs/{run_id:int}")
async def show_run(
    request: VisitorRequest, services: GivenServices, run_id: RunId, before: Before = 0
) -> Template:
    """One run, as it is now; the page then listens for what changes.

    `before` shows what happened before a place in its chain instead, and listens for nothing.
    """
    view = await services.ask(lambda session: _page(session, services, run_id, before or None))
    return Template("runs/show.html", context={"view": view, "visitor": request.user})


@get("/runs/{run_id:int}/output.txt", media_type=MediaType.TEXT)
async def download_output(services: GivenServices, run_id: RunId) -> Stream:
    """Everything that the run's containers printed, as plain text."""
    await services.ask(lambda session: run_store.get(session, run_id))
    return Stream(
        _whole_output(services, run_id),
        media_type="text/plain; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="run-{run_id}.txt"'},
    )


@post("/runs/{run_id:int}/cancel", status_code=303)
async def cancel_run(
    request: VisitorRequest,
    services: GivenServices,
    run_id: RunId,
    data: Annotated[CancelForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    """Record that the run shall end, answer, then tell Temporal."""
    by = f"{request.user.login} (dashboard)"
    run = await services.ask(
        lambda session: run_store.request_cancel(session, run_id, by, data.reason[:LONGEST_REASON])
    )
    told = BackgroundTask(services.temporal.run_cancelled, run.workflow_id)
    if request.headers.get("hx-target", "").startswith("run-row-"):
        row = await services.ask(lambda session: run_list.row(session, run_id))
        context = {"row": row, "visitor": request.user}
        return Template("runs/_row.html", context=context, status_code=200, background=told)
    return Redirect(f"/runs/{run_id}", status_code=303, background=told)


@post("/runs/{run_id:int}/raise-budget", status_code=303)
async def raise_run_budget(
    request: VisitorRequest,
    services: GivenServices,
    run_id: RunId,
    data: Annotated[RaiseForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect | Template:
    """Raise the cap that the run waits for, and let it look again."""

    def change(session: Session) -> list[str]:
        wanted = BudgetRaise.read(data.dollars, data.hours)
        run = run_store.get(session, run_id)
        caps.raise_for(session, run, wanted.cents, wanted.duration, by=request.user.login)
        return [*holds.waiting_workflows(session), run.workflow_id]

    try:
        waiting = await services.ask(change)
    except BadInputError as error:
        return await _refused(request, services, run_id, error, "raise")
    told = BackgroundTask(services.temporal.budgets_changed, waiting)
    return Redirect(f"/runs/{run_id}", status_code=303, background=told)


@post("/runs/{run_id:int}/release", status_code=303)
async def release_run(
    request: VisitorRequest,
    services: GivenServices,
    run_id: RunId,
    data: Annotated[ReleaseForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect | Template:
    """Let go what the run's refusal named, on record, and publish what was kept of the run."""
    by = f"{request.user.login} (dashboard)"
    try:
        run = await services.ask(lambda session: kept.release(session, run_id, by, data.reason))
    except BadInputError as error:
        return await _refused(request, services, run_id, error, "release")
    told = BackgroundTask(services.temporal.run_opened, run) if run.publishes_only else None
    return Redirect(f"/runs/{run_id}", status_code=303, background=told)


async def _refused(
    request: VisitorRequest, services: Services, run_id: int, error: BadInputError, form: str
) -> Template:
    """The page with the form as it was sent. Raises the error when the page has no such form."""
    refusal = Refusal.of(form, error, await request.form())
    view = await services.ask(lambda session: _page(session, services, run_id, refusal=refusal))
    if not view.shows(form):
        raise error
    context = {"view": view, "visitor": request.user}
    return Template("runs/show.html", context=context, status_code=400)


def _page(
    session: Session,
    services: Services,
    run_id: int,
    before: int | None = None,
    refusal: Refusal | None = None,
) -> RunPage:
    detail = pages.run(session, run_id)
    return run_page(
        detail,
        caps.waiting(session, detail.run, detail.hold),
        services.settings,
        pages.last_events(session, run_id, before=before),
        pages.last_output(session, run_id),
        before,
        refusal,
    )


async def _whole_output(services: Services, run_id: int) -> AsyncIterator[bytes]:
    after = 0
    while batches := await services.ask(
        lambda session, after=after: steps.output_after(session, run_id, after)  # type: ignore[misc]
    ):
        yield "".join(plain(batch.text) + "\n" for batch in batches).encode()
        after = batches[-1].id or after


def _wants_fragment(request: VisitorRequest) -> bool:
    headers = request.headers
    return headers.get("hx-request") == "true" and "hx-history-restore-request" not in headers


ROUTES = [
    start, list_runs, show_run, download_output, cancel_run, raise_run_budget, release_run,
]  # fmt: skip
