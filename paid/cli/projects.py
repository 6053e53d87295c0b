"""`paid project …`: which repositories Paid watches, and how."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from sqlmodel import Session
from temporalio.client import Client

from paid import check_lines, polls
from paid.cli import completion, connection, output
from paid.cli.output import Json, say, shown
from paid.cli.project_add import start_poll
from paid.errors import ConfigurationError
from paid.models import Policy, Project
from paid.settings import Settings
from paid.store import budgets, issues, projects

commands = typer.Typer(help="Projects: the repositories that Paid watches.", no_args_is_help=True)
Name = Annotated[
    str,
    typer.Argument(
        metavar="OWNER/REPO",
        help="The repository, or its number.",
        autocompletion=completion.project_names,
    ),
]


@commands.command("list")
def listing(
    removed: Annotated[
        bool, typer.Option("--removed", help="Also those that were removed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the projects."""
    with connection.database() as database, database.session() as session:
        found = projects.listing(session, include_removed=removed)
    if as_json:
        output.print_json([summary(project) for project in found])
    elif not found:
        say("There is no project yet. Add one: `paid project add OWNER/REPO`.")
    else:
        _print_table(found)


def _print_table(found: Sequence[Project]) -> None:
    """With the servers where there are several: a name may be on each of them."""
    headings = ["ID", "NAME", "STATE", "AGENT", "BRANCH", "INTERVAL"]
    rows: list[tuple[object, ...]] = [
        (p.id, p.full_name, _state(p), p.agent, p.default_branch, f"{p.interval_seconds} s")
        for p in found
    ]
    if len({project.api_url for project in found}) > 1:
        headings.append("SERVER")
        rows = [(*row, project.api_url) for row, project in zip(rows, found, strict=True)]
    output.table(headings, rows, right="ID")


def _state(project: Project) -> str:
    """The state, and why it is paused."""
    why = output.one_line(project.paused_reason)
    return f"{project.state}: {why}" if why else str(project.state)


@commands.command("show")
def show(name: Name, as_json: Json = False) -> None:
    """Show a project with all of its settings."""
    with connection.database() as database, database.session() as session:
        whole = details(session, projects.find(session, name))
    if as_json:
        output.print_json(whole)
        return
    flat: list[tuple[str, object]] = []
    for key, value in whole.items():
        flat += _lines(key, value)
    output.pairs(flat)


def summary(project: Project) -> dict[str, Any]:
    """A project as JSON."""
    return {
        "id": project.id,
        "name": project.full_name,
        "state": project.state,
        "paused_reason": project.paused_reason,
        "api_url": project.api_url,
        "default_branch": project.default_branch,
        "agent": project.agent,
        "model": project.model,
        "interval_seconds": project.interval_seconds,
        "time_zone": project.time_zone,
        "created_at": project.created_at,
    }


def details(session: Session, project: Project) -> dict[str, Any]:
    """A project with its labels, policy and limits, as JSON."""
    project_id = projects.number(project)
    policy = projects.policy(session, project_id)
    limits = budgets.limits(session, project_id)
    return summary(project) | {
        "labels": projects.labels(session, project_id),
        "webhook": project.webhook_credential_id is not None,
        "policy": {name: getattr(policy, name) for name in _policy_names()},
        "limits_cents": {period: limit.cents for period, limit in limits.items()},
        "refused_labels": [
            {"at": event.at, **event.data} for event in issues.refusals(session, project_id)
        ],
    }


def _policy_names() -> list[str]:
    return [name for name in Policy.model_fields if name not in {"id", "project_id"}]


def _lines(key: str, value: Any) -> list[tuple[str, object]]:
    if key == "limits_cents":
        return [(f"{period} limit", output.cents(limit)) for period, limit in value.items()]
    if key == "refused_labels":
        return [("refused label", _refusal(told)) for told in value]
    if key == "policy":
        checks = [("check", check_lines.shown(argv)) for argv in value["checks"]]
        allowed = [("allowed secret", _allowed(told)) for told in value["allowed_secrets"]]
        listed = {name for name, it in (("checks", checks), ("allowed_secrets", allowed)) if it}
        rest = {name: it for name, it in value.items() if name not in listed}
        return [*checks, *allowed, *_lines("settings", rest)]
    if isinstance(value, dict):
        return [
            (f"{inner} {'label' if key == 'labels' else ''}".strip(), text)
            for inner, text in value.items()
        ]
    return [(key.replace("_", " "), "-" if value in (None, "") else value)]


def _allowed(told: dict[str, str]) -> str:
    """A glob of paths, or a value's SHA-256, with who let it go, and why."""
    what = told.get("path") or f"SHA-256 {told.get('value')}"
    return f"{what}  by {told.get('by')}: {told.get('reason')}"


def _refusal(told: dict[str, Any]) -> str:
    return f"#{told['issue']} {told['code']}: {told['message']}"


@commands.command("pause")
def pause(
    name: Name,
    reason: Annotated[str, typer.Option(help="Shown with the project.")] = "",
    as_json: Json = False,
) -> None:
    """Start nothing new; runs that are under way go on."""
    _switch(name, as_json, "paused", reason)


@commands.command("resume")
def resume(name: Name, as_json: Json = False) -> None:
    """Watch a paused project again."""
    _switch(name, as_json, "resumed", "")


def _switch(name: str, as_json: bool, to: str, reason: str) -> None:
    settings, by = connection.settings(), connection.caller()
    with connection.database(settings) as database, database.session() as session:
        project = projects.find(session, name)
        project_id = projects.number(project)
        if to == "paused":
            changed = projects.pause(session, project_id, reason, by=by)
        else:
            changed = projects.resume(session, project_id, by=by)
    watched = _nudge(settings, project_id, start=to == "resumed")
    if as_json:
        output.print_json({"id": project_id, "changed": changed, "watched": watched})
    else:
        say(f"{shown(project.full_name)} is {to}." if changed else "Nothing to do: it is already.")


def _nudge(settings: Settings, project_id: int, *, start: bool) -> bool:
    """Let the poll see a change at once; it would see it at its next look anyway."""
    if start and not start_poll(settings, project_id):
        return False

    async def nudge(client: Client) -> bool:
        return await polls.tell_poll(client, project_id, "look_now")

    try:
        return connection.ask_temporal(settings, nudge)
    except ConfigurationError:
        return False


@commands.command("remove")
def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Stop watching a repository and forget its token; what happened stays on record."""
    settings = connection.settings()
    with connection.database(settings) as database:
        with database.session() as session:
            project = projects.find(session, name)
        if not yes and sys.stdin.isatty():
            typer.confirm(f"Stop watching {project.full_name} and forget its token?", abort=True)
        with database.session() as session:
            projects.remove(session, projects.number(project), by=connection.caller())
    _nudge(settings, projects.number(project), start=False)
    if as_json:
        output.print_json({"id": project.id, "removed": True})
    else:
        say(f"{shown(project.full_name)} is no longer watched, and its token is forgotten.")
