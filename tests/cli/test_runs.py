"""`paid run`, `runs`, `logs`, `cancel`, `budget` and `export`."""

from __future__ import annotations

import json
import threading
import time

import pytest
from sqlmodel import func, select

from paid.contracts import RunStatus
from paid.errors import BadInputError, DockerUnavailableError
from paid.models import Output, Run, RunHold, Step
from paid.run_request import Address, read_address
from paid.store import events, runs, waits
from paid.store.database import Database
from paid.store.events import NewEvent
from tests.cli.conftest import Paid, Repository
from tests.ledger.rows import item, reserve, settle, settlement
from tests.waiting import wait_until

HOSTILE = "\x1b]52;c;ZXZpbA==\x07\x1b]8;;http://evil\x1b\\link\x1b[2J\rover\x00\u202eafter"
"""Sets the clipboard, hides a link, clears the screen, overwrites, reverses."""


@pytest.fixture
def run_id(paid: Paid, project: Repository) -> int:
    asked = paid("run", f"{project.url}/issues/1", "--json")
    assert asked.code == 0, asked.err
    return int(asked.json["id"])


def say(database: Database, run_id: int, *told: NewEvent) -> None:
    with database.session() as session:
        events.append_to_run(session, run_id, 1, *told)


def end(database: Database, run_id: int) -> None:
    with database.session() as session:
        runs.end(session, run_id, RunStatus.FAILED, "agent", "It gave up.")


def test_a_run_is_recorded_with_its_requester(paid: Paid, run_id: int) -> None:
    (row,) = paid("runs", "--json").json
    assert (row["id"], row["issue"], row["status"]) == (run_id, 1, "queued")
    assert "command line" in row["requested_by"]


def test_a_second_run_of_the_issue_is_refused(paid: Paid, project: Repository, run_id: int) -> None:
    again = paid("run", "acme/greeter#1")
    assert again.code == 2
    assert "under way" in again.err


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("{url}/issues/99", 3),
        ("acme/other#1", 3),
        ("https://github.com/acme/greeter/issues/1", 3),
        ("{url}/pull/1", 2),
        ("http://[acme/greeter/issues/1", 2),
        ("{url}/issues/0", 2),
        ("{url}/issues/1; rm -rf /", 2),
        ("greeter#1", 2),
        ("", 2),
    ],
)
def test_an_address_that_leads_nowhere_says_so(
    paid: Paid, project: Repository, address: str, code: int
) -> None:
    answer = paid("run", address.format(url=project.url))
    assert answer.code == code, answer.err
    assert "Traceback" not in answer.err
    assert paid("runs", "--json").json == []


def test_a_closed_issue_and_a_paused_project_start_nothing(paid: Paid, project: Repository) -> None:
    paid("project", "pause", "1", "--reason", "Gone.")
    refused = paid("run", "acme/greeter#1").err
    assert "is paused: Gone.\n" in refused
    assert "resume" in refused
    paid("project", "resume", "1")
    project.forge.close_issue("acme/greeter", 1, actor="maria")
    assert "closed" in paid("run", "acme/greeter#1").err


def test_addresses_are_read_as_people_write_them() -> None:
    assert read_address("https://github.com/A/b/issues/7/") == Address("A/b", 7, "github.com")
    assert read_address("https://github.com/A/b/issues/7#issuecomment-1").number == 7
    assert read_address(" A/b#7 ") == Address("A/b", 7)
    for wrong in ("A/b", "7", "https:///A/b/issues/7", "file:///A/b/issues/7", "A/b#007"):
        with pytest.raises(BadInputError):
            read_address(wrong)


def test_a_wrong_address_says_what_to_do_instead(paid: Paid, project: Repository) -> None:
    assert "is a pull request" in paid("run", f"{project.url}/pull/1/files").err
    elsewhere = paid("run", "https://ghe.example.org/team/app/issues/7").err
    assert "project add team/app --api-url https://ghe.example.org/api/v3" in elsewhere
    assert "--api-url" not in paid("run", "https://github.com/team/app/issues/7").err


def test_runs_are_filtered(paid: Paid, database: Database, run_id: int) -> None:
    assert len(paid("runs", "--group", "live", "--json").json) == 1
    assert paid("runs", "--group", "completed", "--json").json == []
    assert len(paid("runs", "-p", "acme/greeter", "--search", "hello", "--json").json) == 1
    assert paid("runs", "--search", "%' OR 1=1 --", "--json").json == []
    assert paid("runs", "--group", "nonsense").code == 2
    assert paid("runs", "-p", "acme/other").code == 3


