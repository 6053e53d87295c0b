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
