"""`paid budget …` and `paid export`: what was spent, what may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from typing import Annotated, Any

import typer
from sqlmodel import Session

from paid.cli import connection, output
from paid.cli.given import cents, percents
from paid.cli.output import Json, dollars, say, shown
from paid.cli.project_set import apply as set_project
from paid.cli.runs import RunNumber
from paid.cli.waking import wake
from paid.costs import said
from paid.errors import BadInputError
from paid.models.ledger import ORGANISATION
from paid.store import budgets, caps, estimates, exports, holds, ledger, projects, runs
from paid.store.budgets import MICRODOLLARS_PER_CENT, Limit, Period
from paid.store.ledger import Spent

commands = typer.Typer(help="Budgets: what was spent, and what may be.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(commands, name="budget")
    app.command("export")(export)


EVERYTHING = typer.Argument(metavar="[OWNER/REPO]", help="None: the whole organisation.")
MaybeName = Annotated[str | None, EVERYTHING]
Hours = Annotated[
    float | None,
    typer.Option(
        min=0.1, max=8760, help="Hours that the new limit holds; default for good; as in 12."
    ),
]


def _cents(counts: str) -> Any:
    text = f"What {counts} may cost, in cents; none lifts the limit; default as it is; as in 500."
    return typer.Option(metavar="CENTS|none", help=text)


@commands.command("show")
def show(name: MaybeName = None, as_json: Json = False) -> None:
    """Show what a project, or all together, have spent and may spend, and what a run costs.

    [dim]paid budget show[/]
    [dim]paid budget show team/app[/]
    """
    with connection.database() as database, database.session() as session:
        found = _of_organisation(session) if name is None else _of_project(session, name)
    if as_json:
        output.print_json(found | {"spent": _plain(found["spent"])} | _limits_json(found["limits"]))
        return
    _print(found["limits"], found["spent"])
    say(f"Days begin in {found['time_zone']}; warnings at {_percents(found['warn_percents'])}.")
    if "estimate" in found:
        likely = estimates.read(found["estimate"])
        say(f"A run: {likely.said(dollars)}{_and_a_request(found)}.")


def _of_organisation(session: Session) -> dict[str, Any]:
    organisation = budgets.organisation(session)
    return {
        "spent": ledger.spent(session, "organisation", ORGANISATION),
        "limits": budgets.organisation_limits(session),
        "time_zone": organisation.time_zone,
        "warn_percents": organisation.warn_percents,
    }


def _of_project(session: Session, name: str) -> dict[str, Any]:
    from paid.gateway.first_request import first_request  # noqa: PLC0415 - loads the list prices

    project = projects.find(session, name)
    project_id = projects.number(project)
    prices = connection.settings().data_dir / "prices.json"
    request = first_request(prices, project.agent, project.model)
    return {
        "spent": ledger.spent(session, "project", project_id),
        "limits": budgets.limits(session, project_id),
        "time_zone": project.time_zone,
        "warn_percents": projects.policy(session, project_id).warn_percents,
        "estimate": vars(estimates.estimate(session, project_id)),
        "request": vars(request) if request else None,
    }


def _and_a_request(found: Mapping[str, Any]) -> str:
    from paid.gateway.first_request import FirstRequest  # noqa: PLC0415 - loads the list prices

    request = found.get("request")
    return f"; {FirstRequest(**request).said(dollars)}" if request else ""


def _print(limits: Mapping[str, Limit], spent: Mapping[str, Spent]) -> None:
    rows = []
    for period, limit in limits.items():
        amount = spent.get(period)
        used = _used(amount) if amount else "-"
        held = dollars(amount.reserved_microdollars) if amount else "-"
        rows.append((period, used, held, output.cents(limit.cents) + _raised(limit)))
    output.table(["PERIOD", "SPENT", "RESERVED", "LIMIT"], rows, right="SPENT,RESERVED,LIMIT")


def _used(amount: Spent) -> str:
    return said(amount.spent_microdollars, amount.estimated_microdollars, dollars)


def _raised(limit: Limit) -> str:
    if limit.raised_until is None:
        return ""
    until = f"{limit.raised_until.astimezone(UTC):%d %b, %H:%M} UTC"
    return f" ({output.cents(limit.raised_to_cents)} until {until})"


def _percents(warn: Sequence[int]) -> str:
    return ", ".join(f"{percent}%" for percent in warn) or "no percent"


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: vars(value) for name, value in values.items()}


def _limits_json(limits: Mapping[str, Limit]) -> dict[str, Any]:
    return {"limits": _plain(limits)}


@commands.command("set", no_args_is_help=True)
def set_(
    name: MaybeName = None,
    run_cents: Annotated[str | None, _cents("one run")] = None,
    issue_cents: Annotated[str | None, _cents("an issue over all its runs")] = None,
    daily_cents: Annotated[str | None, _cents("a day's runs")] = None,
    weekly_cents: Annotated[str | None, _cents("a week's runs")] = None,
    monthly_cents: Annotated[str | None, _cents("a month's runs")] = None,
    hours: Hours = None,
    time_zone: Annotated[
        str | None, typer.Option(help="Where its days begin at midnight; as in Europe/Berlin.")
    ] = None,
    warn_percent: Annotated[
        list[str] | None,
        typer.Option(help="Percent of a limit at which to warn; repeat it; none; as in 75."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Set the limits of a project, or of the whole organisation; what waits and fits goes on.

    [dim]paid budget set --monthly-cents 50000 --time-zone Europe/Berlin[/]
    [dim]paid budget set team/app --daily-cents 4000 --hours 12[/]
    """
    given = {
        "run": run_cents,
        "issue": issue_cents,
        "day": daily_cents,
        "week": weekly_cents,
        "month": monthly_cents,
    }
    limits = {period: cents(value) for period, value in given.items() if value is not None}
    others = {"time_zone": time_zone, "warn_percents": percents(warn_percent)}
    others = {key: value for key, value in others.items() if value is not None}
    if hours is not None:
        if others or not limits or None in limits.values():
            raise BadInputError("Hours go with new limits, and with nothing else.")
        _raise_for_hours(name, limits, timedelta(hours=hours), as_json)
    elif name is None:
        _set_organisation(limits, others, as_json)
    else:
        words = {"day": "daily", "week": "weekly", "month": "monthly"}
        named = {f"{words.get(period, period)}_cents": limit for period, limit in limits.items()}
        set_project(name, named | others, as_json)


