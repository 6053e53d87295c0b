"""`paid project …` against a real forge and a real database."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from paid.cli.project_options import CHOICES
from paid.demo.forge import Fault
from paid.embedded import TemporalServer
from paid.errors import BadInputError
from paid.registration import checked_api_url
from tests.cli.conftest import Paid, Repository
from tests.poll_signals import Signals, signals_of_poll


@pytest.fixture
def at_temporal(
    environment: pytest.MonkeyPatch, temporal_server: TemporalServer
) -> Iterator[Signals]:
    """Commands find a Temporal; tells what the first project's poll was told there."""
    environment.setenv("TEMPORAL_ADDRESS", temporal_server.address)
    with signals_of_poll(temporal_server, 1) as signals:
        yield signals


def test_adding_checks_stores_and_makes_labels(paid: Paid, greeter: Repository) -> None:
    added = paid(
        *("project", "add", "ACME/Greeter", "--api-url", greeter.api_url + "/", "--json"),
        *("--token-file", str(greeter.token_file)),
    )
    assert added.code == 0, added.err
    assert added.json == {
        "id": 1,
        "name": "acme/greeter",
        "default_branch": "main",
        "labels_made": ["paid-build", "paid-plan", "paid-cancel"],
        "labels_not_made": [],
        "watched": False,
    }
    assert paid("project", "list", "--json").json[0]["name"] == "acme/greeter"
    shown = paid("project", "show", "acme/greeter", "--json").json
    assert shown["labels"]["build"] == "paid-build"
    assert shown["limits_cents"] == {
        "run": 500,
        "issue": None,
        "day": 2000,
        "week": None,
        "month": None,
    }


@pytest.mark.parametrize("status", [403, 404, 502])
def test_a_project_is_added_and_watched_though_its_labels_cannot_be_made(
    paid: Paid, greeter: Repository, at_temporal: Signals, status: int
) -> None:
    greeter.forge.fail(Fault("status", status, method="POST", path="/labels$", times=-1))
    added = paid(
        *("project", "add", "acme/greeter", "--api-url", greeter.api_url, "--json"),
        *("--token-file", str(greeter.token_file)),
    )
    assert added.code == 0, added.err
    assert (added.json["id"], added.json["labels_made"], added.json["watched"]) == (1, [], True)
    assert added.json["labels_not_made"] == ["paid-build", "paid-plan", "paid-cancel"]
    assert "labels paid-build, paid-plan, paid-cancel" in added.err
    assert ("Issues: write" in added.err) == (status < 500)
    assert at_temporal() == []
    assert paid("project", "list", "--json").json[0]["name"] == "acme/greeter"


def test_one_label_that_cannot_be_made_hinders_no_other(paid: Paid, greeter: Repository) -> None:
    greeter.forge.fail(Fault("status", 403, method="POST", path="/labels$"))
    added = paid(
        *("project", "add", "acme/greeter", "--api-url", greeter.api_url),
        *("--token-file", str(greeter.token_file)),
    )
    assert added.code == 0, added.err
    assert "Made the labels paid-plan, paid-cancel there" in added.out
    assert "labels paid-build (" in added.err


def test_a_setting_is_kept_though_its_label_cannot_be_made(paid: Paid, project: Repository) -> None:
    project.forge.fail(Fault("status", 403, method="POST", path="/labels$"))
    changed = paid("project", "set", "1", "--build-label", "go", "--json")
    assert changed.code == 0, changed.err
    assert changed.json["labels_not_made"] == ["go"]
    assert "Issues: write" in changed.err


def test_a_new_interval_holds_at_once(
    paid: Paid, at_temporal: Signals, project: Repository
) -> None:
    assert paid("project", "set", "1", "--max-iterations", "3").code == 0
    assert at_temporal() == []
    changed = paid("project", "set", "1", "--interval-seconds", "30")
    assert (changed.code, changed.err) == (0, "")
    assert at_temporal() == ["look_now"]


def test_a_new_interval_is_kept_though_temporal_is_away(paid: Paid, project: Repository) -> None:
    changed = paid("project", "set", "1", "--interval-seconds", "30", "--json")
    assert (changed.code, changed.json["changed"]) == (0, ["interval_seconds"])
    assert "from the next look on" in changed.err
    assert paid("project", "show", "1", "--json").json["interval_seconds"] == 30


