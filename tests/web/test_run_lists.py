from __future__ import annotations

import re
from pathlib import Path

import httpx

from paid.store.database import Database
from tests.web.seed import Seed


def titles(page: str) -> list[str]:
    return re.findall(r'class="run-title" href="[^"]+">([^<]+)<', page)


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
