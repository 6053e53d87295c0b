"""What a person does and sees, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from paid.contracts import RunStatus
from paid.embedded import PostgresServer
from paid.store import events, holds, runs
from paid.store.database import Database
from paid.store.events import NewEvent
from tests.web.seed import Seed, busy_day
from tests.web.serving import Dashboard

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def busy(
    postgres_server: PostgresServer,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, dict[str, int]]:
    """A database for the tests to copy, and its ids: filling it takes a processor two seconds."""
    name = f"template_busy_{next(_NUMBERS)}"
    database = Database(postgres_server.create_database(name, template_database))
    with database.session() as session:
        ids = busy_day(session, tmp_path_factory.mktemp("seed"))
    database.close()
    return name, ids


@pytest.fixture
def ids(busy: tuple[str, dict[str, int]]) -> dict[str, int]:
    return busy[1]


@pytest.fixture
def database(
    postgres_server: PostgresServer, busy: tuple[str, dict[str, int]]
) -> Iterator[Database]:
    """A database as it is after a busy day."""
    name = f"busy_{next(_NUMBERS)}"
    database = Database(postgres_server.create_database(name, busy[0]))
    yield database
    database.close()
    postgres_server.drop_database(name)


def say(database: Database, run_id: int, kind: str, **data: str) -> None:
    with database.session() as session:
        run = runs.get(session, run_id)
        events.append_to_run(session, run_id, run.project_id, NewEvent(kind, dict(data)))


def test_a_person_cancels_a_run(page: Page, database: Database, ids: dict[str, int]) -> None:
    page.goto(f"/runs/{ids['running']}")
    questions: list[str] = []
    page.on("dialog", lambda dialog: (questions.append(dialog.message), dialog.accept()))
    page.get_by_role("button", name="Cancel run").click()
    expect(page.get_by_text("Cancel asked for by admin (dashboard).")).to_be_visible()
    assert len(questions) == 1
    with database.session() as session:
        assert runs.get(session, ids["running"]).cancel_requested_at is not None
        runs.end(session, ids["running"], RunStatus.CANCELLED, "cancelled", "Cancelled by admin.")
    expect(page.locator("#summary .badge")).to_have_text("Cancelled")
    expect(page.locator(".live-dot")).to_have_count(0)


def test_a_cancel_can_be_thought_better_of(
    page: Page, database: Database, ids: dict[str, int]
) -> None:
    page.goto("/runs")
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name=f"Cancel run {ids['running']}").click()
    with database.session() as session:
        assert runs.get(session, ids["running"]).cancel_requested_at is None


def test_a_run_is_cancelled_from_the_list(
    page: Page, database: Database, ids: dict[str, int]
) -> None:
    page.goto("/runs")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name=f"Cancel run {ids['running']}").click()
    expect(page.locator(f"#run-row-{ids['running']} .badge")).to_have_text("Cancelling")
    expect(page).to_have_url(re.compile("/runs$"))


def test_everything_appears_without_a_reload(
    page: Page, database: Database, ids: dict[str, int], tmp_path: Path
) -> None:
    run_id = ids["running"]
    page.goto(f"/runs/{run_id}")
    say(database, run_id, "agent.message", text="Live words.")
    expect(page.get_by_text("Live words.")).to_be_in_viewport()
    with database.session() as session:
        seed = Seed(session, tmp_path)
        seed.output(run_id, seed.step(run_id, "verify"), 0, "\x1b[32mgreen\x1b[0m output")
        seed.spend(run_id, 1_000_000)
        runs.enter(session, run_id, RunStatus.VERIFYING)
    expect(page.locator("#output")).to_contain_text("green output")
    expect(page.locator("#summary")).to_contain_text("$1.54")
    expect(page.locator("#timeline [aria-current=step]")).to_contain_text("Checks")


def test_the_list_follows_what_happens(page: Page, database: Database, ids: dict[str, int]) -> None:
    page.goto("/runs?group=live")
    row = page.locator(f"#run-row-{ids['running']}")
    expect(row).to_contain_text("Agent at work")
    with database.session() as session:
        runs.enter(session, ids["running"], RunStatus.CREATING_PR)
    expect(row).to_contain_text("Opening pull request")
    with database.session() as session:
        runs.end(session, ids["running"], RunStatus.FAILED, "agent", "No.")
    expect(row).to_have_count(0)


def test_filters_work_as_one_types_and_can_be_gone_back_from(
    page: Page, ids: dict[str, int]
) -> None:
    page.goto("/runs")
    page.get_by_placeholder("Title or #number").press_sequentially("Esperanto")
    expect(page.locator("table.runs tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("q=Esperanto"))
    page.get_by_role("link", name="Completed").click()
    expect(page.get_by_text("No run matches")).to_be_visible()
    page.go_back()
    expect(page.locator("table.runs tbody tr")).to_have_count(1)
    expect(page.locator("h1")).to_have_text("Runs")


def test_raising_the_budget_lets_a_run_go_on(
    page: Page, database: Database, ids: dict[str, int]
) -> None:
    page.goto(f"/runs/{ids['held']}")
    page.get_by_label("New limit, in dollars").fill("12.00")
    page.get_by_role("button", name="Raise and go on").click()
    expect(page.get_by_role("button", name="Raise and go on")).to_have_count(0)
    expect(page.locator("#meters")).to_contain_text("of $12.00")
    with database.session() as session:
        assert holds.current(session, ids["held"]) is None


def test_a_form_is_not_replaced_under_the_hands_of_who_fills_it_in(
    page: Page, database: Database, ids: dict[str, int], tmp_path: Path
) -> None:
    page.goto(f"/runs/{ids['held']}")
    field = page.get_by_label("New limit, in dollars")
    field.fill("77")
    with database.session() as session:
        Seed(session, tmp_path).spend(ids["held"], 20_000)
    expect(page.locator("#meters")).to_contain_text("$4.98")
    expect(field).to_have_value("77")


def test_a_refused_raise_keeps_what_was_typed_while_the_page_goes_on(
    page: Page, database: Database, ids: dict[str, int]
) -> None:
    page.goto(f"/runs/{ids['held']}")
    page.get_by_label("New limit, in dollars").fill("plenty")
    page.get_by_role("button", name="Raise and go on").click()
    expect(page.locator("#hold [role=alert]")).to_be_in_viewport()
    say(database, ids["held"], "agent.message", text="The stream is there.")
    expect(page.locator("#activity")).to_contain_text("The stream is there.")
    say(database, ids["held"], "agent.message", text="All parts have come once.")
    expect(page.locator("#activity")).to_contain_text("All parts have come once.")
    expect(page.get_by_label("New limit, in dollars")).to_have_value("plenty")


def test_settings_are_saved_and_refusals_shown(page: Page, ids: dict[str, int]) -> None:
    page.goto(f"/projects/{ids['project']}")
    page.get_by_role("textbox", name="A day", exact=True).fill("33.50")
    page.get_by_role("button", name="Save budget").click()
    expect(page.locator("#budget")).to_contain_text("Saved")
    expect(page.get_by_role("textbox", name="A day", exact=True)).to_have_value("33.50")
    page.get_by_role("textbox", name="Each run", exact=True).fill("plenty")
    page.get_by_role("textbox", name="A week", exact=True).fill("90")
    page.get_by_role("button", name="Save budget").click()
    refusal = page.locator("#budget [role=alert]")
    expect(refusal).to_contain_text("is not an amount of money")
    expect(refusal).to_be_in_viewport()  # the section lies far down the page
    expect(page.get_by_role("textbox", name="Each run", exact=True)).to_have_value("plenty")
    expect(page.get_by_role("textbox", name="A week", exact=True)).to_have_value("90")


def test_a_reader_who_scrolled_up_is_left_alone(
    page: Page, database: Database, ids: dict[str, int]
) -> None:
    run_id = ids["running"]
    page.goto(f"/runs/{run_id}")
    for number in range(40):
        say(database, run_id, "agent.message", text=f"Word {number}.")
    expect(page.get_by_text("Word 39.")).to_be_in_viewport()
    box = page.locator(".scroll")
    box.evaluate("box => { box.scrollTop = 0; }")
    say(database, run_id, "agent.message", text="Far below.")
    expect(page.get_by_text("Far below.")).to_have_count(1)
    assert box.evaluate("box => box.scrollTop") == 0


def test_pages_work_without_scripts(
    chromium: Browser, dashboard: Dashboard, database: Database, ids: dict[str, int]
) -> None:
    context = chromium.new_context(base_url=dashboard.url, java_script_enabled=False)
    page = context.new_page()
    page.goto(dashboard.login_link())
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Completed").click()
    expect(page.locator("table.runs tbody tr").first).to_be_visible()
    page.goto(f"/runs/{ids['running']}")
    page.get_by_role("button", name="Cancel run").click()
    expect(page.get_by_text("Cancel asked for by admin (dashboard).")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("Sign in with a link")).to_be_visible()
    context.close()


def test_a_restarted_stream_repeats_and_skips_nothing(
    page: Page, context: BrowserContext, database: Database, ids: dict[str, int]
) -> None:
    run_id = ids["running"]
    page.goto(f"/runs/{run_id}")
    say(database, run_id, "agent.message", text="Before the cut.")
    expect(page.get_by_text("Before the cut.")).to_have_count(1)
    context.set_offline(True)
    say(database, run_id, "agent.message", text="During the cut.")
    page.wait_for_timeout(300)
    context.set_offline(False)
    say(database, run_id, "agent.message", text="After the cut.")
    expect(page.get_by_text("After the cut.")).to_have_count(1)
    expect(page.get_by_text("During the cut.")).to_have_count(1)
    expect(page.get_by_text("Before the cut.")).to_have_count(1)


CHANGES = ["/runs/{running}/cancel", "/runs/{held}/raise-budget", "/projects/{project}/pause",
           "/projects/{project}/settings/budget"]  # fmt: skip
TRIES = """address => Promise.all([
  fetch(address, {credentials: 'include'}).then(() => 'read', () => 'refused'),
  fetch(address, {method: 'POST', mode: 'no-cors', credentials: 'include', body: 'reason=x'})
    .then(answer => answer.type, () => 'refused'),
  new Promise(told => {
    const stream = new EventSource(address + '/stream', {withCredentials: true});
    stream.onopen = () => told('read'); stream.onerror = () => told('refused');
  }),
  new Promise(told => {
    const web = new WebSocket(address.replace('http', 'ws') + '/stream');
    web.onopen = () => told('read'); web.onerror = () => told('refused');
  }),
])"""


@pytest.mark.parametrize("change", CHANGES)
def test_another_site_cannot_change_or_read(
    context: BrowserContext,
    dashboard: Dashboard,
    database: Database,
    ids: dict[str, int],
    change: str,
) -> None:
    page = context.new_page()
    target = dashboard.url + change.format(**ids)
    with database.session() as session:
        before = events.last_id(session)
    page.route(
        "https://evil.example/",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f"<form method=post action='{target}'><button>Win</button></form>",
        ),
    )
    page.goto("https://evil.example/")
    read, sent, streamed, socket = page.evaluate(TRIES, f"{dashboard.url}/runs")
    assert (read, streamed, socket) == ("refused", "refused", "refused")
    assert sent in {"refused", "opaque"}
    page.get_by_role("button").click()
    page.wait_for_load_state()
    assert page.title().startswith("Unauthorized")
    with database.session() as session:
        assert events.last_id(session) == before
        assert runs.get(session, ids["running"]).cancel_requested_at is None


def test_every_page_can_be_used_with_a_keyboard_and_fits_a_telephone(
    context: BrowserContext, ids: dict[str, int]
) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": 375, "height": 800})
    for path in ["/runs", f"/runs/{ids['running']}", f"/runs/{ids['held']}", "/projects",
                 f"/projects/{ids['project']}", "/health"]:  # fmt: skip
        page.goto(path)
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, path
        unnamed = page.evaluate(
            """[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
                .filter(e => !e.labels.length && !e.ariaLabel).map(e => e.name)"""
        )
        assert unnamed == [], path
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the content")).to_be_focused()
