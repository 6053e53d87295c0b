"""What scripts rely on: pages that end, JSON of our mistakes too, exit codes, moments, silence."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError

from paid.cli import connection
from paid.store import projects, run_list
from paid.store.credentials import SecretBox
from paid.store.database import Database
from paid.store.projects import NewProject
from tests.cli.conftest import Paid, Repository

PAID = (sys.executable, "-m", "paid")


@pytest.fixture
def at_the_prompt(paid: Paid, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """`paid project add` asks for the token, as it does in a terminal."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    return monkeypatch


def test_who_pages_until_nothing_comes_comes_to_an_end(
    paid: Paid, project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_list, "RUNS_PER_PAGE", 1)
    project.forge.add_issue("acme/greeter", "Another", "Please.", author="maria")
    for issue in (1, 2):
        assert paid("run", f"acme/greeter#{issue}").code == 0
    seen = [paid("runs", "--json", "--page", str(page)).json for page in (1, 2, 3, 999)]
    assert [[row["id"] for row in rows] for rows in seen] == [[2], [1], [], []]
    past = paid("runs", "--page", "3")
    assert (past.code, past.out) == (0, "There is no page 3: the last one is 2.\n")
    assert "No runs." in paid("runs", "--page", "3", "--group", "completed").out


def test_a_mistake_of_ours_is_told_to_programs_in_json(
    paid: Paid, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(connection, "settings", fail)
    answer = paid("project", "pause", "1", "--json")
    error = json.loads(answer.err)["error"]
    assert (answer.code, answer.out, error["code"]) == (1, "", "unforeseen")
    assert "RuntimeError: two\nlines" in error["message"]
    assert "--debug" in error["hint"]
    told = paid("--debug", "project", "pause", "1", "--json").err
    assert "Traceback" in told
    assert json.loads(told.splitlines()[-1])["error"] == error
    assert "should not have happened" in paid("project", "pause", "1").err


def test_an_error_of_the_database_does_not_repeat_what_was_given(database: Database) -> None:
    question = text("SELECT 1 / 0, CAST(:word AS text)")
    with pytest.raises(DataError) as raised, database.session() as session:
        session.connection().execute(question, {"word": "secret-canary"})
    assert "secret-canary" not in str(raised.value)


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize(("end", "code"), [(KeyboardInterrupt, 130), (EOFError, 1)])
def test_ctrl_c_at_the_tokens_prompt_is_an_interruption(
    paid: Paid,
    at_the_prompt: pytest.MonkeyPatch,
    end: type[BaseException],
    code: int,
    options: tuple[str, ...],
) -> None:
    def prompt(_: str) -> str:
        raise end

    at_the_prompt.setattr("getpass.getpass", prompt)
    answer = paid("project", "add", "acme/greeter", *options)
    assert answer.code == code
    assert "Traceback" not in answer.err


def test_the_servers_are_listed_where_there_are_several(
    paid: Paid, database: Database, tmp_path: Path
) -> None:
    box = SecretBox(tmp_path / "secret.key")
    urls = ["https://api.github.com", "https://github.example.org/api/v3"]

    def add(number: int) -> None:
        clone_url = f"https://{number}.example.org/acme/app.git"
        with database.session() as session:
            new = NewProject(urls[number], "acme", "app", number, clone_url, "main", "t")
            projects.add(session, box, new)

    add(0)
    assert "SERVER" not in paid("project", "list").out
    add(1)
    shown = paid("project", "list").out.splitlines()
    assert shown[0].split()[-1] == "SERVER"
    assert sorted(line.split()[-1] for line in shown[1:]) == urls
    listed = paid("project", "list", "--json").json
    assert sorted(project["api_url"] for project in listed) == urls


def test_the_moments_in_logs_are_written_as_everywhere(paid: Paid, project: Repository) -> None:
    number = str(paid("run", "acme/greeter#1", "--json").json["id"])
    lines = [json.loads(line) for line in paid("logs", number, "--json").out.splitlines()]
    assert lines
    for told in lines:
        assert told["at"] == datetime.fromisoformat(told["at"]).isoformat()
        assert "T" in told["at"]


def test_a_renamed_repository_is_followed_in_silence(
    greeter: Repository, environment: pytest.MonkeyPatch
) -> None:
    """PyGithub would say so on standard error, in the worker's log between lines of JSON."""
    greeter.forge.rename_repository("acme/greeter", "acme/welcome")
    argv = ("project", "add", "acme/greeter", "--api-url", greeter.api_url, "--json")
    token = ("--token-file", str(greeter.token_file))
    added = subprocess.run([*PAID, *argv, *token], capture_output=True, check=False)
    assert (added.returncode, added.stderr) == (0, b"")
    assert json.loads(added.stdout)["name"] == "acme/welcome"
