"""`paid release RUN` and `paid project allow-secret`: letting go what looks like a secret."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from paid.cli import connection, output, work
from paid.cli.given import read_secret
from paid.cli.output import Json, say, shown
from paid.cli.projects import Name
from paid.cli.runs import RunNumber
from paid.store import kept, projects, runs, secrets

Reason = Annotated[str, typer.Option(help="Why it may be published; kept on record.")]
PathGlob = Annotated[
    str, typer.Option("--path", metavar="GLOB", help="Files, as in 'tests/keys/**'.")
]
ValueFile = Annotated[
    Path | None,
    typer.Option("--value-file", metavar="FILE", help="The value itself, in a file; - is a pipe."),
]
Fingerprint = Annotated[
    str, typer.Option(metavar="SHA256", help="The value's SHA-256, as `paid logs --json` has it.")
]


def add_to(app: typer.Typer) -> None:
    """Register `paid release`."""
    app.command("release")(release)


def add_to_project(commands: typer.Typer) -> None:
    """Register the commands of the group `paid project`."""
    commands.command("allow-secret")(allow)
    commands.command("disallow-secret")(disallow)


def release(number: RunNumber, reason: Reason, as_json: Json = False) -> None:
    """Let a run publish what its last refusal took for secrets, and nothing else.

    The run is published at once, without an agent. Who released it, when and why is on record.

    [dim]paid release 12 --reason "the key of the public test server"[/]
    """
    settings, by = connection.settings(), connection.caller()
    with connection.database(settings) as database, database.session() as session:
        found = secrets.found_in(session, runs.get(session, number))
        run = kept.release(session, number, by, reason)
    started = run.publishes_only and work.start(settings, run)
    if as_json:
        output.print_json({"id": number, "released": found, "started": started})
        return
    for each in found:
        say(f"Released: {shown(each['kind'])} in {shown(each['place'])}.")
    if run.publishes_only:
        work.say_started(number, started)
    else:
        say(f"Run {number} is at work still, and may publish them now.")


def allow(
    name: Name,
    reason: Reason,
    path: PathGlob = "",
    value_file: ValueFile = None,
    fingerprint: Fingerprint = "",
    as_json: Json = False,
) -> None:
    """Let every run of a project publish a value, or keys in some files, that look secret.

    Paid's own secrets never go by a path.

    [dim]paid project allow-secret team/app --path 'tests/keys/**' --reason "made for tests"[/]
    [dim]paid project allow-secret team/app --value-file - --reason "a public key of a map"[/]
    """
    value, by = _value(value_file, fingerprint), connection.caller()
    with connection.database() as database, database.session() as session:
        project = projects.find(session, name)
        secrets.allow(session, projects.number(project), by, reason, path=path, value=value)
    _tell(project.full_name, path or value, "may be published", as_json)


def disallow(
    name: Name,
    path: PathGlob = "",
    value_file: ValueFile = None,
    fingerprint: Fingerprint = "",
    as_json: Json = False,
) -> None:
    """Take back what `allow-secret` let go."""
    value, by = _value(value_file, fingerprint), connection.caller()
    with connection.database() as database, database.session() as session:
        project = projects.find(session, name)
        secrets.disallow(session, projects.number(project), by, path=path, value=value)
    _tell(project.full_name, path or value, "is looked for again", as_json)


def _value(file: Path | None, fingerprint: str) -> str:
    return fingerprint if file is None else hashlib.sha256(read_secret(file).encode()).hexdigest()


def _tell(project: str, what: str, becomes: str, as_json: bool) -> None:
    if as_json:
        output.print_json({"project": project, "entry": what})
    else:
        say(f"In {shown(project)}, {shown(what)} {becomes}.")
