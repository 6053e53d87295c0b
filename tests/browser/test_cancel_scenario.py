"""The fourth scenario, on real parts: a person cancels from the dashboard, in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from playwright.sync_api import Browser, expect

from paid.containers.engine import DockerEngine
from paid.errors import ContainerError
from paid.settings import Settings
from tests.acceptance.stage import OWNER, Stage
from tests.conftest import missing

T = TypeVar("T")
WORKS_ON = [
    "python3",
    "-c",
    "import time, pathlib\n"
    "pathlib.Path('made.txt').write_text('made')\n"
    "for n in range(600): print('step', n, flush=True); time.sleep(0.5)\n",
]
"""An agent that has changed a file and would go on for five minutes."""


def apart(work: Callable[[], T]) -> T:
    """Run on a thread of its own: Playwright keeps an event loop running on this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


@pytest.fixture(scope="module")
def stage(server_folder: Path) -> Iterator[Stage]:
    try:
        DockerEngine(Settings()).ping()
    except ContainerError as error:
        missing(f"Docker: {error}")
    stage = apart(lambda: Stage(server_folder / "stage"))
    yield stage
    apart(stage.close)


def test_a_person_cancels_a_run_that_works(chromium: Browser, stage: Stage) -> None:
    watched = apart(lambda: stage.watch(agent_command=WORKS_ON))
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.begun(watched)
    context = chromium.new_context()
    page = context.new_page()
    page.goto(stage.paid.login_url)
    page.get_by_role("button", name="Sign in").click()
    page.locator(f"#run-row-{run.id} .run-title").click()
    expect(page.get_by_text("step 2", exact=True).first).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())

    page.get_by_role("button", name="Cancel run").click()
    expect(page.get_by_text("Cancel asked for by admin (dashboard)").first).to_be_visible()
    expect(page.locator("#summary .badge")).to_have_text("Cancelled")

    ended = stage.ended(watched)
    assert ended.status == "cancelled"
    assert ended.cancel_requested_by == "admin (dashboard)"
    stage.nothing_left(ended)
    assert stage.forge.pulls(watched.name) == []
    assert list(stage.forge.branches(watched.name)) == ["main"]
    context.close()
