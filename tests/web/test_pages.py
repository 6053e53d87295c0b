from __future__ import annotations

from pathlib import Path

import httpx

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
    assert "up to $4.05 of it estimated" in browser.get("/money").text
