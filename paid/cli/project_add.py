"""`paid project add`: take on a repository."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from paid import polls
from paid.cli import connection, output
from paid.cli.given import read_secret
from paid.cli.output import Json, say, shown
from paid.errors import BadInputError
from paid.github.client import GitHub
from paid.registration import Registered, register
from paid.settings import Settings
from paid.store import projects, token_expiry
from paid.store.credentials import SecretBox
from paid.store.projects import GITHUB_API_URL


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("add")(add)


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
    watched = start_poll(settings, added.project_id)
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


def start_poll(settings: Settings, project_id: int) -> bool:
    """False when Temporal does not answer; the job runner starts the poll later then."""
    queue = settings.temporal_task_queue
    return connection.tell_temporal(
        settings, lambda client: polls.start_poll(client, project_id, queue)
    )


def _tell_added(added: Registered, watched: bool, as_json: bool) -> None:
    labels = added.labels_made
    if labels.advice:
        print(output.plain(labels.advice), file=sys.stderr)
    if as_json:
        output.print_json(
            {
                "id": added.project_id,
                "name": added.full_name,
                "default_branch": added.default_branch,
                "labels_made": labels.made,
                "labels_not_made": labels.not_made,
                "watched": watched,
            }
            | ({"token_expires_at": added.token_expires_at} if added.token_expires_at else {})
        )
        return
    say(f"[green]Added[/] {shown(added.full_name)} as project {added.project_id}.")
    if added.token_expires_at is not None:
        say(f"Its token {token_expiry.ends(added.token_expires_at)}; people are told before.")
    if labels.made:
        say(f"Made the labels {', '.join(labels.made)} there, because they were missing.")
    if watched:
        say(f"Set the label [bold]{added.labels[0]}[/] on an issue, and see `paid runs`.")
    else:
        say("Temporal does not answer: watching begins with `paid up`.")
