"""The form with which a person lets secrets go, on the page of a run that was refused for them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from paid.contracts import RunStatus
from paid.embedded import TemporalServer
from paid.store import events, runs, secrets
from paid.store.database import Database
from tests.store.rows import FOUND, refuse
from tests.waiting import wait_until
from tests.web.forms import fields_of
from tests.web.seed import Seed
from tests.web.serving import csrf_token, serving


@pytest.fixture
def run_id(database: Database, tmp_path: Path) -> int:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        number = seed.run(seed.project())
    refuse(database, number)
    return number


def release(browser: httpx.Client, run_id: int, **fields: str) -> httpx.Response:
    token = csrf_token(browser.get(f"/runs/{run_id}").text)
    return browser.post(f"/runs/{run_id}/release", data={"csrf_token": token, **fields})


def test_the_page_names_what_was_found_and_the_form_publishes_it(
    browser: httpx.Client, database: Database, run_id: int
) -> None:
    page = browser.get(f"/runs/{run_id}").text
    assert fields_of(page, "/release") == {"reason": ""}
    assert all(f"{each['kind']} in {each['place']}" in page for each in FOUND)
    answer = release(browser, run_id, reason="keys of the test server")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{run_id}")
    with database.session() as session:
        run = runs.get(session, run_id)
        assert (run.status, run.publishes_only) == (RunStatus.QUEUED, True)
        (told,) = events.of_kind(session, run_id, secrets.RELEASED)
    assert told.data["by"].endswith("(dashboard)")
    assert (told.data["reason"], told.data["found"]) == ("keys of the test server", FOUND)
    assert "Release and publish" not in browser.get(f"/runs/{run_id}").text


@pytest.mark.parametrize("reason", ["", "  ", "<b>" * 200])
def test_a_release_without_a_reason_shows_the_form_again(
    browser: httpx.Client, database: Database, run_id: int, reason: str
) -> None:
    answer = release(browser, run_id, reason=reason)
    assert answer.status_code == 400
    form = answer.text.partition('id="release"')[2].partition("</form>")[0]
    assert 'role="alert"' in form
    assert fields_of(answer.text, "/release") == {"reason": reason}
    with database.session() as session:
        assert runs.get(session, run_id).released_secrets == []


def test_a_release_needs_the_pages_own_token(
    browser: httpx.Client, database: Database, run_id: int
) -> None:
    forged = {"csrf_token": "0" * 64, "reason": "mine"}
    assert browser.post(f"/runs/{run_id}/release", data=forged).status_code == 403
    with database.session() as session:
        assert runs.get(session, run_id).released_secrets == []


def test_a_run_of_which_nothing_was_refused_has_no_such_form(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        number = seed.run(seed.project(), status="failed")
    assert "Release and publish" not in browser.get(f"/runs/{number}").text
    token = csrf_token(browser.get("/runs").text)
    sent = {"csrf_token": token, "reason": "why not"}
    assert browser.post(f"/runs/{number}/release", data=sent).status_code == 400


def test_the_publication_begins_at_once(
    database: Database, run_id: int, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    async def is_there() -> bool:
        client = await Client.connect(temporal_server.address)
        with_id = client.get_workflow_handle(workflow_id)
        try:
            await with_id.terminate()
        except RPCError:
            return False
        return True

    address = temporal_server.address
    with (
        serving(
            database, tmp_path, temporal_address=address, temporal_task_queue="nobody"
        ) as dashboard,
        dashboard.client() as browser,
    ):
        assert release(browser, run_id, reason="keys of the test server").status_code == 303
        with database.session() as session:
            workflow_id = runs.get(session, run_id).workflow_id
        wait_until(lambda: asyncio.run(is_there()), "the run's workflow")
