from __future__ import annotations

import re
import time
from pathlib import Path

import httpx
import pytest

from paid.contracts import RunStatus
from paid.models import Run
from paid.store import budgets, holds, runs, tokens
from paid.store.database import Database
from tests.web.seed import Seed, busy_day
from tests.web.serving import csrf_token


def titles(page: str) -> list[str]:
    return re.findall(r'class="run-title" href="[^"]+">([^<]+)<', page)


def post(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """Send a form as a browser would, with the token of a page."""
    token = csrf_token(browser.get("/runs").text)
    return browser.post(path, data={"csrf_token": token, **fields})


def test_an_empty_installation_says_how_to_begin(browser: httpx.Client) -> None:
    page = browser.get("/runs").text
    assert "paid project add OWNER/REPO" in page


def test_runs_are_listed_newest_first_by_pages(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        project = seed.project()
        for number in range(30):
            seed.run(project, f"Task {number}", "failed")
    first = browser.get("/runs").text
    assert titles(first)[0] == "Task 29"
    assert len(titles(first)) == 25
    assert 'href="/runs?page=2"' in first
    assert titles(browser.get("/runs?page=2").text) == [f"Task {n}" for n in range(4, -1, -1)]
    assert titles(browser.get("/runs?page=99").text) == titles(browser.get("/runs?page=2").text)


def test_lists_are_filtered(browser: httpx.Client, database: Database, tmp_path: Path) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        one, other = seed.project("acme/one"), seed.project("acme/other")
        seed.run(one, "Live one", "running", number=7)
        seed.run(other, "Done one", "completed")
        seed.run(other, "100% broken_one", "failed")
        held = seed.run(one, "Held one", "running")
        seed.hold(held, needed_microdollars=9_000_000_000)
    expected = {
        "/runs?group=live": {"Live one", "Held one"},
        "/runs?group=completed": {"Done one"},
        "/runs?group=ended": {"100% broken_one"},
        "/runs?group=attention": {"Held one"},
        f"/runs?project={one}": {"Live one", "Held one"},
        "/runs?q=done": {"Done one"},
        "/runs?q=%23100": set(),
        "/runs?q=%237": {"Live one"},
        "/runs?q=100%25": {"100% broken_one"},
        "/runs?q=n_one": {"100% broken_one"},
    }
    for path, shown in expected.items():
        assert set(titles(browser.get(path).text)) == shown, path


def test_htmx_gets_the_list_and_a_visit_the_page(browser: httpx.Client) -> None:
    assert "<html" not in browser.get("/runs", headers={"hx-request": "true"}).text
    assert "<html" in browser.get("/runs").text
    back = {"hx-request": "true", "hx-history-restore-request": "true"}
    assert "<html" in browser.get("/runs", headers=back).text


def test_every_kind_of_run_has_a_page(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        ids = busy_day(session, tmp_path)
    failed = browser.get(f"/runs/{ids['failed']}").text
    assert "The checks still fail after 10 rounds" in failed
    assert "Raise the limit in the project&#39;s settings" in failed
    completed = browser.get(f"/runs/{ids['completed']}").text
    assert "Pull request #32" in completed
    assert "\u00d7 2" in completed
    running = browser.get(f"/runs/{ids['running']}").text
    assert "apply_patch" in running
    assert "$0.54" in running


@pytest.mark.parametrize("status", list(RunStatus))
def test_every_status_has_words(
    browser: httpx.Client, database: Database, tmp_path: Path, status: RunStatus
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        run_id = seed.run(seed.project(), status=status)
    assert browser.get(f"/runs/{run_id}").status_code == 200
    assert "badge-" in browser.get("/runs").text


def test_cancel_is_on_record_at_once_and_kills_the_token(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        run_id = seed.run(seed.project())
        tokens.issue(session, run_id)
    token = csrf_token(browser.get("/runs").text)
    began = time.monotonic()
    answer = browser.post(f"/runs/{run_id}/cancel", data={"csrf_token": token, "reason": "Enough."})
    assert time.monotonic() - began < 1
    assert answer.headers["location"] == f"/runs/{run_id}"
    with database.session() as session:
        run = runs.get(session, run_id)
        assert run.cancel_requested_by == "admin (dashboard)"
        assert run.cancel_reason == "Enough."
        assert tokens.revoke(session, run_id) == 0
    assert "Cancelling" in browser.get(f"/runs/{run_id}").text


def test_cancelling_twice_or_too_late_changes_nothing(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        project = seed.project()
        live, ended = seed.run(project), seed.run(project, status="failed")
    for run_id in (live, live, ended):
        assert post(browser, f"/runs/{run_id}/cancel").status_code == 303
    with database.session() as session:
        assert runs.get(session, ended).cancel_requested_at is None


def test_htmx_gets_the_row_back(browser: httpx.Client, database: Database, tmp_path: Path) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        run_id = seed.run(seed.project())
    token = csrf_token(browser.get("/runs").text)
    row = browser.post(
        f"/runs/{run_id}/cancel",
        data={"csrf_token": token},
        headers={"hx-request": "true", "hx-target": f"run-row-{run_id}"},
    ).text
    assert row.strip().startswith(f'<tr id="run-row-{run_id}">')
    assert "Cancelling" in row


def held_run(database: Database, folder: Path, scope: str, period: str) -> int:
    with database.session() as session:
        seed = Seed(session, folder)
        project_id = seed.project()
        run_id = seed.run(project_id)
        seed.spend(run_id, 900_000)
        budgets.set_limits(session, project_id, run_cents=None, day_cents=None)
        if scope == "project":
            budgets.set_limits(session, project_id, **{f"{period}_cents": 100})
        elif scope == "run":
            budgets.set_limits(session, project_id, run_cents=100)
        elif scope == "issue":
            budgets.set_limits(session, project_id, issue_cents=100)
        else:
            budgets.set_organisation_limits(session, day_cents=100)
        seed.hold(
            run_id,
            scope=scope,
            period=period,
            limit_microdollars=1_000_000,
            spent_microdollars=900_000,
            needed_microdollars=500_000,
        )
    return run_id


@pytest.mark.parametrize(
    ("scope", "period"),
    [
        ("run", "total"),
        ("issue", "total"),
        ("project", "day"),
        ("project", "month"),
        ("organisation", "day"),
    ],
)
def test_raising_the_cap_lets_a_run_go_on(
    browser: httpx.Client, database: Database, tmp_path: Path, scope: str, period: str
) -> None:
    run_id = held_run(database, tmp_path, scope, period)
    assert "Raise and go on" in browser.get(f"/runs/{run_id}").text
    answer = post(browser, f"/runs/{run_id}/raise-budget", dollars="$1.50", hours="")
    assert answer.status_code == 303, answer.text
    with database.session() as session:
        assert holds.current(session, run_id) is None
    assert "Raise and go on" not in browser.get(f"/runs/{run_id}").text


def test_a_cap_may_be_raised_for_some_hours(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    run_id = held_run(database, tmp_path, "project", "day")
    assert post(browser, f"/runs/{run_id}/raise-budget", dollars="4", hours="3").status_code == 303
    with database.session() as session:
        limit = budgets.limits(session, runs.get(session, run_id).project_id)["day"]
    assert (limit.cents, limit.raised_to_cents) == (100, 400)


def test_a_run_that_may_not_even_begin_names_its_cap(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        project_id = seed.project()
        budgets.set_limits(session, project_id, day_cents=0)
        run_id = seed.run(project_id)
        session.get_one(Run, run_id).status = RunStatus.BUDGET_EXCEEDED
        session.get_one(Run, run_id).ended_at = None
    assert "daily budget of $0.00 is used up" in browser.get(f"/runs/{run_id}").text
    assert post(browser, f"/runs/{run_id}/raise-budget", dollars="2").status_code == 303
    with database.session() as session:
        assert budgets.limits(session, project_id)["day"].cents == 200


@pytest.mark.parametrize(
    ("dollars", "hours"),
    [("", ""), ("x", ""), ("-1", ""), ("0.5", ""), ("1.005", ""), ("NaN", ""), ("1e30", ""),
     ("Infinity", ""), ("2", "-1"), ("2", "x"), ("2", "99999"), ("2", "1.5"), ("\u0662", "\u0661")],
)  # fmt: skip
def test_a_raise_that_is_none_is_refused(
    browser: httpx.Client, database: Database, tmp_path: Path, dollars: str, hours: str
) -> None:
    run_id = held_run(database, tmp_path, "run", "total")
    answer = post(browser, f"/runs/{run_id}/raise-budget", dollars=dollars, hours=hours)
    assert answer.status_code == 400
    with database.session() as session:
        assert holds.current(session, run_id) is not None


def test_the_whole_output_can_be_downloaded(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        run_id = seed.run(seed.project())
        step_id = seed.step(run_id)
        for number in range(450):
            seed.output(run_id, step_id, number, f"line {number} \x1b[31mred")
    answer = browser.get(f"/runs/{run_id}/output.txt")
    assert answer.text.splitlines() == [f"line {number} red" for number in range(450)]
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["content-disposition"].startswith("attachment")


def test_addresses_that_are_no_web_addresses_are_not_linked(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        run_id = seed.run(
            seed.project(), status="completed", pr_number=1, pr_url="javascript:alert(1)"
        )
    assert "javascript:" not in browser.get(f"/runs/{run_id}").text
    assert "javascript:" not in browser.get("/runs").text
