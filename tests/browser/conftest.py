"""A real chromium. Playwright's loop breaks async tests after it: these run in a process apart."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright

from paid.store.database import Database
from tests.conftest import missing
from tests.web.serving import Dashboard, serving

QUIET = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]
Visit = Callable[..., Page]
expect.set_options(timeout=60_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("chromium is not installed; `bin/setup --dev` gets it")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        except Error as error:
            missing(f"chromium does not start: {error}")
        yield browser
        browser.close()


@pytest.fixture
def dashboard(database: Database, tmp_path: Path) -> Iterator[Dashboard]:
    with serving(database, tmp_path) as running:
        yield running


@pytest.fixture
def context(chromium: Browser, dashboard: Dashboard) -> Iterator[BrowserContext]:
    """Somebody's browser, signed in by clicking through a link."""
    context = chromium.new_context(base_url=dashboard.url)
    page = context.new_page()
    page.goto(dashboard.login_link())
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/runs")
    page.close()
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()
