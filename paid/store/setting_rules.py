"""What is allowed in each setting of a project, and what to do when something is not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import available_timezones

from paid.errors import BadInputError

REGISTRIES = "registries"
"""The word for the default of `egress_hosts`: the language registries. The gateway knows it too."""

_NO_PLACES = {"localtime", "Factory"}
"""Time zones that are another one on another machine."""

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
    if value not in available_timezones() - _NO_PLACES:
        raise _refused(name, value, "Name a time zone, as in `Europe/Berlin` or `UTC`.")
    return str(value)


_SHELL_HINT = "What a shell shall read is one word: `bash`, `-euo`, `pipefail`, `-c`, and the line."


def _checks(name: str, value: Any) -> list[list[str]]:
    hint = "Give each check as a program and its arguments, as in `python3 -m unittest`."
    if not isinstance(value, list) or len(value) > 50:
        raise _refused(name, value, "Give at most 50 checks.")
    for argv in value:
        if not isinstance(argv, list) or not 1 <= len(argv) <= 200:
            raise _refused(name, argv, hint)
        if not argv[0] or not all(isinstance(word, str) and "\0" not in word for word in argv):
            raise _refused(name, argv, hint)
        if {"&&", "||"} & set(argv):  # a program would take them for arguments, and be green
            raise _refused(name, argv, _SHELL_HINT)
    return value


def _command(name: str, value: Any) -> list[str]:
    """The program of the agent `command`; an empty list says that there is none."""
    if value == []:
        return []
    return _checks(name, [value])[0]


def _egress(name: str, value: Any) -> list[str] | None:
    """None for the registries alone; beside other hosts, their word stands in the list."""
    if value in (REGISTRIES, [REGISTRIES]):
        return None
    if not isinstance(value, list) or REGISTRIES not in value:
        hosts: list[str] = _hosts(name, value)
        return hosts
    others: list[str] = _hosts(name, [host for host in value if host != REGISTRIES])
    return [REGISTRIES, *others]


def _secret(name: str, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{1,500}", value.strip()):
        raise BadInputError(
            f"The {_spoken(name)} is empty, or has blanks or odd characters in it.",
            hint="Copy it anew.",
        )
    return value.strip()


def _percents(name: str, value: Any) -> list[int]:
    one = _whole(1, 100, "percent")
    if not isinstance(value, list) or len(value) > 10:
        raise _refused(name, value, "Give at most 10 percents, as in 50, 80 and 100.")
    return sorted({one(name, percent) for percent in value})


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
_models = _word(r"[A-Za-z0-9*][A-Za-z0-9._:/@*?-]{0,99}", "Name models, as in `claude-*`.")
_login = _word(r"[A-Za-z0-9][A-Za-z0-9_-]{0,98}(\[bot\])?", "Give a GitHub login, without the @.")
_host = _word(
    r"(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[0-9]{1,5})?",
    "Give host names in lower case, as in `example.org`, `*.example.org` or `example.org:8443`.",
)
_hosts = _several(_host, 200)
_commit_name = _word(
    r"[^\x00-\x1f\x7f-\x9f<>\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]{1,100}",
    "Give a name of 1 to 100 characters, without < and >, as in `Our robot`.",
)
_commit_email = _word(
    r"[A-Za-z0-9][A-Za-z0-9.+_\[\]-]{0,99}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*",
    "Give one address, as in `1234+our-robot@users.noreply.github.com`.",
)
_filter = _word(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", "Name git filters, as in `nbstripout`.")

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
    "allowed_models": _several(_models, 100),
    "fallback_models": _several(_model, 100),
    "egress_hosts": _egress,
    "allow_workflow_changes": _yes_or_no,
    "draft_pull_request": _yes_or_no,
    "commit_name": _commit_name,
    "commit_email": _commit_email,
    "raw_filters": _several(_filter, 50),
    "max_iterations": _whole(1, 100, "rounds"),
    "max_tokens": _whole(1_000, 1_000_000_000, "tokens"),
    "max_seconds": _whole(60, 604_800, "seconds"),
    "cpus": _cpus,
    "memory_mib": _whole(128, 1_048_576, "MiB"),
    "pids": _whole(16, 100_000, "processes"),
    "token": _secret,
    "webhook_secret": _secret,
    "warn_percents": _percents,
    "run_cents": _cents,
    "issue_cents": _cents,
    "daily_cents": _cents,
    "weekly_cents": _cents,
    "monthly_cents": _cents,
}
