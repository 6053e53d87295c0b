"""What a person may change about a project: what is allowed in each setting, and the change itself.

The command line and the dashboard's forms both come through `change`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any
from zoneinfo import available_timezones

from sqlmodel import Session, select

from paid.errors import BadInputError
from paid.models import Label, LabelPurpose, Project, ProjectState
from paid.store import budgets, credentials, events, projects
from paid.store.credentials import SecretBox
from paid.store.events import NewEvent


class Unset(Enum):
    """Says that a setting is to stay as it is; None often is a value of its own."""

    UNSET = "unset"


UNSET = Unset.UNSET
REGISTRIES = "registries"
"""The word for the default of `egress_hosts`: the language registries."""


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
    max_iterations: int | Unset = UNSET
    max_tokens: int | Unset = UNSET
    max_seconds: int | Unset = UNSET
    cpus: float | Unset = UNSET
    memory_mib: int | Unset = UNSET
    pids: int | Unset = UNSET
    token: str | Unset = UNSET
    webhook_secret: str | Unset = UNSET
    run_cents: int | Unset | None = UNSET
    issue_cents: int | Unset | None = UNSET
    daily_cents: int | Unset | None = UNSET
    weekly_cents: int | Unset | None = UNSET
    monthly_cents: int | Unset | None = UNSET

    def given(self) -> dict[str, Any]:
        """What is to change, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not UNSET}


Rule = Callable[[str, Any], Any]
"""Takes a setting's name and what a person gave; returns what is stored, or raises."""


def _whole(lowest: int, highest: int, unit: str = "") -> Rule:
    def rule(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _refused(name, value, f"Give a whole number{unit and f' of {unit}'}.")
        if not lowest <= value <= highest:
            raise _refused(name, value, f"Give {lowest:,} to {highest:,}{unit and f' {unit}'}.")
        return value

    return rule


def _cpus(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.1 <= value <= 256:
        raise _refused(name, value, "Give 0.1 to 256 processors.")
    return float(value)


def _yes_or_no(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _refused(name, value, "Say yes or no.")
    return value


def _word(pattern: str, hint: str, *, empty: bool = False) -> Rule:
    shape = re.compile(pattern)

    def rule(name: str, value: Any) -> str:
        text = value.strip() if isinstance(value, str) else None
        if text is None or not (shape.fullmatch(text) or (empty and not text)):
            raise _refused(name, value, hint)
        return text

    return rule


def _several(one: Rule, most: int) -> Rule:
    def rule(name: str, value: Any) -> list[str]:
        if not isinstance(value, list) or len(value) > most:
            raise _refused(name, value, f"Give a list of at most {most}.")
        return list(dict.fromkeys(one(name, item) for item in value))

    return rule


def _time_zone(name: str, value: Any) -> str:
    if value not in available_timezones():
        raise _refused(name, value, "Name a time zone, as in `Europe/Berlin` or `UTC`.")
    return str(value)


def _checks(name: str, value: Any) -> list[list[str]]:
    hint = "Give each check as a program and its arguments, as in `python3 -m unittest`."
    if not isinstance(value, list) or len(value) > 50:
        raise _refused(name, value, "Give at most 50 checks.")
    for argv in value:
        if not isinstance(argv, list) or not 1 <= len(argv) <= 200:
            raise _refused(name, argv, hint)
        if not argv[0] or not all(isinstance(word, str) and "\0" not in word for word in argv):
            raise _refused(name, argv, hint)
    return value


def _command(name: str, value: Any) -> list[str]:
    """The program of the agent `command`; an empty list says that there is none."""
    if value == []:
        return []
    return _checks(name, [value])[0]


def _egress(name: str, value: Any) -> list[str] | None:
    return None if value == REGISTRIES else _hosts(name, value)


def _secret(name: str, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{1,500}", value.strip()):
        raise BadInputError(
            f"The {_spoken(name)} is empty, or has blanks or odd characters in it.",
            hint="Copy it anew.",
        )
    return value.strip()


def _cents(name: str, value: Any) -> int | None:
    return None if value is None else _whole(0, 100_000_000, "cents")(name, value)


def _refused(name: str, value: Any, hint: str) -> BadInputError:
    shown = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:60]}…"
    return BadInputError(f"{shown} cannot be the {_spoken(name)}.", hint=hint)


def _spoken(name: str) -> str:
    return name.replace("_", " ")


_label = _word(r"[^\x00-\x1f\x7f,]{1,50}", "A label has 1 to 50 characters, without commas.")
_MODEL, _MODEL_HINT = r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}", "Name a model as its vendor does."
_model = _word(_MODEL, _MODEL_HINT)
_login = _word(r"[A-Za-z0-9][A-Za-z0-9_-]{0,98}(\[bot\])?", "Give a GitHub login, without the @.")
_host = _word(
    r"(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[0-9]{1,5})?",
    "Give host names in lower case, as in `example.org` or `*.example.org`.",
)
_hosts = _several(_host, 200)

RULES: Mapping[str, Rule] = {
    "agent": _word(r"[a-z][a-z0-9-]{0,39}", "`paid agent list` shows the agents."),
    "agent_command": _command,
    "model": _word(_MODEL, _MODEL_HINT, empty=True),
    "interval_seconds": _whole(1, 86_400, "seconds"),
    "time_zone": _time_zone,
    "build_label": _label,
    "plan_label": _label,
    "cancel_label": _label,
    "checks": _checks,
    "check_timeout_seconds": _whole(1, 86_400, "seconds"),
    "trusted_logins": _several(_login, 500),
    "allowed_models": _several(_model, 100),
    "fallback_models": _several(_model, 100),
    "egress_hosts": _egress,
    "allow_workflow_changes": _yes_or_no,
    "draft_pull_request": _yes_or_no,
    "max_iterations": _whole(1, 100, "rounds"),
    "max_tokens": _whole(1_000, 1_000_000_000, "tokens"),
    "max_seconds": _whole(60, 604_800, "seconds"),
    "cpus": _cpus,
    "memory_mib": _whole(128, 1_048_576, "MiB"),
    "pids": _whole(16, 100_000, "processes"),
    "token": _secret,
    "webhook_secret": _secret,
    "run_cents": _cents,
    "issue_cents": _cents,
    "daily_cents": _cents,
    "weekly_cents": _cents,
    "monthly_cents": _cents,
}

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
