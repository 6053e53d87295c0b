"""What a person may change about a project, and the change itself.

The command line and the dashboard's forms both come through `change`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from sqlmodel import Session, select

from paid.errors import BadInputError
from paid.models import Label, LabelPurpose, Project, ProjectState
from paid.store import budgets, credentials, events, projects
from paid.store.credentials import SecretBox
from paid.store.events import NewEvent
from paid.store.setting_rules import REGISTRIES, RULES

__all__ = ["REGISTRIES", "RULES", "UNSET", "ProjectChanges", "Unset", "change", "checked"]


class Unset(Enum):
    """Says that a setting is to stay as it is; None often is a value of its own."""

    UNSET = "unset"


UNSET = Unset.UNSET


@dataclass(frozen=True)
class ProjectChanges:
    """New values for a project's settings; what is UNSET stays.

    Money is in cents, None lifts the limit. `model` of "" means the agent's own default;
    `agent_command` is what the agent `command` runs.
    """

    agent: str | Unset = UNSET
    agent_command: list[str] | Unset = UNSET
    model: str | Unset = UNSET
    interval_seconds: int | Unset = UNSET
    time_zone: str | Unset = UNSET
    build_label: str | Unset = UNSET
    plan_label: str | Unset = UNSET
    cancel_label: str | Unset = UNSET
    checks: list[list[str]] | Unset = UNSET
    check_timeout_seconds: int | Unset = UNSET
    trusted_logins: list[str] | Unset = UNSET
    allowed_models: list[str] | Unset = UNSET
    fallback_models: list[str] | Unset = UNSET
    egress_hosts: list[str] | str | Unset = UNSET
    allow_workflow_changes: bool | Unset = UNSET
    draft_pull_request: bool | Unset = UNSET
    commit_name: str | Unset = UNSET
    commit_email: str | Unset = UNSET
    raw_filters: list[str] | Unset = UNSET
    max_iterations: int | Unset = UNSET
    max_tokens: int | Unset = UNSET
    max_seconds: int | Unset = UNSET
    cpus: float | Unset = UNSET
    memory_mib: int | Unset = UNSET
    pids: int | Unset = UNSET
    token: str | Unset = UNSET
    webhook_secret: str | Unset = UNSET
    warn_percents: list[int] | Unset = UNSET
    run_cents: int | Unset | None = UNSET
    issue_cents: int | Unset | None = UNSET
    daily_cents: int | Unset | None = UNSET
    weekly_cents: int | Unset | None = UNSET
    monthly_cents: int | Unset | None = UNSET

    def given(self) -> dict[str, Any]:
        """What is to change, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not UNSET}


_SECRETS = frozenset({"token", "webhook_secret"})
_LABELS = {
    "build_label": LabelPurpose.BUILD,
    "plan_label": LabelPurpose.PLAN,
    "cancel_label": LabelPurpose.CANCEL,
}
_BUDGETS = {
    "run_cents": "run_cents",
    "issue_cents": "issue_cents",
    "daily_cents": "day_cents",
    "weekly_cents": "week_cents",
    "monthly_cents": "month_cents",
}
_ON_PROJECT = frozenset({"agent", "model", "interval_seconds", "time_zone"})


def checked(changes: ProjectChanges) -> dict[str, Any]:
    """The changes as they are stored. Raises BadInputError for the first that cannot be."""
    return {name: RULES[name](name, value) for name, value in changes.given().items()}


def change(
    session: Session,
    project_id: int,
    changes: ProjectChanges,
    *,
    by: str,
    box: SecretBox | None = None,
) -> list[str]:
    """Change a project's settings, all or none; returns the names of those that were given.

    `box` is needed for the token and the webhook's secret alone.
    """
    values = checked(changes)
    project = projects.get(session, project_id, lock=True)
    if project.state == ProjectState.REMOVED:
        raise BadInputError(f"{project.full_name} was removed.", hint="Add it anew.")
    if not values:
        return []
    _change_columns(session, project, values)
    _change_labels(session, project_id, values)
    _change_secrets(session, box, project, values)
    limits = {_BUDGETS[name]: value for name, value in values.items() if name in _BUDGETS}
    session.flush()  # what is written below goes past the session, which then forgets its rows
    if limits:
        budgets.set_limits(session, project_id, **limits)
    shown = {name: "(secret)" if name in _SECRETS else value for name, value in values.items()}
    told = NewEvent("project.changed", {"by": by, "changes": shown})
    events.append_to_project(session, project_id, told)
    return sorted(values)


def _change_columns(session: Session, project: Project, values: Mapping[str, Any]) -> None:
    policy = projects.policy(session, projects.number(project))
    for name, value in values.items():
        if name in _ON_PROJECT:
            setattr(project, name, (value or None) if name == "model" else value)
        elif name not in _SECRETS and name not in _LABELS and name not in _BUDGETS:
            setattr(policy, name, value)
    session.add_all([project, policy])


def _change_labels(session: Session, project_id: int, values: Mapping[str, Any]) -> None:
    wanted = {purpose: values[name] for name, purpose in _LABELS.items() if name in values}
    if not wanted:
        return
    rows = session.exec(select(Label).where(Label.project_id == project_id)).all()
    after = {row.purpose: row.name for row in rows} | wanted
    if len({name.lower() for name in after.values()}) < len(after):
        raise BadInputError(
            "One label cannot serve two purposes.",
            hint="Choose different ones to build, to plan and to cancel.",
        )
    # A swap of two names must not meet the unique constraint half-way.
    changed = [row for row in rows if row.name != after[row.purpose]]
    for row in changed:
        session.delete(row)
    session.flush()
    session.add_all(
        Label(project_id=project_id, purpose=row.purpose, name=after[row.purpose])
        for row in changed
    )


def _change_secrets(
    session: Session, box: SecretBox | None, project: Project, values: Mapping[str, Any]
) -> None:
    given = {name: values[name] for name in _SECRETS if name in values}
    if given and box is None:
        raise BadInputError("Secrets cannot be changed here.", hint="Use `paid project set`.")
    for name, secret in given.items():
        assert box is not None  # noqa: S101 - seen above
        column = "credential_id" if name == "token" else "webhook_credential_id"
        kind = "github_token" if name == "token" else "webhook_secret"
        known = getattr(project, column)
        if known is None:
            setattr(project, column, credentials.add(session, box, kind, secret))
        else:
            credentials.replace(session, box, known, secret)
    session.add(project)
