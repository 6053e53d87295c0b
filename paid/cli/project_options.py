"""The options of `paid project set`: one line for each setting.

Typer reads a command's options from a signature; `signature_of` makes that from this table.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from paid.cli.given import NONE, cents, percents, read_secret, words
from paid.store.project_settings import REGISTRIES

_WORK, _MONEY, _LIMITS, _PEOPLE = "What runs do", "Money", "Limits", "Labels, people, secrets"


def _as_given(value: Any) -> Any:
    return value


def _listed(texts: list[str]) -> list[str]:
    """`none` empties the list."""
    return [] if texts == [NONE] else texts


@dataclass(frozen=True)
class Choice:
    """An option: `--{name}`, the setting that it changes, and how what was given becomes that."""

    name: str
    kind: Any
    panel: str
    help: str | None = None
    setting: str = ""
    """A field of `ProjectChanges`; empty for the option's own name."""
    read: Callable[[Any], Any] = _as_given
    metavar: str | None = None

    @property
    def parameter(self) -> inspect.Parameter:
        """What typer reads; None is an option that was not given."""
        shown = typer.Option(rich_help_panel=self.panel, help=self.help, metavar=self.metavar)
        return inspect.Parameter(
            self.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[self.kind | None, shown],
        )


def _whole(name: str) -> Choice:
    return Choice(name, int, _LIMITS)


def _money(name: str) -> Choice:
    return Choice(name, str, _MONEY, read=cents, metavar="CENTS|none")


def _label(name: str) -> Choice:
    return Choice(name, str, _PEOPLE, metavar="LABEL")


def _several(name: str, setting: str, help: str, panel: str = _WORK) -> Choice:
    return Choice(name, list[str], panel, help, setting, _listed)


def _model(name: str) -> str:
    return "" if name == NONE else name


def _checks(lines: list[str]) -> list[list[str]]:
    return [words(line) for line in _listed(lines)]


def _egress(hosts: list[str]) -> Any:
    return REGISTRIES if hosts == [REGISTRIES] else _listed(hosts)


CHOICES = (
    Choice("agent", str, _WORK, "`paid agent list`"),
    Choice("agent_command", str, _WORK, "What the agent `command` runs", read=words),
    Choice("model", str, _WORK, "none: the agent's own default", read=_model),
    Choice(
        "check",
        list[str],
        _WORK,
        "A command to pass; repeat it; none: no checks",
        "checks",
        _checks,
    ),
    _whole("check_timeout_seconds"),
    _several("allow_model", "allowed_models", "Repeat it; none: every priced model"),
    _several("fallback_model", "fallback_models", "Repeat it"),
    Choice(
        "egress",
        list[str],
        _WORK,
        "A host that installs may reach; repeat it; registries; none",
        "egress_hosts",
        _egress,
    ),
    Choice(
        "workflow_changes",
        bool,
        _WORK,
        "Push changes of .github/workflows",
        "allow_workflow_changes",
    ),
    Choice("draft", bool, _WORK, "Open pull requests as drafts", "draft_pull_request"),
    _whole("interval_seconds"),
    _whole("max_iterations"),
    _whole("max_tokens"),
    _whole("max_seconds"),
    Choice("cpus", float, _LIMITS),
    _whole("memory_mib"),
    _whole("pids"),
    _money("run_cents"),
    _money("issue_cents"),
    _money("daily_cents"),
    _money("weekly_cents"),
    _money("monthly_cents"),
    Choice("time_zone", str, _MONEY, "When its day begins"),
    Choice(
        "warn_percent",
        list[str],
        _MONEY,
        "Warn at that part of a limit; repeat it; none",
        "warn_percents",
        percents,
    ),
    _label("build_label"),
    _label("plan_label"),
    _label("cancel_label"),
    _several(
        "trust",
        "trusted_logins",
        "A login that may label without write access; repeat it; none",
        _PEOPLE,
    ),
    Choice("token_file", Path, _PEOPLE, setting="token", read=read_secret),
    Choice("webhook_secret_file", Path, _PEOPLE, setting="webhook_secret", read=read_secret),
)


def signature_of(command: Callable[..., None]) -> inspect.Signature:
    """The command's own parameters, and before its last one an option for each setting."""
    whole = inspect.signature(command, eval_str=True)
    own = [
        parameter
        for parameter in whole.parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    options = [choice.parameter for choice in CHOICES]
    last = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own[-1:]]
    return whole.replace(parameters=[*own[:-1], *options, *last])


def settings_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were named. Raises BadInputError for what cannot be read."""
    return {
        choice.setting or choice.name: choice.read(given[choice.name])
        for choice in CHOICES
        if given[choice.name] is not None
    }