def _set_organisation(limits: dict[str, Any], others: dict[str, Any], as_json: bool) -> None:
    if not limits and not others:
        raise BadInputError("Nothing was named.", hint="`paid budget set --help` lists it.")
    _only_windows(limits)
    settings, by = connection.settings(), connection.caller()
    with connection.database(settings) as database, database.session() as session:
        budgets.change_organisation(session, limits, **others, by=by)
        waiting = holds.waiting_workflows(session)
        found = _of_organisation(session)
    wake(settings, waiting)
    if as_json:
        output.print_json(_limits_json(found["limits"]) | {"time_zone": found["time_zone"]})
    else:
        _print(found["limits"], found["spent"])


def _raise_for_hours(
    name: str | None, limits: dict[str, Any], duration: timedelta, as_json: bool
) -> None:
    settings, by = connection.settings(), connection.caller()
    with connection.database(settings) as database, database.session() as session:
        if name is None:
            _only_windows(limits)
            project_id = None
        else:
            project_id = projects.number(projects.find(session, name))
        for period, limit in limits.items():
            budgets.raise_window(session, project_id, _period(period), limit, duration, by=by)
        waiting = holds.waiting_workflows(session, project_id)
        found = _of_organisation(session) if name is None else _of_project(session, name)
    wake(settings, waiting)
    if as_json:
        output.print_json(_limits_json(found["limits"]))
    else:
        _print(found["limits"], found["spent"])


def _only_windows(limits: dict[str, Any]) -> None:
    if limits.keys() - set(budgets.WINDOWS):
        raise BadInputError(
            "The organisation has limits for a day, a week and a month.",
            hint="Name a project to limit its runs and issues.",
        )


def _period(name: str) -> Period:
    found: dict[str, Period] = {
        "run": "run", "issue": "issue", "day": "day", "week": "week", "month": "month",
    }  # fmt: skip
    return found[name]


@commands.command("raise")
def raise_(
    number: RunNumber,
    amount: Annotated[
        int, typer.Option("--cents", min=1, max=10**10, help="The new limit, in cents; as in 800.")
    ],
    hours: Hours = None,
    as_json: Json = False,
) -> None:
    """Raise the limit that a run waits for, whichever it is, and the run goes on.

    It may be the run's own, its issue's, its project's or the organisation's; a run that does not
    wait gets a higher one of its own.

    [dim]paid budget raise 12 --cents 800[/]
    [dim]paid budget raise 12 --cents 800 --hours 4[/]
    """
    settings = connection.settings()
    duration = None if hours is None else timedelta(hours=hours)
    with connection.database(settings) as database, database.session() as session:
        run = runs.get(session, number)
        cap = caps.raise_for(session, run, amount, duration, by=connection.caller())
        room = budgets.room(session, number)
        waiting = [*holds.waiting_workflows(session), run.workflow_id]
    wake(settings, waiting)
    raised = {"scope": cap.scope, "period": cap.period, "to_cents": amount, "hours": hours}
    enough = -(-cap.enough_microdollars // MICRODOLLARS_PER_CENT)
    raised["enough_cents"] = enough if cap.needed_microdollars else None
    if as_json:
        output.print_json({"id": number, "raised": raised, "room": vars(room)})
        return
    span = "" if hours is None else f" for {hours:g} hours"
    say(f"{shown(cap.name).capitalize()} is ${amount / 100:.2f}{span} now.")
    if cap.needed_microdollars and amount < enough:
        needed = dollars(cap.needed_microdollars)
        say(f"Run {number} still waits: its next request may cost up to {needed}.")
        say(f"[dim]paid budget raise {number} --cents {enough}[/] lets it go on.")
    elif not room.allowed:
        say(f"{shown(room.cap)} still holds run {number} back.")


def export(
    by: Annotated[str, typer.Option(help="run, issue, project, model, agent or day.")] = "run",
    project: Annotated[
        str | None,
        typer.Option("--project", "-p", metavar="OWNER/REPO", help="Only this one's; default all."),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(
            min=1, max=36_500, help="Whole days, the last of them today; default all; as in 30."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print what was spent, as CSV or JSON.

    [dim]paid export --by model --days 30 > models.csv[/]
    """
    with connection.database() as database, database.session() as session:
        project_id = projects.number(projects.find(session, project)) if project else None
        found = exports.table(session, by, project_id=project_id, days=days)
        for chunk in exports.as_json(found) if as_json else exports.as_csv(found):
            print(chunk, end="")