def test_the_token_may_come_from_the_environment(
    paid: Paid, greeter: Repository, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("GITHUB_TOKEN", greeter.token_file.read_text().strip())
    assert paid("project", "add", "acme/greeter", "--api-url", greeter.api_url).code == 0


def test_the_token_is_never_an_argument(paid: Paid) -> None:
    assert "--token-file" in paid("project", "add", "--help").out
    assert paid("project", "add", "acme/greeter", "--token", "ghp_x").code == 2


def test_the_token_is_in_neither_output_nor_database(
    paid: Paid, project: Repository, database_url: str
) -> None:
    token = project.token_file.read_text().strip()
    printed = [
        paid("project", "show", "acme/greeter"),
        paid("project", "show", "acme/greeter", "--json"),
        paid("project", "list", "--json"),
    ]
    with psycopg.connect(database_url) as connection:
        dump = str(connection.execute("SELECT * FROM credential").fetchall())
    assert not any(token in answer.out + answer.err + dump for answer in printed)
    key = Path(os.environ["PAID_DATA_DIR"]) / "keys" / "secret.key"
    assert key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "token", "code", "says"),
    [
        ("acme/nope", "writer", 3, "no acme/nope at http"),
        ("acme/greeter", "reader", 1, "not write"),
        ("acme/empty", "writer", 2, "empty"),
        ("acme/greeter", "wrong", 1, "token"),
        ("greeter", "writer", 2, "OWNER/REPO"),
        ("acme/greeter/x", "writer", 2, "OWNER/REPO"),
        ("--upload-pack=x/y", "writer", 2, ""),
    ],
)
def test_what_cannot_be_added_says_why(
    paid: Paid, greeter: Repository, tmp_path: Path, name: str, token: str, code: int, says: str
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("ghp_0000")
    files = {"writer": greeter.token_file, "reader": greeter.reader_file, "wrong": wrong}
    answer = paid(
        *("project", "add", "--api-url", greeter.api_url, "--token-file", str(files[token])),
        name,
    )
    assert answer.code == code, answer.err
    assert says in answer.err
    assert "Traceback" not in answer.err
    assert paid("project", "list", "--json").json == []


def test_without_a_token_it_says_where_to_put_one(paid: Paid, greeter: Repository) -> None:
    answer = paid("project", "add", "acme/greeter", "--api-url", greeter.api_url)
    assert answer.code == 2
    assert "--token-file" in answer.err


def test_a_server_that_is_away_is_unavailable(paid: Paid, greeter: Repository) -> None:
    answer = paid(
        *("project", "add", "acme/greeter", "--api-url", "http://127.0.0.1:1"),
        *("--token-file", str(greeter.token_file)),
    )
    assert answer.code == 4
    assert "127.0.0.1:1" in answer.err
    assert "API address" in answer.err


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x",
        "api.github.com",
        "http://example.org",
        "https://github.com",
        "https://u:p@x/",
        "https://x/?q=1",
        "",
    ],
)
def test_a_token_is_sent_to_no_odd_address(url: str) -> None:
    with pytest.raises(BadInputError):
        checked_api_url(url)


def test_the_same_project_twice_is_refused_with_its_number(paid: Paid, project: Repository) -> None:
    again = paid(
        *("project", "add", "Acme/greeter", "--api-url", project.api_url),
        *("--token-file", str(project.token_file)),
    )
    assert again.code == 2
    assert "number 1" in again.err


def test_a_limit_under_which_no_request_fits_is_told_with_the_number_needed(
    paid: Paid, project: Repository
) -> None:
    told = paid("project", "set", "acme/greeter", "--model", "gpt-5.5", "--run-cents", "20")
    assert told.code == 0
    needed = re.search(r"--run-cents (\d+)", told.err)
    assert needed is not None, told.err
    assert "gpt-5.5" in told.err
    enough = paid("project", "set", "acme/greeter", "--run-cents", needed[1])
    assert (enough.code, enough.err) == (0, "")
    as_json = paid("project", "set", "acme/greeter", "--daily-cents", "1", "--json").json
    assert "--daily-cents" in as_json["warnings"][0]


