"""Words that mean something else than themselves, and those that mean nothing."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Paid, Repository


@pytest.mark.parametrize(
    "option", ["--check", "--trust", "--allow-model", "--fallback-model", "--egress"]
)
@pytest.mark.parametrize("values", [("none", "true"), ("true", "none"), ("none", "none")])
def test_none_beside_other_values_is_refused(
    paid: Paid, project: Repository, option: str, values: tuple[str, str]
) -> None:
    before = paid("project", "show", "1", "--json").json
    answer = paid("project", "set", "1", option, values[0], option, values[1])
    assert answer.code == 2
    assert "Give none alone" in answer.err
    assert paid("project", "show", "1", "--json").json == before


def test_the_agents_command_is_taken_away_by_none(paid: Paid, project: Repository) -> None:
    commands = []
    for given in ("python3 agent.py", "none", "python3 agent.py", ""):
        assert paid("project", "set", "1", "--agent-command", given).code == 0
        policy = paid("project", "show", "1", "--json").json["policy"]
        commands.append(policy["agent_command"])
    assert commands == [["python3", "agent.py"], [], ["python3", "agent.py"], []]


def test_a_check_with_shell_syntax_is_stored_and_shown_as_the_shells(
    paid: Paid, project: Repository
) -> None:
    given = ("--check", "npm ci && npm test", "--check", "pytest -k 'a b'", "--check", "true")
    answer = paid("project", "set", "1", *given)
    assert answer.code == 0
    assert "The check true passes whatever a commit holds." in answer.err
    shown = paid("project", "show", "1").out
    assert "bash -euo pipefail -c 'npm ci && npm test'" in shown
    assert "pytest -k 'a b'" in shown
    checks = paid("project", "show", "1", "--json").json["policy"]["checks"]
    assert checks[0] == ["bash", "-euo", "pipefail", "-c", "npm ci && npm test"]


@pytest.mark.parametrize("line", ["cd web", "npm test &", "# npm test", "export CI=1"])
def test_a_check_that_tests_nothing_is_refused(paid: Paid, project: Repository, line: str) -> None:
    answer = paid("project", "set", "1", "--check", line)
    assert answer.code == 2
    assert "check" in answer.err


@pytest.mark.parametrize("line", ["", "  ", "''", "'' x"])
def test_a_check_without_a_program_says_what_one_is(
    paid: Paid, project: Repository, line: str
) -> None:
    answer = paid("project", "set", "1", "--check", line)
    assert answer.code == 2
    assert "A check is empty" in answer.err
    assert "python3 -m unittest" in answer.err


@pytest.mark.parametrize(
    "argv",
    [("project", "set", "1", "--agent", "nobody"), ("agent", "install", "nobody")],
    ids=" ".join,
)
def test_an_unknown_agent_cannot_be_used_while_the_project_is_found(
    paid: Paid, project: Repository, argv: tuple[str, ...]
) -> None:
    answer = paid(*argv, "--json")
    error = json.loads(answer.err)["error"]
    assert (answer.code, error["code"]) == (2, "bad_input")
    assert "nobody" in error["message"]
    assert "codex" in error["hint"]