def test_what_a_run_without_a_host_waits_for_is_listed_and_logged(
    paid: Paid, database: Database, run_id: int
) -> None:
    away = DockerUnavailableError("Docker does not answer.", hint="Start it.")
    with database.session() as session:
        waits.note(session, run_id, away, "here", "connection refused")
    (row,) = paid("runs", "--json").json
    assert (row["waits"], row["error_code"]) == (True, "docker_unavailable")
    assert "Docker does not answer. Start it." in paid("logs", str(run_id)).out


def test_a_strangers_title_moves_no_cursor(paid: Paid, run_id: int) -> None:
    shown = paid("runs")
    assert shown.code == 0
    assert "Say hello" in shown.out
    assert "\x1b" not in shown.out


def test_events_are_shown_without_what_they_could_do_to_a_terminal(
    paid: Paid, database: Database, run_id: int
) -> None:
    say(
        database,
        run_id,
        NewEvent("agent.message", {"text": f"two\nlines {HOSTILE}"}),
        NewEvent("agent.tool_call", {"name": "shell", "arguments": {"command": HOSTILE}}),
        NewEvent("agent.file_change", {"path": HOSTILE, "change": "modified"}),
        NewEvent("odd.\x1b[2J", {HOSTILE: HOSTILE}),
    )
    shown = paid("logs", str(run_id))
    assert shown.code == 0
    assert "lines link" in shown.out
    assert not set(shown.out) & {"\x1b", "\x07", "\x00", "\r", "\u202e"}
    rows = [json.loads(row) for row in paid("logs", str(run_id), "--json").out.splitlines()]
    assert rows[-1]["kind"].startswith("odd.")


def test_output_is_shown_as_it_came_but_harmless(
    paid: Paid, database: Database, run_id: int
) -> None:
    with database.session() as session:
        step = Step(run_id=run_id, kind="agent", number=1, container="c")
        session.add(step)
        session.flush()
        assert step.id is not None
        text = HOSTILE.replace("\0", "")
        session.add(Output(run_id=run_id, step_id=step.id, number=1, text=f"first\n{text}"))
    shown = paid("logs", str(run_id), "--output").out
    assert shown.startswith("first\nlink")
    assert "\x1b" not in shown


def test_following_shows_what_comes_and_ends_with_the_run(
    paid: Paid, database: Database, run_id: int
) -> None:
    def go_on() -> None:
        time.sleep(0.5)
        say(database, run_id, NewEvent("agent.message", {"text": "halfway"}))
        time.sleep(0.5)
        end(database, run_id)

    thread = threading.Thread(target=go_on)
    thread.start()
    shown = paid("logs", "-f", str(run_id))
    thread.join()
    assert shown.code == 0
    assert shown.out.index("run.requested") < shown.out.index("halfway")
    assert "It gave up." in shown.out.splitlines()[-1]


@pytest.mark.parametrize(("status", "code"), [(RunStatus.NO_CHANGES, 0), (RunStatus.FAILED, 1)])
@pytest.mark.parametrize("options", [["-f"], ["-f", "--json"]])
def test_who_follows_a_run_learns_its_end_from_the_exit_code(
    paid: Paid,
    database: Database,
    project: Repository,
    status: RunStatus,
    code: int,
    options: list[str],
) -> None:
    def finish() -> None:
        wait_until(lambda: _last_run(database), "the run's record")
        with database.session() as session:
            runs.end(session, _last_run(database), status, "", "")

    thread = threading.Thread(target=finish)
    thread.start()
    followed = paid("run", *options, "acme/greeter#1")
    thread.join()
    assert followed.code == code
    if "--json" in options:
        lines = [json.loads(line) for line in followed.out.splitlines()]
        assert (lines[0]["id"], lines[-1]["kind"]) == (1, "run.ended")


def _last_run(database: Database) -> int:
    """Its number; 0 while there is none."""
    with database.session() as session:
        return session.exec(select(func.coalesce(func.max(Run.id), 0))).one()


def test_logs_of_a_run_that_is_not_there(paid: Paid) -> None:
    assert paid("logs", "12").code == 3
    assert paid("logs", "-f", "99999999999999").code == 3
    assert paid("logs", "0").code == 2
    assert paid("logs", "x").code == 2


