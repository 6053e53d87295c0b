"""`paid project set`: every setting of a project, as options."""

from __future__ import annotations

import sys
from typing import Any

import typer
from sqlmodel import Session

from paid import check_lines, polls
from paid.cli import connection, output
from paid.cli.output import Json, say, shown
from paid.cli.project_options import settings_of, signature_of
from paid.cli.projects import Name
from paid.cli.waking import wake
from paid.errors import BadInputError, GitHubError
from paid.github.client import GitHub
from paid.models import LabelPurpose, Project
from paid.registration import LabelsMade, check_rights, ensure_labels
from paid.settings import Settings
from paid.store import budgets, holds, projects
from paid.store.credentials import SecretBox
from paid.store.project_settings import ProjectChanges, change

MONEY = frozenset(
    {
        *("run_cents", "issue_cents", "daily_cents", "weekly_cents", "monthly_cents"),
        *("agent", "model"),
    }
)
"""What decides whether a request fits under the limits."""


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    set_.__signature__ = signature_of(set_)  # type: ignore[attr-defined]
    app.command("set", no_args_is_help=True)(set_)


def set_(name: Name, as_json: Json = False, **given: Any) -> None:
    """Change a project's settings; what is not named stays as it is.

    [dim]paid project set team/app --daily-cents 2000 --run-cents 300[/]
    [dim]paid project set team/app --check "python3 -m unittest" --check "ruff check"[/]
    [dim]paid project set team/app --agent claude-code --egress registries --egress example.org[/]
    """
    apply(name, settings_of(given), as_json)


_NO_PRICE = (
    "Nobody knows a price of the model {!r}, so no request of it will pass. Is it written as its"
    " vendor writes it? One of your own gets its price in {}."
)


def apply(name: str, wanted: dict[str, Any], as_json: bool) -> None:
    """Change the settings, and make labels that the repository lacks."""
    if not wanted:
        raise BadInputError("No setting was named.", hint="`paid project set --help` lists them.")
    settings = connection.settings()
    box = SecretBox(settings.secret_key_path)
    if "token" in wanted:
        _try_token(settings, name, wanted["token"])
    with connection.database(settings) as database, database.session() as session:
        project = projects.find(session, name)
        project_id = projects.number(project)
        changes = ProjectChanges(**wanted)
        changed = change(session, project_id, changes, by=connection.caller(), box=box)
        labels = projects.labels(session, project_id)
        token = projects.token(session, box, project)
        waiting = holds.waiting_workflows(session, project_id)
        warnings = _warnings(settings, session, project) if MONEY & set(changed) else []
    wake(settings, waiting)
    if "interval_seconds" in changed:
        _look_now(settings, project_id)
    for argv in wanted.get("checks", ()):
        if check_lines.cannot_fail(argv):
            note = f"The check {check_lines.shown(argv)} passes whatever a commit holds."
            print(output.plain(note), file=sys.stderr)
    there = _ensure_labels(project, token, labels, changed)
    if there.advice:
        print(output.plain(there.advice), file=sys.stderr)
    for warning in warnings:
        print(output.plain(warning), file=sys.stderr)
    if as_json:
        told: dict[str, object] = {
            "labels_made": there.made,
            "labels_not_made": there.not_made,
            "warnings": warnings,
        }
        output.print_json({"id": project_id, "changed": changed} | told)
        return
    if there.made:
        say(f"Made the labels {shown(', '.join(there.made))} there, because they were missing.")
    say(f"Changed {', '.join(changed).replace('_', ' ')} of {shown(project.full_name)}.")


def _try_token(settings: Settings, name: str, token: str) -> None:
    """Refuse a token that GitHub says lacks a right; warn of one that could not be tried."""
    with connection.database(settings) as database, database.session() as session:
        project = projects.find(session, name)
    github = GitHub(token, project.api_url)
    try:
        found = github.repository(project.full_name)
        missing = github.missing_rights(found)
    except GitHubError as error:
        print(output.plain(f"The token could not be tried. {error}"), file=sys.stderr)
        return
    finally:
        github.close()
    check_rights(found, missing)


def _warnings(settings: Settings, session: Session, project: Project) -> list[str]:
    """What would fail every run: no command, no price, a limit that lets no request pass."""
    from paid.gateway.first_request import first_request  # noqa: PLC0415 - loads the list prices

    project_id = projects.number(project)
    if project.agent == "command" and not projects.policy(session, project_id).agent_command:
        return ["The agent 'command' has no command yet: name it with --agent-command."]
    prices = settings.data_dir / "prices.json"
    request = first_request(prices, project.agent, project.model)
    if request is None:
        return [_NO_PRICE.format(project.model, prices)] if project.model else []
    caps = budgets.limits(session, project_id)
    warning = request.warning({name: cap.cents for name, cap in caps.items()})
    return [warning] if warning else []


def _look_now(settings: Settings, project_id: int) -> None:
    """Let the poll look at once: it would see a new interval only when the old one, a day maybe,
    is over."""
    if not connection.tell_temporal(
        settings, lambda client: polls.tell_poll(client, project_id, "look_now")
    ):
        told = "Temporal does not answer: the interval holds from the next look on."
        print(told, file=sys.stderr)


def _ensure_labels(
    project: Project, token: str, labels: dict[str, str], changed: list[str]
) -> LabelsMade:
    """Make the labels that the project now goes by, where the repository lacks them."""
    wanted = [
        (LabelPurpose(purpose), name)
        for purpose, name in labels.items()
        if f"{purpose}_label" in changed
    ]
    if not wanted:
        return LabelsMade()
    github = GitHub(token, project.api_url)
    try:
        return ensure_labels(github, project.full_name, wanted)
    finally:
        github.close()
