"""`paid project …`: which repositories Paid watches, and how."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlmodel import Session
from temporalio.client import Client

from paid import polls
from paid.cli import completion, connection, output
from paid.cli.output import Json, say, shown
from paid.errors import BadInputError, ConfigurationError
from paid.github.client import GitHub
from paid.models import LabelPurpose, Policy, Project
from paid.registration import LABEL_LOOKS, Registered, register
from paid.settings import Settings
from paid.store import budgets, projects
from paid.store.credentials import SecretBox
from paid.store.projects import GITHUB_API_URL

app = typer.Typer(help="Projects: the repositories that Paid watches.", no_args_is_help=True)
Name = Annotated[
    str,
    typer.Argument(
        metavar="OWNER/REPO",
        help="The repository, or its number.",
        autocompletion=completion.project_names,
    ),
]


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="OWNER/REPO", help="The repository.")],
    api_url: Annotated[
        str, typer.Option(help="The REST API of a GitHub Enterprise Server.")
    ] = GITHUB_API_URL,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the GitHub token; - reads standard input.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Watch a repository.

    The token comes from --token-file, else from GITHUB_TOKEN, else from a prompt; never from an
    argument, which other users of the machine could read. It is stored encrypted.

    [dim]paid project add octocat/hello-world[/]
    [dim]paid project add team/app --api-url https://github.example.org/api/v3[/]
    """
    settings = connection.settings()
    projects.split_name(name)
    with connection.database(settings) as database:
        token = _token(settings, token_file)
        github = GitHub(token, api_url)
        try:
            added = register(
                database,
                SecretBox(settings.secret_key_path),
                github,
                full_name=name,
                api_url=api_url,
                token=token,
                by=connection.caller(),
            )
        finally:
            github.close()
    watched = _start_poll(settings, added.project_id)
    _tell_added(added, watched, as_json)


def _token(settings: Settings, token_file: Path | None) -> str:
    if token_file is not None:
        text = read_secret(token_file)
    elif settings.github_token is not None:
        text = settings.github_token.get_secret_value()
    elif sys.stdin.isatty():
        text = typer.prompt("GitHub token", hide_input=True)
    else:
        raise BadInputError(
            "There is no GitHub token.", hint="Set GITHUB_TOKEN, or give --token-file FILE."
        )
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise BadInputError("That is not a GitHub token.", hint="Copy it anew, as one line.")
    return token


def read_secret(file: Path) -> str:
    """A secret from a file; `-` is standard input. Raises BadInputError."""
    try:
        return (sys.stdin.read() if str(file) == "-" else file.read_text()).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{file} cannot be read: {error}.") from error


def tell_labels(project: Project, token: str, names: list[str], as_json: bool) -> None:
    """Make labels that a project now goes by, where the repository lacks them."""
    if not names:
        return
    github = GitHub(token, project.api_url)
    try:
        made = [
            name
            for name in names
            if github.ensure_label(project.full_name, name, *LABEL_LOOKS[LabelPurpose.BUILD])
        ]
    finally:
        github.close()
    if made and not as_json:
        say(f"Made the labels {shown(', '.join(made))} there, because they were missing.")


def _start_poll(settings: Settings, project_id: int) -> bool:
    """False when Temporal does not answer; the job runner starts the poll later then."""

    async def start(client: Client) -> None:
        await polls.start_poll(client, project_id, settings.temporal_task_queue)

    try:
        connection.ask_temporal(settings, start)
    except ConfigurationError:
        return False
    return True


def _tell_added(added: Registered, watched: bool, as_json: bool) -> None:
    if as_json:
        output.print_json(
            {
                "id": added.project_id,
                "name": added.full_name,
                "default_branch": added.default_branch,
                "labels_made": added.labels_made,
                "watched": watched,
            }
        )
        return
    say(f"[green]Added[/] {shown(added.full_name)} as project {added.project_id}.")
    if added.labels_made:
        say(f"Made the labels {', '.join(added.labels_made)} there, because they were missing.")
    if watched:
        say(f"Set the label [bold]{added.labels[0]}[/] on an issue, and see `paid runs`.")
    else:
        say("Temporal does not answer: watching begins with `paid up`.")