def test_a_cancel_is_recorded_though_temporal_is_away(
    paid: Paid, database: Database, run_id: int
) -> None:
    answer = paid("cancel", str(run_id), "--reason", "a mistake", "--json")
    assert answer.json == {"id": run_id, "status": "queued", "had_ended": False, "told": False}
    with database.session() as session:
        run = runs.get(session, run_id)
        assert run.cancel_requested_at is not None
        assert run.cancel_reason == "a mistake"
    assert paid("cancel", str(run_id)).code == 0
    end(database, run_id)
    assert "ended already" in paid("cancel", str(run_id)).out
    assert paid("cancel", "77").code == 3


def test_a_project_with_a_live_run_is_not_removed(
    paid: Paid, database: Database, run_id: int
) -> None:
    refused = paid("project", "remove", "1", "--yes")
    assert refused.code == 2
    assert "1 run under way" in refused.err
    end(database, run_id)
    assert paid("project", "remove", "1", "--yes").code == 0


def test_a_runs_budget_is_shown_and_raised(paid: Paid, run_id: int) -> None:
    shown = paid("budget", "show", "acme/greeter", "--json").json
    assert shown["limits"]["run"]["cents"] == 500
    assert paid("budget", "show", "acme/greeter").code == 0
    raised = paid("budget", "raise", str(run_id), "--cents", "900", "--hours", "2", "--json")
    assert raised.code == 0, raised.err
    assert raised.json["raised"]["scope"] == "run"
    assert "not above" in paid("budget", "raise", str(run_id), "--cents", "900").err
    assert paid("budget", "raise", str(run_id), "--cents", "0").code == 2
    assert paid("budget", "raise", "77", "--cents", "900").code == 3


def test_a_raise_that_is_not_enough_for_what_waits_says_what_is(
    paid: Paid, database: Database, run_id: int
) -> None:
    detail = {"scope": "run", "period": "total", "limit_microdollars": 5_000_000,
              "spent_microdollars": 0, "needed_microdollars": 7_050_001}  # fmt: skip
    with database.session() as session:
        session.add(RunHold(run_id=run_id, reason="budget", detail=detail))
    too_little = paid("budget", "raise", str(run_id), "--cents", "600")
    assert too_little.code == 0
    assert "still waits" in too_little.out
    assert f"paid budget raise {run_id} --cents 706" in too_little.out
    enough = paid("budget", "raise", str(run_id), "--cents", "706", "--json")
    assert enough.json["raised"]["enough_cents"] == 706


def test_the_organisations_budget_is_set_raised_and_shown(paid: Paid, project: Repository) -> None:
    assert paid("budget", "set", "--monthly-cents", "50000", "--daily-cents", "900").code == 0
    assert paid("budget", "set", "--time-zone", "Asia/Tokyo", "--warn-percent", "90%").code == 0
    raised = paid("budget", "set", "--daily-cents", "1200", "--hours", "3", "--json")
    assert raised.json["limits"]["day"]["raised_to_cents"] == 1200
    shown = paid("budget", "show", "--json").json
    assert [shown["limits"][period]["cents"] for period in ("day", "week", "month")] == [
        900, None, 50000,
    ]  # fmt: skip
    assert (shown["time_zone"], shown["warn_percents"]) == ("Asia/Tokyo", [90])
    text = paid("budget", "show").out
    assert "$12.00 until" in text
    assert "Asia/Tokyo" in text


def test_a_projects_budget_is_set_and_raised_for_hours(paid: Paid, project: Repository) -> None:
    caps = ("--run-cents", "100", "--issue-cents", "200", "--weekly-cents", "none")
    assert paid("budget", "set", "acme/greeter", *caps, "--warn-percent", "none").code == 0
    assert paid("budget", "set", "acme/greeter", "--issue-cents", "700", "--hours", "1").code == 0
    shown = paid("budget", "show", "acme/greeter", "--json").json
    limits, issue = shown["limits"], shown["limits"]["issue"]
    assert (limits["run"]["cents"], limits["week"]["cents"]) == (100, None)
    assert (issue["cents"], issue["raised_to_cents"], shown["warn_percents"]) == (200, 700, [])
    assert shown["estimate"]["runs"] == 0
    text = " ".join(paid("budget", "show", "acme/greeter").out.split())
    assert "no history yet" in text
    assert "one request of gpt-5.5 reserves up to $" in text
    assert shown["request"]["most"] > shown["request"]["least"] > 0


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("--run-cents", "5"),
        ("--daily-cents", "much"),
        ("--hours", "2"),
        ("--daily-cents", "none", "--hours", "2"),
        ("--daily-cents", "100", "--hours", "2"),
        ("--daily-cents", "5", "--time-zone", "UTC", "--hours", "2"),
        ("--time-zone", "Mars/Base"),
        ("--warn-percent", "101"),
        ("--warn-percent", "half"),
    ],
)
def test_a_budget_that_cannot_be_meant_is_refused(
    paid: Paid, project: Repository, given: tuple[str, ...]
) -> None:
    assert paid("budget", "set", *given).code == 2


