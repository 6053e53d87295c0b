"""`paid doctor`: is every part there, and how to mend what is not."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from paid.cli import connection, output
from paid.cli.output import Json, say, shown
from paid.doctor import Finding, State, examine

LOOKS = {
    State.OK: "[green]ok     [/]",
    State.WARNING: "[yellow]warning[/]",
    State.BROKEN: "[bold red]broken [/]",
    State.SKIPPED: "[dim]skipped[/]",
}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("doctor")(doctor)


def doctor(
    online: Annotated[
        bool, typer.Option("--online", help="Also try the models' keys and each token's rights.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check every part and say how to mend what is broken; exit code 1 if something is."""
    found = examine(connection.settings(), online=online)
    bad = [finding for finding in found if finding.state == State.BROKEN]
    if as_json:
        output.print_json({"ok": not bad, "findings": [asdict(finding) for finding in found]})
    else:
        for finding in found:
            _show(finding)
        say(f"\n{len(bad)} broken." if bad else "\nAll that a run needs is there.")
    if bad:
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    say(f"{LOOKS[finding.state]} [bold]{shown(finding.name)}[/]: {shown(finding.detail)}")
    if finding.mend:
        say(f"        → {shown(finding.mend)}")
