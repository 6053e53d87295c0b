"""Takes the pictures of docs/screenshots from real runs: `python -m tests.browser.screenshots`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from paid.contracts import RunStatus
from paid.demo.sample import CHECK
from tests.acceptance.stage import OWNER, Stage, Watched
from tests.browser.conftest import QUIET

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
WIDE = {"width": 1280, "height": 860}
NARROW = {"width": 390, "height": 844}


def main() -> int:
    """Play the runs on a thread (Playwright keeps this one's event loop), and look."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="paid-") as folder, ThreadPoolExecutor(1) as apart:
        stage = apart.submit(Stage, Path(folder) / "stage").result()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=QUIET
                )
                _Photographer(browser, stage, apart).take_all()
                browser.close()
        finally:
            apart.submit(stage.close).result()
    return 0


class _Photographer:
    def __init__(self, browser: Browser, stage: Stage, apart: ThreadPoolExecutor) -> None:
        self._browser = browser
        self._stage = stage
        self._apart = apart
        self._state: dict[str, object] = {}

    def take_all(self) -> None:
        """The pages in the order in which a newcomer meets them."""
        self._sign_in()
        main, poor = self._projects()
        self._first_run(main)
        self._waiting_run(poor)
        self._rest(main)

    def _sign_in(self) -> None:
        context = self._browser.new_context(viewport=WIDE)
        page = context.new_page()
        page.goto(self._stage.paid.login_url)
        self._shoot(page, "sign-in")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/runs")
        self._state = dict(context.storage_state())
        context.close()

    def _projects(self) -> tuple[Watched, Watched]:
        watch = self._stage.watch
        given = {"agent": "codex", "checks": [list(CHECK)]}
        main = self._apart.submit(lambda: watch(run_cents=1000, daily_cents=5000, **given))
        poor = self._apart.submit(lambda: watch(run_cents=5, **given))
        return main.result(), poor.result()

    def _first_run(self, watched: Watched) -> None:
        self._label(watched, 1)
        run = self._stage.in_status(watched, RunStatus.RUNNING)
        page = self._page(f"/runs/{run.id}")
        page.locator(".item-tool").nth(1).wait_for(timeout=60_000)
        self._shoot(page, "run-live")
        self._stage.ended(watched)
        expect(page.locator(".live-dot")).to_have_count(0)
        self._shoot(page, "run")
        self._shoot(self._page(f"/runs/{run.id}", dark=True), "run-dark")
        self._shoot(self._page(f"/runs/{run.id}", narrow=True), "run-telephone")

    def _waiting_run(self, watched: Watched) -> None:
        self._label(watched, 1)
        run = self._stage.begun(watched)
        page = self._page(f"/runs/{run.id}")
        page.get_by_role("button", name="Raise and go on").wait_for(timeout=90_000)
        self._shoot(page, "run-waits-for-money")
        self._shoot(self._page("/runs"), "runs")

    def _rest(self, watched: Watched) -> None:
        self._shoot(self._page("/runs", dark=True), "runs-dark")
        self._shoot(self._page("/projects"), "projects")
        self._shoot(self._page(f"/projects/{watched.project_id}"), "project", full=True)
        self._shoot(self._page("/money"), "money")
        self._shoot(self._page("/health"), "health")

    def _label(self, watched: Watched, number: int) -> None:
        self._stage.forge.add_label(watched.name, number, "paid-build", actor=OWNER)

    def _page(self, path: str, *, dark: bool = False, narrow: bool = False) -> Page:
        context = self._browser.new_context(
            viewport=NARROW if narrow else WIDE,
            color_scheme="dark" if dark else "light",
            storage_state=self._state,
        )
        page = context.new_page()
        page.goto(self._stage.paid.dashboard_url + path)
        page.wait_for_timeout(500)
        return page

    def _shoot(self, page: Page, name: str, *, full: bool = False) -> None:
        path = FOLDER / f"{name}.png"
        page.screenshot(path=path, full_page=full)
        print(f"{path.name}: {path.stat().st_size // 1024} KB")


if __name__ == "__main__":
    sys.exit(main())
