"""The `paid` command and its groups."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from paid.cli import (
    agents,
    ask,
    budgets,
    checkup,
    keys,
    logs,
    notify,
    project_add,
    project_set,
    projects,
    runs,
    start,
)

HELP = """Label a GitHub issue, get a tested, reviewed, budgeted pull request.

Start with [bold]paid up[/] in one terminal, then in another:

  paid project add OWNER/REPO
  paid runs
  paid logs -f RUN

Exit codes: 0 done, 1 failed, 2 bad input, 3 not found, 4 a server does not answer, 130 interrupted.
"""

app = typer.Typer(
    name="paid",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (project_add, project_set):
    module.add_to(projects.app)
app.add_typer(projects.app, name="project")
app.add_typer(agents.app, name="agent")
app.add_typer(budgets.app, name="budget")
app.add_typer(notify.app, name="notify")
app.add_typer(keys.app, name="key")
for module in (start, checkup, ask, runs, logs):
    module.add_to(app)
app.command("export")(budgets.export)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"paid {version('paid')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
    shows_version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Options before the command's name. `--debug` is read by paid.cli.main."""