def test_what_no_run_could_work_with_is_told(paid: Paid, project: Repository) -> None:
    told = paid("project", "set", "acme/greeter", "--agent", "command")
    assert (told.code, "--agent-command" in told.err) == (0, True)
    unknown = paid("project", "set", "acme/greeter", "--agent", "codex", "--model", "gtp-5.5")
    assert (unknown.code, "price of the model 'gtp-5.5'" in unknown.err) == (0, True)
    known = paid("project", "set", "acme/greeter", "--model", "gpt-5.4")
    assert (known.code, known.err) == (0, "")


def test_every_setting_can_be_changed(paid: Paid, project: Repository) -> None:
    changed = paid(
        *("project", "set", "acme/greeter", "--json", "--agent", "claude-code", "--model", "m-1"),
        *("--check", "python3 -m unittest", "--check", "sh -c 'exit 0'"),
        *("--check-timeout-seconds", "60", "--allow-model", "m-1", "--fallback-model", "m-2"),
        *("--egress", "example.org", "--workflow-changes", "--no-draft", "--trust", "eve"),
        *("--interval-seconds", "5", "--max-iterations", "3", "--max-tokens", "5000"),
        *("--max-seconds", "600", "--cpus", "1.5", "--memory-mib", "512", "--pids", "64"),
        *("--run-cents", "100", "--issue-cents", "200", "--daily-cents", "none"),
        *("--weekly-cents", "900", "--monthly-cents", "3000", "--time-zone", "Europe/Berlin"),
        *("--build-label", "go", "--plan-label", "think", "--cancel-label", "stop"),
        *("--agent-command", "python3 agent.py"),
    )
    assert changed.code == 0, changed.err
    shown = paid("project", "show", "1", "--json").json
    assert shown["policy"]["checks"] == [["python3", "-m", "unittest"], ["sh", "-c", "exit 0"]]
    assert shown["policy"]["trusted_logins"] == ["eve"]
    assert shown["limits_cents"] == {
        "run": 100,
        "issue": 200,
        "day": None,
        "week": 900,
        "month": 3000,
    }
    assert shown["labels"] == {"build": "go", "plan": "think", "cancel": "stop"}
    assert (shown["agent"], shown["model"], shown["time_zone"]) == (
        "claude-code",
        "m-1",
        "Europe/Berlin",
    )


def test_the_help_of_a_setting_names_the_default_that_a_new_project_has(
    paid: Paid, project: Repository
) -> None:
    shown = paid("project", "show", "1", "--json").json
    periods = {"daily": "day", "weekly": "week", "monthly": "month"}
    has = {**shown, **shown["policy"]}
    for period, limit in shown["limits_cents"].items():
        has[f"{period}_cents"] = "none" if limit is None else limit
    for purpose, label in shown["labels"].items():
        has[f"{purpose}_label"] = label
    asked = 0
    for choice in CHOICES:
        said = re.search(r"default ([^;]+)", choice.help)
        word, _, rest = choice.name.partition("_")
        default = has.get(f"{periods.get(word, word)}_{rest}" if rest else word)
        if said and isinstance(default, str | int | float) and not isinstance(default, bool):
            assert said[1] == f"{default}".removesuffix(".0"), choice.name
            asked += 1
    assert asked == 20


def test_lists_can_be_emptied_and_defaults_had_back(paid: Paid, project: Repository) -> None:
    paid("project", "set", "1", "--check", "true", "--trust", "eve", "--egress", "none")
    answer = paid(
        *("project", "set", "1", "--check", "none", "--trust", "none"),
        *("--egress", "registries", "--model", "none"),
    )
    assert answer.code == 0, answer.err
    policy = paid("project", "show", "1", "--json").json["policy"]
    assert (policy["checks"], policy["trusted_logins"], policy["egress_hosts"]) == ([], [], None)


