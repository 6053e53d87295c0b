from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from paid.models import Issue, Run
from paid.store import token_expiry
from paid.store.database import Database
from tests.web.seed import Seed, busy_day


def test_every_page_answers(browser: httpx.Client, database: Database, tmp_path: Path) -> None:
    with database.session() as session:
        ids = busy_day(session, tmp_path)
    runs = [f"/runs/{ids[name]}" for name in ("running", "completed", "failed", "held")]
    for path in ["/runs", "/runs?group=live", "/projects", f"/projects/{ids['project']}", *runs]:
        answer = browser.get(path)
        assert answer.status_code == 200, (path, answer.text)


def test_what_is_estimated_is_marked_on_every_page_that_tells_money(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        project = seed.project("acme/greeter")
        exact = seed.run(project, "Counted", "failed", error_code="agent_failed")
        seed.spend(exact, 30_000)
        cut = seed.run(project, "Cut off", "failed", error_code="agent_failed")
        seed.spend(cut, 4_050_000, basis="expired")
    assert "at most" not in browser.get(f"/runs/{exact}").text
    run = browser.get(f"/runs/{cut}").text
    assert "at most (estimated: the gateway ended meanwhile)" in run
    assert "$4.05 is estimated" in run
    for path in ("/runs", f"/projects/{project}"):
        assert "$4.05 of it is an upper bound" in browser.get(path).text
    days = browser.get(f"/projects/{project}").text
    assert ": $4.08, up to $4.05 of it estimated</title>" in days
    assert "up to $4.05 of it estimated" in browser.get("/money").text


def test_the_end_of_a_token_is_told_where_its_project_is_shown(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        number = Seed(session, tmp_path).project()
    for days, is_told in ((60, False), (5, True)):
        end = datetime.now(UTC) + timedelta(days=days)
        with database.session() as session:
            token_expiry.note(session, number, end)
        for path in ("/projects", f"/projects/{number}"):
            assert (f"expires on {end:%Y-%m-%d}" in browser.get(path).text) is is_told, path


def test_a_title_is_shown_as_it_was_typed(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        run = session.get_one(Run, busy_day(session, tmp_path)["running"])
        issue = session.get_one(Issue, run.issue_id)
        issue.title = "[Bug]: <Select value=x> \u202eloses\u200b it"
        session.add(issue)
        number = run.id
    page = browser.get(f"/runs/{number}").text
    assert "[Bug]: &lt;Select value=x&gt; loses it" in page
