"""Text of strangers stays text: in a real browser, on every page that shows it, live too."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page
from sqlmodel import Session

from paid.models import Run
from paid.store import events, runs
from paid.store.database import Database
from paid.store.events import NewEvent
from tests.browser.payloads import PAYLOADS
from tests.web.seed import Seed

KINDS = ["agent.message", "agent.thought", "agent.tool_result", "agent.error", "agent.odd<b>kind"]


def storable(payload: str) -> str:
    return events.storable(payload)


def attacked_run(session: Session, folder: Path) -> tuple[int, int]:
    """A run in which every text that a stranger could choose is an attack."""
    seed = Seed(session, folder)
    project_id = seed.project()
    first = 0
    for payload in PAYLOADS:
        text = storable(payload)
        run_id = seed.run(project_id, title=text, status="running", branch=text, host=text)
        run = session.get_one(Run, run_id)
        run.requested_by = run.model = run.cancel_reason = run.agent = text
        run.pr_number, run.pr_url = 1, text
        first = first or run_id
    step_id = seed.step(first)
    for number, payload in enumerate(PAYLOADS):
        seed.output(first, step_id, number, payload)
        _say_all(seed, first, payload)
    return project_id, first


def _say_all(seed: Seed, run_id: int, payload: str) -> None:
    for kind in KINDS:
        seed.say(run_id, kind, text=payload)
    seed.say(run_id, "agent.tool_call", tool=payload, arguments={"command": payload})
    seed.say(run_id, "agent.file_change", path=payload, change=payload)
    seed.say(run_id, "egress.denied", host=payload, reason=payload)
    seed.say(run_id, "verify.check", index=0, code=1, output=payload)
    seed.say(run_id, "run.ended", status=payload, message=payload)
    seed.say(run_id, storable(payload)[:70], **{storable(payload): payload})


def executions(page: Page) -> list[str]:
    """What betrays that a payload ran or became markup."""
    found = [] if page.evaluate("window.hit === undefined") else ["a script ran"]
    planted = "[onerror], [onload], [onfocus], iframe, object, embed, base, [hx-vals], [srcdoc]"
    found += [f"markup: {name}" for name in page.evaluate(
        f"[...document.querySelectorAll('{planted}')].map(e => e.outerHTML.slice(0, 80))"
    )]  # fmt: skip
    links = page.evaluate("[...document.querySelectorAll('a, form')].map(e => e.href || e.action)")
    return found + [link for link in links if str(link).startswith(("javascript:", "data:"))]


def test_no_payload_runs_on_any_page(page: Page, database: Database, tmp_path: Path) -> None:
    assert len(PAYLOADS) >= 60
    with database.session() as session:
        project_id, run_id = attacked_run(session, tmp_path)
    violations: list[str] = []
    page.on("dialog", lambda dialog: violations.append(dialog.message))
    page.on(
        "console",
        lambda said: violations.append(said.text) if "Content Security" in said.text else None,
    )
    paths = ["/runs", "/runs?page=2", "/runs?page=3", f"/runs/{run_id}", f"/projects/{project_id}",
             "/runs?q=<script>window.hit=1</script>", "/projects",
             "/money", "/money?saved=<img src=x onerror=window.hit=1>"]  # fmt: skip
    paths += [f"/runs/{run_id + number}" for number in range(1, len(PAYLOADS), 6)]
    for path in paths:
        page.goto(path)
        page.wait_for_timeout(150)
        assert executions(page) == [], path
    assert violations == []


def test_no_payload_runs_when_it_arrives_live(
    page: Page, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        run_id = seed.run(seed.project(), "A quiet run")
        step_id = seed.step(run_id)
    page.goto(f"/runs/{run_id}")
    page.get_by_text("Nothing has happened yet.").wait_for()
    with database.session() as session:
        seed = Seed(session, tmp_path)
        for number, payload in enumerate(PAYLOADS):
            seed.output(run_id, step_id, number, payload)
            _say_all(seed, run_id, payload)
        run = runs.get(session, run_id)
        last = NewEvent("agent.message", {"text": "That was all."})
        events.append_to_run(session, run_id, run.project_id, last)
    page.get_by_text("That was all.").wait_for()
    page.wait_for_timeout(500)
    assert executions(page) == []
    assert page.locator("#output .chunk").count() == len(PAYLOADS)
