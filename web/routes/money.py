"""Money: what all projects together may spend, and spending as files to take away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.background_tasks import BackgroundTask
from litestar.params import QueryParameter
from litestar.response import Redirect, Stream, Template
from sqlmodel import Session

from paid.errors import BadInputError
from paid.models.ledger import ORGANISATION
from paid.store import budgets, exports, holds, ledger, projects
from web.access import Visitor
from web.routes.parameters import ChosenProject
from web.services import GivenServices
from web.views.forms import Refusal
from web.views.limits import RaiseWindow
from web.views.money import MoneyPage, OrganisationForm
from web.views.project_page import project_meters

VisitorRequest = Request[Visitor, Any, Any]
Change = Callable[[Session], list[str]]
"""Changes limits, and names the workflows that may go on now."""
Saved = Annotated[str, QueryParameter(name="saved", max_length=20)]
Group = Annotated[str, QueryParameter(name="by", max_length=20)]
Days = Annotated[int, QueryParameter(name="days", ge=0, le=36_500)]


class Format(StrEnum):
    """What a file can be."""

    CSV = "csv"
    JSON = "json"


@get("/money")
async def show_money(
    request: VisitorRequest, services: GivenServices, saved: Saved = ""
) -> Template:
    """What all projects together have spent and may spend."""
    view = await services.ask(lambda session: _page(session, saved))
    return Template("money/index.html", context={"view": view, "visitor": request.user})


@post("/money/limits", status_code=303)
async def change_limits(request: VisitorRequest, services: GivenServices) -> Redirect | Template:
    """Set the organisation's limits; a refusal is shown beside its form."""
    form = await request.form()

    def change(session: Session) -> list[str]:
        wanted = OrganisationForm.read(form)
        budgets.change_organisation(
            session, wanted.cents, time_zone=wanted.time_zone,
            warn_percents=wanted.warn_percents, by=_by(request),
        )  # fmt: skip
        return holds.waiting_workflows(session)

    return await _changed(request, services, "limits", change)


@post("/money/raise", status_code=303)
async def raise_limit(request: VisitorRequest, services: GivenServices) -> Redirect | Template:
    """Raise one of the organisation's limits for some hours; a refusal is shown beside its form."""
    form = await request.form()

    def change(session: Session) -> list[str]:
        wanted = RaiseWindow.read(form)
        budgets.raise_window(
            session, None, wanted.period, wanted.cents, wanted.duration, by=_by(request)
        )
        return holds.waiting_workflows(session)

    return await _changed(request, services, "raise", change)


@get("/money/export")
async def export(
    services: GivenServices,
    by: Group = "run",
    format: Annotated[Format, QueryParameter(name="format")] = Format.CSV,
    project: ChosenProject = 0,
    days: Days = 0,
) -> Stream:
    """Spending as a file, row by row; 0 means every project, and all days."""
    if by not in exports.GROUPS:
        raise BadInputError(f"Cannot export by {by}.", hint=f"One of {', '.join(exports.GROUPS)}.")
    if project:
        await services.ask(lambda session: projects.get(session, project))

    def chunks(session: Session) -> Iterator[str]:
        found = exports.table(session, by, project_id=project or None, days=days or None)
        return exports.as_json(found) if format is Format.JSON else exports.as_csv(found)

    kind = "application/json" if format is Format.JSON else "text/csv; charset=utf-8"
    named = f'attachment; filename="paid-by-{by}.{format}"'
    return Stream(services.stream(chunks), media_type=kind, headers={"content-disposition": named})


async def _changed(
    request: VisitorRequest, services: GivenServices, form: str, change: Change
) -> Redirect | Template:
    try:
        waiting = await services.ask(change)
    except BadInputError as error:
        refusal = Refusal.of(form, error, await request.form())
        view = await services.ask(lambda session: _page(session, refusal=refusal))
        context = {"view": view, "visitor": request.user}
        return Template("money/index.html", context=context, status_code=400)
    told = BackgroundTask(services.temporal.budgets_changed, waiting)
    return Redirect("/money?saved=limits#limits", status_code=303, background=told)


def _page(session: Session, saved: str = "", refusal: Refusal | None = None) -> MoneyPage:
    organisation = budgets.organisation(session)
    return MoneyPage(
        meters=project_meters(ledger.spent(session, "organisation", ORGANISATION)),
        limits=budgets.organisation_limits(session),
        time_zone=organisation.time_zone,
        warn_percents=organisation.warn_percents,
        projects=projects.listing(session, include_removed=True),
        saved=saved == "limits",
        refusal=refusal,
    )


def _by(request: VisitorRequest) -> str:
    return f"{request.user.login} (dashboard)"


ROUTES = [show_money, change_limits, raise_limit, export]
