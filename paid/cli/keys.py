"""`paid key …`: the key that encrypts stored tokens."""

from __future__ import annotations

import typer

from paid.cli import connection, output
from paid.cli.output import Json, say
from paid.store import credentials, events
from paid.store.events import NewEvent

commands = typer.Typer(help="The key that encrypts stored tokens.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    app.add_typer(commands, name="key")


@commands.callback()
def group() -> None:
    """Keeps `rotate` a command of its own while it is the only one."""


@commands.command("rotate")
def rotate(as_json: Json = False) -> None:
    """Make a new key and encrypt every stored secret with it.

    The key is a file outside the database (PAID_SECRET_KEY_FILE, else keys/secret.key in the data
    folder); copy it to every host that runs a worker.
    """
    settings = connection.settings()
    with connection.database(settings) as database:
        with database.session() as session:
            count = credentials.rotate(session, settings.secret_key_path)
            events.append_to_system(session, NewEvent("key.rotated", {"secrets": count}))
        credentials.prune_keys(settings.secret_key_path)
    if as_json:
        output.print_json({"secrets": count})
    else:
        say(f"Encrypted {count} secrets with a new key; the old one is gone.")
