"""`paid work fetch RUN` and `paid retry RUN --publish`: what becomes of a failed run's commits."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from paid import control
from paid.cli import connection, output
from paid.cli.output import Json, say, shown
from paid.cli.runs import RunNumber
from paid.errors import BadInputError, NotFoundError
from paid.models import Run
from paid.settings import Settings
from paid.store import kept, runs

commands = typer.Typer(help="Commits of runs that failed.", no_args_is_help=True)
_KEPT_REF = "refs/heads/paid-kept"
_SAFE = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "fetch.fsckObjects=true",
    "-c", "fetch.recurseSubmodules=no", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
)  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(commands, name="work")
    app.command("retry")(retry)


@commands.command("fetch")
def fetch(
    number: RunNumber,
    repository: Annotated[
        Path, typer.Option("--repository", "-C", metavar="FOLDER", help="Your clone.")
    ] = Path(),
    branch: Annotated[
        str, typer.Option(help="The branch to make; default paid-run-RUN.", metavar="BRANCH")
    ] = "",
    bundle: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a git bundle instead.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring the commits of a failed run into a branch of your clone; nothing is checked out.

    [dim]paid work fetch 12[/]
    [dim]paid work fetch 12 -C ~/src/app --branch rescued[/]
    [dim]paid work fetch 12 --bundle run-12.bundle[/]
    """
    with connection.database() as database, database.session() as session:
        file, run = Path(kept.place(session, number)), runs.get(session, number)
    if not file.is_file():
        raise NotFoundError(
            f"The commits of run {number} are not on this machine: they were kept at"
            f" {run.host} as {file}.",
            hint=f"Run this command there. They are kept for {kept.DAYS} days.",
        )
    if bundle is not None:
        shutil.copyfile(file, bundle)
        told = {"id": number, "bundle": str(bundle), "head": run.head_sha}
        text = f"Wrote {shown(bundle)}: `git fetch {shown(bundle)} paid-kept` takes it."
    else:
        name = branch or f"paid-run-{number}"
        _into(repository, file, name)
        told = {"id": number, "branch": name, "head": run.head_sha}
        text = f"The commits of run {number} are the branch {shown(name)} now."
    output.print_json(told) if as_json else say(text)


def _into(repository: Path, file: Path, branch: str) -> None:
    """Fetch into a branch that is not there yet, or can be moved on. Raises BadInputError."""
    reference = f"refs/heads/{branch}"
    if _git(repository, "check-ref-format", reference).returncode != 0 or branch.startswith("-"):
        raise BadInputError(f"{branch!r} is not a name that a branch can have.")
    fetched = _git(
        repository, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--end-of-options",
        str(file.resolve()), f"{_KEPT_REF}:{reference}",
    )  # fmt: skip
    if fetched.returncode == 0:
        return
    said = fetched.stderr.strip()[-500:]
    if "not a git repository" in said:
        hint = "Name your clone with -C FOLDER, or write a file with --bundle FILE."
    elif "prerequisite" in said or "not in your" in said:
        hint = "Your clone lacks the commit that the run started from: `git fetch origin` first."
    else:
        hint = "Choose another branch with --branch, or write a file with --bundle FILE."
    raise BadInputError(f"git could not take the commits: {said}", hint=hint)


def _git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = ["git", "-C", str(repository), *_SAFE, *arguments]
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    except FileNotFoundError:
        raise BadInputError("git is not installed here.", hint="Install git.") from None


def retry(
    number: RunNumber,
    publish: Annotated[
        bool, typer.Option("--publish", help="Publish the commits that were kept of it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Publish the kept commits of a run that failed while publishing; no agent is paid again.

    The same rules and scans hold as the first time.

    [dim]paid retry 12 --publish[/]
    """
    if not publish:
        raise BadInputError(
            "Say what to try again.",
            hint=f"`paid retry {number} --publish` publishes what was kept; for another attempt"
            " of the agent, label the issue again or `paid run ISSUE_URL`.",
        )
    settings, by = connection.settings(), connection.caller()
    with connection.database(settings) as database, database.session() as session:
        run = kept.reopen(session, number, by)
    started = start(settings, run)
    if as_json:
        output.print_json({"id": number, "workflow_id": run.workflow_id, "started": started})
    else:
        say_started(number, started)


def start(settings: Settings, run: Run) -> bool:
    """Start the workflow of a run that was opened again; False when Temporal does not answer."""
    queue = settings.temporal_task_queue
    return connection.tell_temporal(settings, lambda client: control.start_run(client, run, queue))


def say_started(number: int, started: bool) -> None:
    """Say that a run is being published, or is going to be."""
    if started:
        say(f"Run {number} is being published. See it with `paid logs -f {number}`.")
    else:
        say(f"Run {number} is to be published; Temporal does not answer, so that waits for it.")