@app.command("list")
def listing(
    removed: Annotated[
        bool, typer.Option("--removed", help="Also those that were removed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the projects."""
    with connection.database() as database, database.session() as session:
        found = projects.listing(session, include_removed=removed)
    if as_json:
        output.print_json([summary(project) for project in found])
    elif not found:
        say("There is no project yet. Add one: `paid project add OWNER/REPO`.")
    else:
        rows = [
            (p.id, p.full_name, p.state, p.agent, p.default_branch, f"{p.interval_seconds} s")
            for p in found
        ]
        output.table(["ID", "NAME", "STATE", "AGENT", "BRANCH", "INTERVAL"], rows, right="ID")


@app.command("show")
def show(name: Name, as_json: Json = False) -> None:
    """Show a project with all of its settings."""
    with connection.database() as database, database.session() as session:
        whole = details(session, projects.find(session, name))
    if as_json:
        output.print_json(whole)
        return
    flat: list[tuple[str, object]] = []
    for key, value in whole.items():
        flat += _lines(key, value)
    output.pairs(flat)


def summary(project: Project) -> dict[str, Any]:
    """A project as JSON."""
    return {
        "id": project.id,
        "name": project.full_name,
        "state": project.state,
        "paused_reason": project.paused_reason,
        "api_url": project.api_url,
        "default_branch": project.default_branch,
        "agent": project.agent,
        "model": project.model,
        "interval_seconds": project.interval_seconds,
        "time_zone": project.time_zone,
        "created_at": project.created_at,
    }


def details(session: Session, project: Project) -> dict[str, Any]:
    """A project with its labels, policy and limits, as JSON."""
    project_id = projects.number(project)
    policy = projects.policy(session, project_id)
    limits = budgets.limits(session, project_id)
    return summary(project) | {
        "labels": projects.labels(session, project_id),
        "webhook": project.webhook_credential_id is not None,
        "policy": {name: getattr(policy, name) for name in _policy_names()},
        "limits_cents": {period: limit.cents for period, limit in limits.items()},
    }


def _policy_names() -> list[str]:
    return [name for name in Policy.model_fields if name not in {"id", "project_id"}]


def _lines(key: str, value: Any) -> list[tuple[str, object]]:
    if key == "limits_cents":
        return [(f"{period} limit", output.cents(limit)) for period, limit in value.items()]
    if isinstance(value, dict):
        return [
            (f"{inner} {'label' if key == 'labels' else ''}".strip(), text)
            for inner, text in value.items()
        ]
    return [(key.replace("_", " "), "-" if value in (None, "") else value)]


@app.command("pause")
def pause(
    name: Name,
    reason: Annotated[str, typer.Option(help="Shown with the project.")] = "",
    as_json: Json = False,
) -> None:
    """Start nothing new; runs that are under way go on."""
    _switch(name, as_json, "paused", reason)


@app.command("resume")
def resume(name: Name, as_json: Json = False) -> None:
    """Watch a paused project again."""
    _switch(name, as_json, "resumed", "")


def _switch(name: str, as_json: bool, to: str, reason: str) -> None:
    settings, by = connection.settings(), connection.caller()
    with connection.database(settings) as database, database.session() as session:
        project = projects.find(session, name)
        project_id = projects.number(project)
        if to == "paused":
            changed = projects.pause(session, project_id, reason, by=by)
        else:
            changed = projects.resume(session, project_id, by=by)
    watched = _nudge(settings, project_id, start=to == "resumed")
    if as_json:
        output.print_json({"id": project_id, "changed": changed, "watched": watched})
    else:
        say(f"{shown(project.full_name)} is {to}." if changed else "Nothing to do: it is already.")


def _nudge(settings: Settings, project_id: int, *, start: bool) -> bool:
    """Let the poll see a change at once; it would see it at its next look anyway."""
    if start and not _start_poll(settings, project_id):
        return False

    async def nudge(client: Client) -> bool:
        return await polls.tell_poll(client, project_id, "look_now")

    try:
        return connection.ask_temporal(settings, nudge)
    except ConfigurationError:
        return False


@app.command("remove")
def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Stop watching a repository and forget its token; what happened stays on record."""
    settings = connection.settings()
    with connection.database(settings) as database:
        with database.session() as session:
            project = projects.find(session, name)
        if not yes and sys.stdin.isatty():
            typer.confirm(f"Stop watching {project.full_name} and forget its token?", abort=True)
        with database.session() as session:
            projects.remove(session, projects.number(project), by=connection.caller())
    _nudge(settings, projects.number(project), start=False)
    if as_json:
        output.print_json({"id": project.id, "removed": True})
    else:
        say(f"{shown(project.full_name)} is no longer watched, and its token is forgotten.")
