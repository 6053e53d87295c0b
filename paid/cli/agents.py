"""`paid agent …`: the coding agents and their images."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from paid.agents import install as installing
from paid.cli import completion, connection, output
from paid.cli.given import agent
from paid.cli.output import Json, say, shown

commands = typer.Typer(help="Coding agents and their images.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    app.add_typer(commands, name="agent")


@commands.command("list")
def listing(as_json: Json = False) -> None:
    """Show the agents: version, size of the image, licence, and whether it is installed."""
    rows = installing.listing(connection.settings())
    if as_json:
        output.print_json([asdict(row) for row in rows])
        return
    output.table(
        ["AGENT", "VERSION", "INSTALLED", "SIZE", "LICENCE", "NOTE"],
        [
            (
                row.name,
                row.version,
                "yes" if row.installed else "no",
                _size(row.size_bytes),
                row.licence + (" (proprietary)" if row.proprietary else ""),
                row.note,
            )
            for row in rows
        ],
        right="SIZE",
    )


@commands.command("install")
def install(
    name: Annotated[
        str,
        typer.Argument(
            metavar="AGENT",
            help="As `paid agent list` shows it.",
            autocompletion=completion.agent_names,
        ),
    ],
    as_json: Json = False,
) -> None:
    """Build the image that holds an agent; a second time it is there already.

    [dim]paid agent install codex[/]
    """

    def progress(line: str) -> None:
        if not as_json:
            say(f"[dim]{shown(line)}[/]")

    image = installing.install(agent(name), connection.settings(), progress)
    if as_json:
        output.print_json({"agent": name, "image": image})
    else:
        say(f"[green]{shown(name)}[/] is installed as {shown(image)}.")


def _size(size_bytes: int | None) -> str:
    return "-" if size_bytes is None else f"{size_bytes / 1_000_000:.0f} MB"
