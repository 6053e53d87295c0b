"""The `paid` command and its groups."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer

HELP = """Label a GitHub issue, get a tested, reviewed, budgeted pull request.

Start with [bold]paid up[/] in one terminal, then in another:

  paid project add OWNER/REPO
  paid runs
  paid logs -f RUN

Exit codes: 0 done, 1 failed, 2 bad input, 3 not found, 4 a server does not answer, 130 interrupted.
"""

COMMANDS = {
    "up": "start",
    "login-link": "start",
    "doctor": "checkup",
    "run": "ask",
    "runs": "runs",
    "cancel": "runs",
    "release": "secrets",
    "work": "work",
    "retry": "work",
    "logs": "logs",
    "project": "project",
    "agent": "agents",
    "export": "budgets",
    "budget": "budgets",
    "notify": "notify",
    "key": "keys",
}
"""Which module of this room has a command, or a group of them."""


def make_app(wanted: str | None = None) -> typer.Typer:
    """All commands; of those known, the one that is wanted and what its module has beside it.

    Loading everything takes twice as long as most commands need.
    """
    app = typer.Typer(
        name="paid",
        help=HELP,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(options)
    modules = COMMANDS.values() if wanted is None else [COMMANDS[wanted]]
    for module in dict.fromkeys(modules):
        import_module(f"paid.cli.{module}").add_to(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"paid {version('paid')}")
        raise typer.Exit


def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
    shows_version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Options before the command's name. `--debug` is read by paid.cli.main."""
