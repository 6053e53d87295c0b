"""`paid budget …` and `paid export`: what was spent, what may be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from temporalio.client import Client

from paid import control
from paid.cli import connection, output
from paid.cli.output import Json, dollars, say, shown
from paid.cli.projects import Name
from paid.cli.runs import RunNumber
from paid.errors import ConfigurationError
from paid.settings import Settings
from paid.store import budgets, ledger, projects, runs

app = typer.Typer(help="Budgets: what was spent, and what may be.", no_args_is_help=True)
Hours = Annotated[float | None, typer.Option(min=0.1, max=8760, help="For so long; else for good.")]


@app.command("show")
def show(name: Name, as_json: Json = False) -> None:
    """Show what a project has spent and may spend, and what its next run will likely cost."""
    with connection.database() as database, database.session() as session:
        project = projects.find(session, name)
        project_id = projects.number(project)
        spent = ledger.spent(session, "project", project_id)
        limits = budgets.limits(session, project_id)
        likely = ledger.estimate(session, project_id)
    if as_json:
        output.print_json(
            {
                "spent": {period: vars(amount) for period, amount in spent.items()},
                "limits": {period: vars(limit) for period, limit in limits.items()},
                "estimate": vars(likely),
            }
        )
        return
    rows = []
    for period, limit in limits.items():
        amount = spent.get(period)
        used = dollars(amount.spent_microdollars) if amount else "-"
        held = dollars(amount.reserved_microdollars) if amount else "-"
        raised = f" ({output.cents(limit.raised_to_cents)} for now)" if limit.raised_until else ""
        rows.append((period, used, held, output.cents(limit.cents) + raised))
    output.table(["PERIOD", "SPENT", "RESERVED", "LIMIT"], rows, right="SPENT,RESERVED,LIMIT")
    if likely.runs:
        half, most = dollars(likely.p50_microdollars), dollars(likely.p90_microdollars)
        say(f"Half of the last {likely.runs} runs cost at most {half}, nine in ten at most {most}.")


@app.command("raise")
def raise_(
    number: RunNumber,
    cents: Annotated[int, typer.Option(min=1, max=10**10, help="The run's new limit, in cents.")],
    hours: Hours = None,
    as_json: Json = False,
) -> None:
    """Raise the limit of one run; a run that waits for money goes on.

    [dim]paid budget raise 12 --cents 800[/]
    [dim]paid budget raise 12 --cents 800 --hours 4[/]
    """
    settings = connection.settings()
    duration = None if hours is None else timedelta(hours=hours)
    with connection.database(settings) as database, database.session() as session:
        workflow_id = runs.get(session, number).workflow_id
        budgets.raise_run(session, number, cents, duration)
        room = budgets.room(session, number)
    _tell(settings, workflow_id)
    if as_json:
        output.print_json({"id": number, "room": vars(room)})
    elif room.allowed:
        say(f"Run {number} may now spend ${cents / 100:.2f}; {dollars(room.microdollars)} is left.")
    else:
        say(f"Run {number} may spend more, but {shown(room.cap)} still holds it back.")


def _tell(settings: Settings, workflow_id: str) -> None:
    """Wake a paused run; one that nobody wakes looks again by itself."""

    async def tell(client: Client) -> bool:
        return await control.tell_budget_changed(client, workflow_id)

    try:
        connection.ask_temporal(settings, tell)
    except ConfigurationError:
        say("Temporal does not answer: the run goes on when it is back.")


def export(
    by: Annotated[str, typer.Option(help="run, issue, project, model, agent or day.")] = "run",
    project: Annotated[str | None, typer.Option("--project", "-p", metavar="OWNER/REPO")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=36_500, help="The last so many.")] = None,
    as_json: Json = False,
) -> None:
    """Print what was spent, as CSV or JSON.

    [dim]paid export --by model --days 30 > models.csv[/]
    """
    since = None if days is None else datetime.now(UTC) - timedelta(days=days)
    with connection.database() as database, database.session() as session:
        project_id = projects.number(projects.find(session, project)) if project else None
        rows = ledger.export(session, by, project_id=project_id, since=since)
    print(ledger.as_json(rows) if as_json else ledger.as_csv(rows), end="")
    if as_json:
        print()
