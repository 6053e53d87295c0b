"""`paid run ISSUE_URL`: start a run without a label."""

from __future__ import annotations

from typing import Annotated

import typer

from paid import control, run_request
from paid.cli import connection, logs, output
from paid.cli.output import Json, dollars, say, shown
from paid.contracts import RunStatus
from paid.doctor import State, containers, examine
from paid.gateway.first_request import first_request
from paid.github.client import GitHub
from paid.settings import Settings
from paid.store import estimates, projects, runs
from paid.store.credentials import SecretBox


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("run")(run)


def run(
    address: Annotated[
        str, typer.Argument(metavar="ISSUE_URL", help="The issue's URL, or OWNER/REPO#NUMBER.")
    ],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show it until it ends.")] = False,
    as_json: Json = False,
) -> None:
    """Start a run for an issue at once, without a label; you are its trusted requester.

    With --follow the exit code is 1 when the run fails or is cancelled.

    [dim]paid run https://github.com/team/app/issues/7[/]
    [dim]paid run -f team/app#7[/]
    """
    wanted = run_request.read_address(address)
    settings = connection.settings()
    with connection.database(settings) as database:
        with database.session() as session:
            project = run_request.project_of(session, wanted)
            token = projects.token(session, SecretBox(settings.secret_key_path), project)
        github = GitHub(token, project.api_url)
        try:
            by = connection.caller()
            made = run_request.request(database, github, project, wanted.number, by=by)
        finally:
            github.close()
        with database.session() as session:
            likely = estimates.estimate(session, made.project_id)
            request = first_request(settings.data_dir / "prices.json", project.agent, project.model)
    queue = settings.temporal_task_queue
    started = connection.tell_temporal(
        settings, lambda client: control.start_run(client, made, queue)
    )
    if as_json:
        answer = {"id": made.id, "workflow_id": made.workflow_id, "started": started}
        told = {"estimate": vars(likely), "request": vars(request) if request else None}
        output.print_json(answer | told, in_one_line=follow)
    elif started:
        say(f"Run {made.id} is started. See it with `paid logs -f {made.id}`.")
    else:
        say(f"Run {made.id} is recorded; Temporal does not answer, so it starts with `paid up`.")
    if not as_json:
        held = f"; {request.said(dollars)}" if request else ""
        say(f"Its cost: {likely.said(dollars)}{held}.")
        _warn_without_docker(settings)
    if follow and made.id is not None:
        logs.logs(made.id, follow=True, as_json=as_json)
        _exit_unless_it_did_well(settings, made.id)


def _exit_unless_it_did_well(settings: Settings, run_id: int) -> None:
    """Whoever follows in a script goes on by the exit code."""
    with connection.database(settings) as database, database.session() as session:
        if runs.get(session, run_id).status not in (RunStatus.COMPLETED, RunStatus.NO_CHANGES):
            raise typer.Exit(1)


def _warn_without_docker(settings: Settings) -> None:
    """Say it before somebody waits; another machine's worker may have Docker all the same."""
    for finding in examine(settings, checks=containers.CHECKS[:1]):
        if finding.state == State.BROKEN:
            say(f"[yellow]![/] {shown(finding.detail)}")
            say(f"  → {shown(finding.mend)} The run waits for a machine with Docker.")
