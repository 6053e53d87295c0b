from __future__ import annotations

from pathlib import Path

import httpx

from paid.store.database import Database
from tests.web.seed import busy_day


def test_every_page_answers(browser: httpx.Client, database: Database, tmp_path: Path) -> None:
    with database.session() as session:
        ids = busy_day(session, tmp_path)
    runs = [f"/runs/{ids[name]}" for name in ("running", "completed", "failed", "held")]
    for path in ["/runs", "/runs?group=live", "/projects", f"/projects/{ids['project']}", *runs]:
        answer = browser.get(path)
        assert answer.status_code == 200, (path, answer.text)
