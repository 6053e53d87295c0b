"""Projects: all of them, one of them, and its settings as forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.background_tasks import BackgroundTask, BackgroundTasks
from litestar.enums import RequestEncodingType
from litestar.params import Body, QueryParameter
from litestar.response import Redirect, Template
from sqlmodel import Session

from paid.errors import BadInputError
from paid.gateway.first_request import first_request
from paid.models import ProjectState
from paid.settings import Settings
from paid.store import (
    budgets,
    estimates,
    holds,
    ledger,
    pages,
    project_settings,
    projects,
    run_list,
)
from paid.store.run_list import RunFilter
from web.access import Visitor
from web.routes.parameters import ProjectId, SectionName
from web.services import GivenServices, Services
from web.views.forms import Refusal
from web.views.limits import RaiseWindow
from web.views.project_page import (
    SECTIONS,
    ProjectPage,
    bars,
    cards,
    changes_from,
    project_meters,
)

RECENT_RUNS = 8
LONGEST_REASON = 200
VisitorRequest = Request[Visitor, Any, Any]
Saved = Annotated[str, QueryParameter(name="saved", max_length=20)]


@dataclass(frozen=True)
class PauseForm:
    """The pause button; people who look later see the reason."""

    csrf_token: str = ""
    reason: str = ""


@get("/projects")
async def list_projects(request: VisitorRequest, services: GivenServices) -> Template:
    """Every project with its state and today's money."""
    seen = await services.ask(pages.project_cards)
    context = {"cards": cards(seen), "visitor": request.user}
    return Template("projects/index.html", context=context)


@get("/projects/{project_id:int}")
async def show_project(
    request: VisitorRequest, services: GivenServices, project_id: ProjectId, saved: Saved = ""
) -> Template:
    """One project: state, money, recent runs, settings."""
    view = await services.ask(lambda session: _page(session, services.settings, project_id, saved))
    return Template("projects/show.html", context={"view": view, "visitor": request.user})


@post("/projects/{project_id:int}/settings/{section:str}", status_code=303)
async def change_settings(
    request: VisitorRequest, services: GivenServices, project_id: ProjectId, section: SectionName
) -> Redirect | Template:
    """Change one group of settings; a refusal is shown beside its form."""
    form = await request.form()
    by = f"{request.user.login} (dashboard)"

    def change(session: Session) -> list[str]:
        project_settings.change(session, project_id, changes_from(form, section), by=by)
        return holds.waiting_workflows(session, project_id)

    try:
        waiting = await services.ask(change)
    except BadInputError as error:
        return await _refused(request, services, project_id, section, error)
    return _saved(services, project_id, section, waiting)


@post("/projects/{project_id:int}/raise", status_code=303)
async def raise_limit(
    request: VisitorRequest, services: GivenServices, project_id: ProjectId
) -> Redirect | Template:
    """Raise one of the project's limits for some hours; a refusal is shown beside its form."""
    form = await request.form()
    by = f"{request.user.login} (dashboard)"

    def change(session: Session) -> list[str]:
        wanted = RaiseWindow.read(form)
        projects.get(session, project_id, lock=True)
        budgets.raise_window(
            session, project_id, wanted.period, wanted.cents, wanted.duration, by=by
        )
        return holds.waiting_workflows(session, project_id)

    try:
        waiting = await services.ask(change)
    except BadInputError as error:
        return await _refused(request, services, project_id, "raise", error)
    return _saved(services, project_id, "budget", waiting)


@post("/projects/{project_id:int}/pause", status_code=303)
async def pause_project(
    request: VisitorRequest,
    services: GivenServices,
    project_id: ProjectId,
    data: Annotated[PauseForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Start nothing new; runs that are under way go on."""
    by = f"{request.user.login} (dashboard)"
    reason = data.reason.strip()[:LONGEST_REASON] or "Paused from the dashboard."
    await services.ask(lambda session: projects.pause(session, project_id, reason, by=by))
    told = BackgroundTask(services.temporal.project_changed, project_id, "pause")
    return Redirect(f"/projects/{project_id}", status_code=303, background=told)


@post("/projects/{project_id:int}/resume", status_code=303)
async def resume_project(
    request: VisitorRequest, services: GivenServices, project_id: ProjectId
) -> Redirect:
    """Watch the repository again."""
    by = f"{request.user.login} (dashboard)"
    await services.ask(lambda session: projects.resume(session, project_id, by=by))
    told = BackgroundTask(services.temporal.project_changed, project_id, "resume")
    return Redirect(f"/projects/{project_id}", status_code=303, background=told)


async def _refused(
    request: VisitorRequest,
    services: Services,
    project_id: int,
    form: str,
    error: BadInputError,
) -> Template:
    """The page with the form as it was sent. Raises the error where the page has no such form."""
    refusal = Refusal.of(form, error, await request.form())
    view = await services.ask(
        lambda session: _page(session, services.settings, project_id, refusal=refusal)
    )
    if form not in (*SECTIONS, "raise") or view.project.state == ProjectState.REMOVED:
        raise error
    context = {"view": view, "visitor": request.user}
    return Template("projects/show.html", context=context, status_code=400)


def _saved(services: Services, project_id: int, section: str, waiting: list[str]) -> Redirect:
    address = f"/projects/{project_id}?saved={section}#{section}"
    told = [BackgroundTask(services.temporal.budgets_changed, waiting)]
    if "interval_seconds" in SECTIONS[section]:
        # the poll would see a new interval only when the old one, a day maybe, is over
        told.append(BackgroundTask(services.temporal.look_now, project_id))
    return Redirect(address, status_code=303, background=BackgroundTasks(told))


def _page(
    session: Session,
    settings: Settings,
    project_id: int,
    saved: str = "",
    refusal: Refusal | None = None,
) -> ProjectPage:
    project = projects.get(session, project_id)
    prices = settings.data_dir / "prices.json"
    return ProjectPage(
        project=project,
        policy=projects.policy(session, project_id),
        labels=projects.labels(session, project_id),
        limits=budgets.limits(session, project_id),
        meters=project_meters(ledger.spent(session, "project", project_id)),
        estimate=estimates.estimate(session, project_id),
        request=first_request(prices, project.agent, project.model),
        bars=bars(pages.spend_by_day(session, project_id)),
        recent=run_list.page(session, RunFilter(project_id=project_id)).rows[:RECENT_RUNS],
        saved=saved if saved in SECTIONS else "",
        refusal=refusal,
    )


ROUTES = [list_projects, show_project, change_settings, raise_limit, pause_project, resume_project]