@pytest.mark.parametrize(
    "options",
    [
        ("--agent", "nobody"),
        ("--interval-seconds", "0"),
        ("--daily-cents", "five"),
        ("--daily-cents", "-5"),
        ("--check", "'unbalanced"),
        ("--time-zone", "Mars/Olympus"),
        ("--build-label", "paid-plan"),
        ("--cpus", "nan"),
        ("--unknown", "x"),
        (),
    ],
)
def test_a_setting_that_cannot_be_changes_nothing(
    paid: Paid, project: Repository, options: tuple[str, ...]
) -> None:
    before = paid("project", "show", "1", "--json").json
    answer = paid("project", "set", "1", *options)
    assert answer.code == 2
    assert "Traceback" not in answer.err
    assert paid("project", "show", "1", "--json").json == before


def test_a_project_is_paused_resumed_and_removed(paid: Paid, project: Repository) -> None:
    assert paid("project", "pause", "1", "--reason", "holidays", "--json").json["changed"]
    assert paid("project", "show", "1", "--json").json["paused_reason"] == "holidays"
    assert "already" in paid("project", "pause", "1").out
    assert "paused: holidays" in paid("project", "list").out
    assert paid("project", "list", "--json").json[0]["paused_reason"] == "holidays"
    assert paid("project", "resume", "acme/greeter").code == 0
    assert "active" in paid("project", "list").out
    assert paid("project", "remove", "1", "--yes").code == 0
    assert paid("project", "show", "1").code == 3
    assert paid("project", "list", "--removed", "--json").json[0]["state"] == "removed"


def test_an_error_can_be_read_by_a_program(paid: Paid) -> None:
    answer = paid("project", "show", "acme/nope", "--json")
    assert answer.code == 3
    assert answer.out == ""
    assert '"code": "not_found"' in answer.err


def test_keys_are_rotated_and_tokens_still_read(paid: Paid, project: Repository) -> None:
    key = Path(os.environ["PAID_DATA_DIR"]) / "keys" / "secret.key"
    before = key.read_text()
    assert paid("key", "rotate", "--json").json == {"secrets": 1}
    assert before.strip() not in key.read_text()
    assert paid("run", f"{project.url}/issues/1").code == 0


def test_as_a_process_it_ends_with_the_same_code(environment: pytest.MonkeyPatch) -> None:
    program = [sys.executable, "-m", "paid"]
    missing = subprocess.run([*program, "project", "show", "a/b"], capture_output=True, check=False)
    assert missing.returncode == 3
    assert b"what to do" in missing.stderr


@pytest.mark.parametrize("lacking", ["contents", "issues", "pull_requests"])
def test_a_token_that_lacks_one_right_is_refused_by_its_name(
    lacking: str, paid: Paid, greeter: Repository
) -> None:
    rights = {"contents": "write", "issues": "write", "pull_requests": "write", lacking: "read"}
    greeter.forge.limit_token(greeter.token_file.read_text().strip(), rights)
    answer = paid(
        *("project", "add", "acme/greeter", "--api-url", greeter.api_url),
        *("--token-file", str(greeter.token_file)),
    )
    assert answer.code != 0
    assert f"{lacking.replace('_', ' ').capitalize()}: write" in answer.err
    assert paid("project", "list", "--json").json == []
    assert not greeter.forge.labels("acme/greeter"), "nothing was made"


def test_a_new_token_is_tried_before_it_takes_the_place_of_the_old_one(
    paid: Paid, project: Repository, tmp_path: Path
) -> None:
    fresh = project.forge.add_user("maria")
    project.forge.limit_token(fresh, {"contents": "write", "issues": "write"})
    file = tmp_path / "fresh"
    file.write_text(fresh)
    answer = paid("project", "set", "acme/greeter", "--token-file", str(file))
    assert answer.code != 0
    assert "Pull requests: write" in answer.err
    project.forge.limit_token(
        fresh, {"contents": "write", "issues": "write", "pull_requests": "write"}
    )
    assert paid("project", "set", "acme/greeter", "--token-file", str(file)).code == 0


def test_when_a_token_ends_is_said_as_its_project_is_added(paid: Paid, greeter: Repository) -> None:
    greeter.forge.let_expire(greeter.token_file.read_text().strip(), "2099-12-31 23:59:59 +0100")
    answer = paid(
        *("project", "add", "acme/greeter", "--api-url", greeter.api_url),
        *("--token-file", str(greeter.token_file)),
    )
    assert "expires on 2099-12-31 at 22:59 UTC" in answer.out
