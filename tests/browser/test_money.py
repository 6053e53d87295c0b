"""Money in a real browser: limits, a raise for hours, a download, and what waits until when."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from playwright.sync_api import Page, expect
from sqlalchemy import text

from paid.store import budgets, estimates, runs
from paid.store.database import Database
from tests.web.seed import Seed, busy_day


def test_a_person_limits_all_projects_and_raises_it_for_the_night(
    page: Page, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        busy_day(session, tmp_path)
    page.goto("/runs")
    page.get_by_role("link", name="Money", exact=True).click()
    page.get_by_label("A month").fill("500")
    page.get_by_label("Time zone of its days").fill("Europe/Berlin")
    page.get_by_role("button", name="Save limits").click()
    expect(page.get_by_text("Saved")).to_be_visible()
    page.get_by_label("Raise for a while").select_option("month")
    page.get_by_label("to, in dollars").fill("650")
    page.get_by_label("for hours").fill("12")
    page.get_by_role("button", name="Raise", exact=True).click()
    expect(page.get_by_text("$650.00 until")).to_be_visible()
    with database.session() as session:
        month = budgets.organisation_limits(session)["month"]
    assert (month.cents, month.raised_to_cents) == (50_000, 65_000)


def test_a_person_takes_the_figures_away(page: Page, database: Database, tmp_path: Path) -> None:
    with database.session() as session:
        busy_day(session, tmp_path)
    page.goto("/money")
    page.get_by_label("Added up by").select_option("model")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    assert waiting.value.suggested_filename == "paid-by-model.csv"
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text())))
    assert [row["model"] for row in rows] == ["gpt-5.1-codex"]


def test_a_run_that_waits_for_its_vendor_says_until_when(
    page: Page, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        run_id = seed.run(seed.project())
        estimates.record(session, runs.get(session, run_id))
        session.connection().execute(
            text("SELECT run_hold_open(:run, 'quota', '2031-05-06 07:08Z', :detail)"),
            {"run": run_id, "detail": '{"vendor": "anthropic"}'},
        )
    page.goto("/runs")
    expect(page.get_by_text("Needs you 0")).to_be_visible()
    expect(page.get_by_text("until 06 May 2031, 07:08:00 UTC")).to_be_visible()
    page.goto(f"/runs/{run_id}")
    expect(page.get_by_text("goes on by itself at 06 May 2031, 07:08 UTC")).to_be_visible()
    expect(page.locator("#meters").get_by_text("no history yet")).to_be_visible()
