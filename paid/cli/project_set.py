"""`paid project set`: every setting of a project, as options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from paid.agents import registry
from paid.cli import connection, output
from paid.cli.given import NONE, cents, percents, read_secret, words
from paid.cli.output import Json, say, shown
from paid.cli.projects import Name
from paid.cli.waking import wake
from paid.errors import BadInputError
from paid.github.client import GitHub
from paid.models import LabelPurpose, Project
from paid.registration import ensure_labels
from paid.store import holds, projects
from paid.store.credentials import SecretBox
from paid.store.project_settings import REGISTRIES, ProjectChanges, change

_WORK, _MONEY, _LIMITS, _PEOPLE = "What runs do", "Money", "Limits", "Labels, people, secrets"

List = list[str] | None
Cents = Annotated[str | None, typer.Option(metavar="CENTS|none", rich_help_panel=_MONEY)]
Label = Annotated[str | None, typer.Option(metavar="LABEL", rich_help_panel=_PEOPLE)]
Whole = Annotated[int | None, typer.Option(rich_help_panel=_LIMITS)]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("set", no_args_is_help=True)(set_)


# So long because typer reads a command's options from its signature: one line each.
def set_(
    name: Name,
    agent: Annotated[
        str | None, typer.Option(rich_help_panel=_WORK, help="`paid agent list`")
    ] = None,
    agent_command: Annotated[
        str | None, typer.Option(rich_help_panel=_WORK, help="What the agent `command` runs")
    ] = None,
    model: Annotated[
        str | None, typer.Option(rich_help_panel=_WORK, help="none: the agent's own default")
    ] = None,
    check: Annotated[
        List,
        typer.Option(rich_help_panel=_WORK, help="A command to pass; repeat it; none: no checks"),
    ] = None,
    check_timeout_seconds: Whole = None,
    allow_model: Annotated[
        List, typer.Option(rich_help_panel=_WORK, help="Repeat it; none: every priced model")
    ] = None,
    fallback_model: Annotated[List, typer.Option(rich_help_panel=_WORK, help="Repeat it")] = None,
    egress: Annotated[
        List,
        typer.Option(
            rich_help_panel=_WORK,
            help="A host that installs may reach; repeat it; registries; none",
        ),
    ] = None,
    workflow_changes: Annotated[
        bool | None, typer.Option(rich_help_panel=_WORK, help="Push changes of .github/workflows")
    ] = None,
    draft: Annotated[
        bool | None, typer.Option(rich_help_panel=_WORK, help="Open pull requests as drafts")
    ] = None,
    interval_seconds: Whole = None,
    max_iterations: Whole = None,
    max_tokens: Whole = None,
    max_seconds: Whole = None,
    cpus: Annotated[float | None, typer.Option(rich_help_panel=_LIMITS)] = None,
    memory_mib: Whole = None,
    pids: Whole = None,
    run_cents: Cents = None,
    issue_cents: Cents = None,
    daily_cents: Cents = None,
    weekly_cents: Cents = None,
    monthly_cents: Cents = None,
    time_zone: Annotated[
        str | None, typer.Option(rich_help_panel=_MONEY, help="When its day begins")
    ] = None,
    warn_percent: Annotated[
        List,
        typer.Option(rich_help_panel=_MONEY, help="Warn at that part of a limit; repeat it; none"),
    ] = None,
    build_label: Label = None,
    plan_label: Label = None,
    cancel_label: Label = None,
    trust: Annotated[
        List,
        typer.Option(
            rich_help_panel=_PEOPLE,
            help="A login that may label without write access; repeat it; none",
        ),
    ] = None,
    token_file: Annotated[Path | None, typer.Option(rich_help_panel=_PEOPLE)] = None,
    webhook_secret_file: Annotated[Path | None, typer.Option(rich_help_panel=_PEOPLE)] = None,
    as_json: Json = False,
) -> None:
    """Change a project's settings; what is not named stays as it is.

    [dim]paid project set team/app --daily-cents 2000 --run-cents 300[/]
    [dim]paid project set team/app --check "python3 -m unittest" --check "ruff check"[/]
    [dim]paid project set team/app --agent claude-code --egress registries --egress example.org[/]
    """
    given = {
        "agent": agent,
        "agent_command": None if agent_command is None else words(agent_command),
        "model": "" if model == NONE else model,
        "checks": None if check is None else [words(line) for line in _list(check) or []],
        "check_timeout_seconds": check_timeout_seconds,
        "allowed_models": _list(allow_model),
        "fallback_models": _list(fallback_model),
        "egress_hosts": REGISTRIES if egress == [REGISTRIES] else _list(egress),
        "allow_workflow_changes": workflow_changes,
        "draft_pull_request": draft,
        "interval_seconds": interval_seconds,
        "max_iterations": max_iterations,
        "max_tokens": max_tokens,
        "max_seconds": max_seconds,
        "cpus": cpus,
        "memory_mib": memory_mib,
        "pids": pids,
        "time_zone": time_zone,
        "warn_percents": percents(warn_percent),
        "build_label": build_label,
        "plan_label": plan_label,
        "cancel_label": cancel_label,
        "trusted_logins": _list(trust),
        "token": None if token_file is None else read_secret(token_file),
        "webhook_secret": None if webhook_secret_file is None else read_secret(webhook_secret_file),
    }
    money = {
        "run_cents": run_cents,
        "issue_cents": issue_cents,
        "daily_cents": daily_cents,
        "weekly_cents": weekly_cents,
        "monthly_cents": monthly_cents,
    }
    wanted: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    wanted |= {key: cents(value) for key, value in money.items() if value is not None}
    apply(name, wanted, as_json)


def apply(name: str, wanted: dict[str, Any], as_json: bool) -> None:
    """Change the settings, and make labels that the repository lacks."""
    if not wanted:
        raise BadInputError("No setting was named.", hint="`paid project set --help` lists them.")
    if "agent" in wanted:
        registry.get(wanted["agent"])
    settings = connection.settings()
    box = SecretBox(settings.secret_key_path)
    with connection.database(settings) as database, database.session() as session:
        project = projects.find(session, name)
        project_id = projects.number(project)
        changes = ProjectChanges(**wanted)
        changed = change(session, project_id, changes, by=connection.caller(), box=box)
        labels = projects.labels(session, project_id)
        token = projects.token(session, box, project)
        waiting = holds.waiting_workflows(session, project_id)
    wake(settings, waiting)
    made = _ensure_labels(project, token, labels, changed)
    if as_json:
        output.print_json({"id": project_id, "changed": changed, "labels_made": made})
        return
    if made:
        say(f"Made the labels {shown(', '.join(made))} there, because they were missing.")
    say(f"Changed {', '.join(changed).replace('_', ' ')} of {shown(project.full_name)}.")


def _ensure_labels(
    project: Project, token: str, labels: dict[str, str], changed: list[str]
) -> tuple[str, ...]:
    """Make the labels that the project now goes by, where the repository lacks them."""
    wanted = [
        (LabelPurpose(purpose), name)
        for purpose, name in labels.items()
        if f"{purpose}_label" in changed
    ]
    if not wanted:
        return ()
    github = GitHub(token, project.api_url)
    try:
        return ensure_labels(github, project.full_name, wanted)
    finally:
        github.close()


def _list(words: List) -> list[str] | None:
    """None was not given; `none` empties the list."""
    return [] if words == [NONE] else words
