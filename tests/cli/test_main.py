"""Exit codes, help, and errors without tracebacks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from paid.cli import app, completion
from paid.cli.main import exit_code
from paid.cli.output import plain
from paid.errors import (
    BadInputError,
    BudgetExceededError,
    ConfigurationError,
    DockerUnavailableError,
    GitHubNotFoundError,
    GitHubRateLimitedError,
    GitHubUnauthorizedError,
    NotFoundError,
    PaidError,
)
from tests.cli.conftest import Paid, Repository

COMMANDS = [
    [],
    ["up"],
    ["doctor"],
    ["run"],
    ["runs"],
    ["logs"],
    ["cancel"],
    ["export"],
    ["login-link"],
    *[["project", verb] for verb in ("add", "list", "show", "set", "pause", "resume", "remove")],
    *[["agent", verb] for verb in ("list", "install")],
    *[["budget", verb] for verb in ("show", "raise")],
    *[["notify", verb] for verb in ("add", "list", "remove")],
    ["key", "rotate"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(paid: Paid, command: list[str]) -> None:
    answer = paid(*command, "--help")
    assert answer.code == 0
    assert "Usage" in answer.out
    if command:
        assert "--json" in answer.out


def parameters(command: Any, name: str = "paid") -> Iterator[tuple[str, str]]:
    """Every option and argument of every command, with its help."""
    for parameter in command.params:
        yield f"{name} {parameter.opts[0]}", getattr(parameter, "help", None) or ""
    for inner_name, inner in getattr(command, "commands", {}).items():
        yield from parameters(inner, f"{name} {inner_name}")


def test_every_option_of_every_command_says_what_it_is() -> None:
    found = dict(parameters(typer.main.get_command(app.make_app())))
    assert {"paid up --json", "paid project set --pids", "paid export --days"} <= found.keys()
    assert [name for name, help in found.items() if not help.strip()] == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFoundError("x"), 3),
        (GitHubNotFoundError("x"), 3),
        (BadInputError("x"), 2),
        (ConfigurationError("x"), 4),
        (DockerUnavailableError("x"), 4),
        (GitHubRateLimitedError("x", retry_after_seconds=1), 4),
        (GitHubUnauthorizedError("x"), 1),
        (BudgetExceededError("x"), 1),
        (PaidError("x"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_errors_kind_is_its_exit_code(error: PaidError, code: int) -> None:
    assert exit_code(error) == code


def test_usage_errors_are_bad_input(paid: Paid) -> None:
    assert paid("nonsense").code == 2
    assert paid("project", "show").code == 2


def test_debug_shows_where_an_error_came_from(paid: Paid) -> None:
    assert "Traceback" in paid("--debug", "project", "show", "a/b").err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jcleared", "cleared"),
        ("\x1bP1$r\x1b\\dcs", "dcs"),
        ("one\rtwo\r\nthree", "one\ntwo\nthree"),
        ("a\x00b\x08c\x7fd", "abcd"),
        ("\u202eright\u2066", "right"),
        ("unfinished \x1b]52;c;", "unfinished "),
        ("tab\tstays\n", "tab\tstays\n"),
    ],
)
def test_text_of_others_is_plain(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_the_shell_is_offered_projects_agents_and_runs(paid: Paid, project: Repository) -> None:
    paid("run", "acme/greeter#1")
    assert completion.project_names("ACME/") == ["acme/greeter"]
    assert completion.project_names("x") == []
    assert completion.agent_names("cod") == ["codex"]
    assert completion.live_runs("") == ["1"]


def test_completion_is_silent_without_servers(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    assert completion.project_names("") == []
    assert completion.live_runs("") == []


def test_each_command_is_in_the_module_that_is_loaded_for_it() -> None:
    assert set(typer.main.get_command(app.make_app()).commands) == set(app.COMMANDS)  # type: ignore[attr-defined]
    for name in app.COMMANDS:
        assert name in typer.main.get_command(app.make_app(name)).commands  # type: ignore[attr-defined]


SMALL = ("runs", "cancel", "logs", "notify", "key")


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """What is large and was not there before, for each of these commands, one after the other."""
    program = f"""
import json, sys
from paid.cli.app import make_app
loaded, before = {{}}, set()
for name in {SMALL!r}:
    make_app(name)
    large = {{"alembic", "docker", "github", "litestar"}} & set(sys.modules)
    loaded[name] = sorted(large - before)
    before |= large
print(json.dumps(loaded))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("name", SMALL)
def test_a_command_loads_nothing_large_that_it_does_not_need(
    name: str, loaded: dict[str, list[str]]
) -> None:
    assert loaded[name] == []
