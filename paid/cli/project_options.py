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

from paid import check_lines
from paid.cli.given import NONE, agent, cents, command, listed, percents, read_secret
from paid.store.project_settings import REGISTRIES

_WORK, _MONEY, _LIMITS, _PEOPLE = "What runs do", "Money", "Limits", "Labels, people, secrets"


def _as_given(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Choice:
    """An option: `--{name}`, the setting that it changes, and how what was given becomes that."""

    name: str
    kind: Any
    panel: str
    help: str
    """What it does, its unit, its default, and an example where the name does not give them."""
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


def _whole(name: str, help: str) -> Choice:
    return Choice(name, int, _LIMITS, help)


def _money(name: str, counts: str, default: str) -> Choice:
    text = f"What {counts} may cost, in cents, or none; default {default}; as in 500"
    return Choice(name, str, _MONEY, text, read=cents, metavar="CENTS|none")


def _label(name: str, does: str, default: str) -> Choice:
    text = f"The label that {does}, made where it is missing; default {default}"
    return Choice(name, str, _PEOPLE, text, metavar="LABEL")


def _several(name: str, setting: str, help: str, panel: str = _WORK) -> Choice:
    return Choice(name, list[str], panel, help, setting, listed)


def _model(name: str) -> str:
    return "" if name == NONE else name


def _checks(lines: list[str]) -> list[list[str]]:
    return [check_lines.parse(line) for line in listed(lines)]


def _egress(hosts: list[str]) -> Any:
    return REGISTRIES if hosts == [REGISTRIES] else listed(hosts)


CHOICES = (
    Choice(
        "agent",
        str,
        _WORK,
        "Who works, of `paid agent list`; default codex; as in aider",
        read=agent,
    ),
    Choice(
        "agent_command",
        str,
        _WORK,
        "What the agent `command` runs; none is the default; as in 'python3 agent.py'",
        read=command,
    ),
    Choice(
        "model",
        str,
        _WORK,
        "none is the default: the agent's own; as in claude-opus-4-5",
        read=_model,
    ),
    Choice(
        "check",
        list[str],
        _WORK,
        "A command that must pass, by bash where it holds shell syntax; repeat it; none is the "
        "default; as in 'npm ci && npm test'",
        "checks",
        _checks,
    ),
    _whole("check_timeout_seconds", "Seconds that one check may take; default 900; as in 300"),
    _several(
        "allow_model",
        "allowed_models",
        "A model that may be used; repeat it; none is the default: every priced one; "
        "as in 'claude-*'",
    ),
    _several(
        "fallback_model",
        "fallback_models",
        "A model for when the vendor is overloaded; repeat it in order; none is the default; "
        "as in gpt-5",
    ),
    Choice(
        "egress",
        list[str],
        _WORK,
        "A host that installs may reach; repeat it; none; registries is the default: the "
        "languages' own; as in example.org:8443",
        "egress_hosts",
        _egress,
    ),
    Choice(
        "workflow_changes",
        bool,
        _WORK,
        "Push changes of .github/workflows; default no",
        "allow_workflow_changes",
    ),
    Choice("draft", bool, _WORK, "Open pull requests as drafts; default yes", "draft_pull_request"),
    Choice(
        "commit_name",
        str,
        _WORK,
        "Author and committer of what is published; default Paid; as in 'Our robot'",
    ),
    Choice(
        "commit_email",
        str,
        _WORK,
        "Their address; default noreply@paid.invalid; nobody's; "
        "as in 1234+our-robot@users.noreply.github.com",
    ),
    _several(
        "raw_filter",
        "raw_filters",
        "A git filter whose files may be published unfiltered; repeat it; none is the default; "
        "as in nbstripout",
    ),
    _whole("interval_seconds", "Seconds between two looks at GitHub; default 60; as in 30"),
    _whole("max_iterations", "Rounds of agent and checks in a run; default 10; as in 4"),
    _whole("max_tokens", "Tokens that a run may use in all; default 2000000; as in 500000"),
    _whole("max_seconds", "Seconds that a run may work in all; default 14400; as in 3600"),
    Choice("cpus", float, _LIMITS, "Processors of a container; default 2; as in 1.5"),
    _whole("memory_mib", "Memory of a container, in MiB; default 4096; as in 2048"),
    _whole("pids", "Processes in a container at once; default 512; as in 256"),
    _money("run_cents", "one run", "500"),
    _money("issue_cents", "an issue over all its runs", "none"),
    _money("daily_cents", "a day's runs", "2000"),
    _money("weekly_cents", "a week's runs", "none"),
    _money("monthly_cents", "a month's runs", "none"),
    Choice(
        "time_zone", str, _MONEY, "Where its days begin at midnight; default UTC; as in Asia/Tokyo"
    ),
    Choice(
        "warn_percent",
        list[str],
        _MONEY,
        "Percent of a limit at which people are warned; repeat it; none; default 50, 80, 100; "
        "as in 75",
        "warn_percents",
        percents,
    ),
    _label("build_label", "starts a run", "paid-build"),
    _label("plan_label", "asks for a plan", "paid-plan"),
    _label("cancel_label", "stops a run", "paid-cancel"),
    _several(
        "trust",
        "trusted_logins",
        "A login that may label without write access; repeat it; none is the default; "
        "as in octocat",
        _PEOPLE,
    ),
    Choice(
        "token_file",
        Path,
        _PEOPLE,
        "File with a new GitHub token; - is standard input; as in token.txt",
        "token",
        read_secret,
    ),
    Choice(
        "webhook_secret_file",
        Path,
        _PEOPLE,
        "File with the secret that signs GitHub's deliveries; - is standard input; "
        "as in secret.txt",
        "webhook_secret",
        read_secret,
    ),
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
