from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from paid.contracts import RunStatus
from paid.store import runs, tokens
from paid.store.database import Database
from tests.web.seed import Seed, busy_day
from tests.web.serving import csrf_token


def post(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """Send a form as a browser would, with the token of a page."""
    token = csrf_token(browser.get("/runs").text)
    return browser.post(path, data={"csrf_token": token, **fields})


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
    assert time.monotonic() - began < 30, "it waited for Temporal, which is away"
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


def test_a_long_run_can_be_read_back_to_its_beginning(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        run_id = seed.run(seed.project())
        for number in range(650):
            seed.say(run_id, "agent.message", text=f"word {number};")
    now = browser.get(f"/runs/{run_id}").text
    assert "word 649;" in now
    assert "word 349;" not in now
    before = browser.get(f"/runs/{run_id}?before=351").text
    assert "word 349;" in before
    assert "sse-connect" not in before
    first = browser.get(f"/runs/{run_id}?before=51").text
    assert "word 0;" in first
    assert "what came before" not in first