def test_a_run_says_what_it_will_likely_cost(paid: Paid, project: Repository) -> None:
    asked = paid("run", "acme/greeter#1")
    assert "no history yet" in asked.out


def test_spending_is_exported(paid: Paid, run_id: int) -> None:
    assert paid("export", "--by", "model").code == 0
    assert paid("export", "--by", "day", "--json").json == []
    wrong = paid("export", "--by", "moon")
    assert (wrong.code, "run, issue" in wrong.err) == (2, True)


def test_tokens_that_are_settled_after_a_runs_end_are_told_as_they_are_exported(
    paid: Paid, database: Database, run_id: int
) -> None:
    reserved = item(run_id, 500)
    with database.session() as session:
        reserve(session, reserved)
    end(database, run_id)
    with database.session() as session:
        settle(session, settlement(reserved, 400, input_tokens=100, output_tokens=10))
    (row,) = paid("runs", "--json").json
    (exported,) = paid("export", "--by", "run", "--json").json
    assert row["tokens_used"] == exported["input_tokens"] + exported["output_tokens"] == 110


def test_without_servers_it_says_how_to_start_them(
    paid: Paid, environment: pytest.MonkeyPatch
) -> None:
    environment.delenv("DATABASE_URL")
    for command in (["runs"], ["project", "list"], ["logs", "1"], ["login-link"]):
        answer = paid(*command)
        assert answer.code == 4
        assert "paid up" in answer.err


def test_a_database_that_is_away_is_unavailable(
    paid: Paid, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("DATABASE_URL", "postgresql://nobody:secret-canary@127.0.0.1:1/x")
    answer = paid("runs")
    assert answer.code == 4
    assert "secret-canary" not in answer.err


@pytest.mark.parametrize("basis", ["partial", "estimated", "expired"])
def test_what_is_estimated_is_marked_wherever_it_is_told(
    paid: Paid, database: Database, run_id: int, basis: str
) -> None:
    reserved = item(run_id, 4_050_000)
    with database.session() as session:
        reserve(session, reserved)
        settle(session, settlement(reserved, 4_050_000, basis=basis))
    (row,) = paid("runs", "--json").json
    assert (row["cost_microdollars"], row["estimated_microdollars"]) == (4_050_000, 4_050_000)
    assert "up to $4.05" in paid("runs").out
    assert "$4.05  at most (estimated)" in paid("logs", str(run_id)).out
    for command in (("budget", "show"), ("budget", "show", "acme/greeter")):
        assert "$4.05 at most (estimated)" in paid(*command).out
        shown = paid(*command, "--json").json
        assert shown["spent"]["day"]["estimated_microdollars"] == 4_050_000
    assert "estimated_requests,estimated_microdollars" in paid("export", "--by", "run").out


def test_nothing_is_fetched_or_published_of_a_run_that_kept_nothing(
    paid: Paid, database: Database, run_id: int
) -> None:
    fetched = paid("work", "fetch", str(run_id))
    assert fetched.code == 2
    assert "Nothing is kept" in fetched.err
    end(database, run_id)
    assert paid("retry", str(run_id), "--publish").code == 2
    assert "--publish" in paid("retry", str(run_id)).err
    assert paid("work", "fetch", "999").code == 3


def test_work_that_is_kept_on_another_machine_says_where(
    paid: Paid, database: Database, run_id: int
) -> None:
    say(database, run_id, NewEvent("run.work_kept", {"file": "/elsewhere/run.bundle"}))
    fetched = paid("work", "fetch", str(run_id))
    assert fetched.code == 3
    assert "/elsewhere/run.bundle" in fetched.err
