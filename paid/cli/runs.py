"""`paid runs`, `paid run ISSUE_URL` and `paid cancel RUN`."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any

import typer
from temporalio.client import Client

from paid import control
from paid.cli import completion, connection, output
from paid.cli.given import LARGEST_ID
from paid.cli.output import Json, age, dollars, say, shown
from paid.errors import ConfigurationError
from paid.github.titles import seen_title
from paid.plain import plain
from paid.store import projects, run_list, runs
from paid.store.pauses import Pause
from paid.store.run_list import RunFilter, RunGroup, RunSeen

RunNumber = Annotated[
    int,
    typer.Argument(
        max=LARGEST_ID,
        metavar="RUN",
        min=1,
        help="The run's number.",
        autocompletion=completion.live_runs,
    ),
]

WAITS_FOR = {"docker_unavailable": "Docker", "host_full": "a free slot"}


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("runs")(listing)
    app.command("cancel")(cancel)


def listing(
    project: Annotated[
        str | None, typer.Option("--project", "-p", metavar="OWNER/REPO", help="Only this one's.")
    ] = None,
    group: Annotated[RunGroup, typer.Option(help="Only these.")] = RunGroup.ALL,
    search: Annotated[str, typer.Option(help="Words of the title, or an issue's number.")] = "",
    page: Annotated[int, typer.Option(min=1, max=1_000_000, help="25 runs a page.")] = 1,
    as_json: Json = False,
) -> None:
    """Show runs, the newest first.

    [dim]paid runs --group live[/]
    [dim]paid runs -p team/app --json[/]
    """
    with connection.database() as database, database.session() as session:
        project_id = projects.number(projects.find(session, project)) if project else None
        wanted = RunFilter(group, project_id, search, page)
        found = run_list.page(session, wanted, or_last=False)
    if as_json:
        output.print_json([as_row(seen) for seen in found.rows])
        return
    if found.total and not found.rows:
        say(f"There is no page {page}: the last one is {found.pages}.")
        return
    if not found.rows:
        say("No runs. Set a project's build label on an issue, or `paid run ISSUE_URL`.")
        return
    headings = ["RUN", "PROJECT", "ISSUE", "STATUS", "AGE", "COST", "PULL REQUEST"]
    output.table(headings, [_cells(seen) for seen in found.rows], right="RUN,COST")
    if found.pages > 1:
        say(f"Page {found.page} of {found.pages}; more with --page.")


def _cells(seen: RunSeen) -> tuple[object, ...]:
    run = seen.run
    state = run.status
    if run.cancel_requested_at is not None and not run.ended:
        state = f"{state} (cancelling)"
    elif seen.hold is not None:
        state = f"{state} (waits: {seen.hold.reason}{_until(seen.pause)})"
    elif run.waits:
        state = f"{state} (waits: {WAITS_FOR.get(run.error_code, run.error_code)})"
    issue = f"#{seen.issue.number} {seen_title(plain(seen.issue.title), 40)}"
    at_most = "up to " if seen.cost.estimated_microdollars else ""
    cost = at_most + dollars(seen.cost.spent_microdollars)
    return (
        run.id,
        seen.project.full_name,
        issue,
        state,
        age(run.created_at),
        cost,
        run.pr_url or "",
    )


def _until(pause: Pause | None) -> str:
    if pause is None or pause.until is None:
        return ""
    return f" until {pause.until.astimezone(UTC):%d %b, %H:%M} UTC"


def as_row(seen: RunSeen) -> dict[str, Any]:
    """A run as JSON."""
    run = seen.run
    return {
        "id": run.id,
        "project": seen.project.full_name,
        "issue": seen.issue.number,
        "title": seen.issue.title,
        "status": run.status,
        "held": seen.hold.reason if seen.hold else None,
        "held_until": seen.pause.until if seen.pause else None,
        "held_because": seen.pause.text if seen.pause else None,
        "waits": run.waits,
        "agent": run.agent,
        "model": run.model,
        "requested_by": run.requested_by,
        "iterations": run.iterations,
        # the ledger's, because a run's last requests are settled after its turn's end, or its own
        "tokens_used": seen.cost.input_tokens + seen.cost.output_tokens,
        "cost_microdollars": seen.cost.spent_microdollars,
        "estimated_microdollars": seen.cost.estimated_microdollars,
        "estimate": vars(seen.estimate) if seen.estimate else None,
        "pull_request": run.pr_url,
        "error_code": run.error_code,
        "error": run.error_message,
        "cancel_requested_at": run.cancel_requested_at,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "workflow_id": run.workflow_id,
    }


def cancel(
    number: RunNumber,
    reason: Annotated[str, typer.Option(help="Shown on the issue.")] = "",
    as_json: Json = False,
) -> None:
    """Stop a run: its agent ends, nothing more is pushed, its workspace is removed."""
    settings, by = connection.settings(), connection.caller()
    with connection.database(settings) as database, database.session() as session:
        before = runs.get(session, number).ended
        run = runs.request_cancel(session, number, by, reason)

    async def tell(client: Client) -> bool:
        return await control.tell_cancelled(client, run.workflow_id)

    told = False
    if not before:
        try:
            told = connection.ask_temporal(settings, tell)
        except ConfigurationError:
            told = False
    if as_json:
        output.print_json({"id": number, "status": run.status, "had_ended": before, "told": told})
    elif before:
        say(f"Run {number} had ended already: {shown(run.status)}.")
    elif told:
        say(f"Run {number} is being cancelled.")
    else:
        say(f"Run {number} is marked as cancelled; its worker stops it as soon as it is there.")
