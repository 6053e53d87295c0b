"""`paid notify …`: who is told when a run ends, waits for money, or a project is paused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlmodel import Session

from paid.cli import connection, output
from paid.cli.given import LARGEST_ID, read_secret
from paid.cli.output import Json, say, shown
from paid.errors import BadInputError
from paid.models import NotificationTarget
from paid.store import notifications, projects
from paid.store.credentials import SecretBox

NO_MAIL_SERVER = (
    "PAID_SMTP_URL is not set here: no email is sent until it is set where `paid up` or the job "
    "runner starts."
)

commands = typer.Typer(help="Notifications: webhooks and email.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    app.add_typer(commands, name="notify")


@commands.command("add")
def add(
    address: Annotated[str, typer.Argument(metavar="URL|EMAIL", help="Where the news go.")],
    project: Annotated[
        str | None, typer.Option("--project", "-p", metavar="OWNER/REPO", help="Only this one's.")
    ] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="What signs a webhook's deliveries; - is standard input.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell a webhook or an email address when runs end, wait for money, or a project is paused.

    A webhook's deliveries are signed: `x-paid-signature-256` is the HMAC-SHA256, with the secret,
    of `x-paid-timestamp`, a dot and the body. Email needs PAID_SMTP_URL at the job runner.

    [dim]paid notify add https://example.org/hook --secret-file hook.secret[/]
    [dim]paid notify add team@example.org -p team/app[/]
    """
    kind = "webhook" if "://" in address else "email"
    if kind == "webhook" and secret_file is None:
        raise BadInputError(
            "A webhook needs a secret that signs what it gets.", hint="Give --secret-file FILE."
        )
    secret = "" if secret_file is None else read_secret(secret_file)
    settings = connection.settings()
    with connection.database(settings) as database, database.session() as session:
        project_id = projects.number(projects.find(session, project)) if project else None
        box = SecretBox(settings.secret_key_path)
        target = notifications.add(
            session, box, kind, address, project_id=project_id, secret=secret
        )
    if kind == "email" and settings.smtp_url is None:
        print(NO_MAIL_SERVER, file=sys.stderr)
    if as_json:
        output.print_json(_row(target))
    else:
        say(f"Notification {target.id}: {shown(target.address)} will be told.")


@commands.command("list")
def listing(as_json: Json = False) -> None:
    """Show who is told."""
    with connection.database() as database, database.session() as session:
        found = notifications.listing(session)
        names = _names(session)
    if as_json:
        output.print_json([_row(target) for target in found])
    elif not found:
        say("Nobody is told. Add somebody: `paid notify add URL|EMAIL`.")
    else:
        rows = [(t.id, t.kind, t.address, names[t.project_id]) for t in found]
        output.table(["ID", "KIND", "ADDRESS", "PROJECT"], rows, right="ID")


@commands.command("remove")
def remove(
    number: Annotated[
        int, typer.Argument(metavar="ID", min=1, max=LARGEST_ID, help="As `list` shows it.")
    ],
    as_json: Json = False,
) -> None:
    """Tell somebody no more."""
    with connection.database() as database, database.session() as session:
        notifications.remove(session, number)
    if as_json:
        output.print_json({"id": number, "removed": True})
    else:
        say(f"Notification {number} is gone.")


def _names(session: Session) -> dict[int | None, str]:
    """What each project is called, removed ones too; no project is every one."""
    found = projects.listing(session, include_removed=True)
    return {None: "all"} | {project.id: project.full_name for project in found}


def _row(target: NotificationTarget) -> dict[str, Any]:
    return {
        "id": target.id,
        "kind": target.kind,
        "address": target.address,
        "project_id": target.project_id,
    }
