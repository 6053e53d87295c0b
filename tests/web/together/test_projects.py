from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from paid.agents import registry
from paid.check_lines import BASH
from paid.embedded import TemporalServer
from paid.models import Project
from paid.store import budgets, projects
from paid.store.database import Database
from tests.poll_signals import signals_of_poll
from tests.waiting import wait_until
from tests.web.forms import fields_of
from tests.web.seed import Seed
from tests.web.serving import csrf_token, serving


@pytest.fixture
def project_id(database: Database, tmp_path: Path) -> int:
    with database.session() as session:
        return Seed(session, tmp_path).project()


def save(browser: httpx.Client, project_id: int, section: str, **fields: str) -> httpx.Response:
    token = csrf_token(browser.get(f"/projects/{project_id}").text)
    path = f"/projects/{project_id}/settings/{section}"
    return browser.post(path, data={"csrf_token": token, **fields})


BUDGET = {"run_cents": "", "issue_cents": "", "daily_cents": "", "weekly_cents": "",
          "monthly_cents": ""}  # fmt: skip
AGENT = {"agent": "opencode", "model": "", "allowed_models": "", "fallback_models": "",
         "max_iterations": "4", "max_tokens": "50000", "max_seconds": "3600"}  # fmt: skip
CHECKS = {"checks": "", "check_timeout_seconds": "60"}
LABELS = {"build_label": "build-it", "plan_label": "plan-it", "cancel_label": "stop-it",
          "trusted_logins": "", "interval_seconds": "30", "time_zone": "Europe/Lisbon"}  # fmt: skip
CONTAINER = {"cpus": "1.5", "memory_mib": "2048", "pids": "256", "egress_hosts": ""}
SECTIONS = {"budget": [*BUDGET, "warn_percents"], "agent": AGENT, "checks": CHECKS,
            "labels": LABELS, "container": CONTAINER}  # fmt: skip


def test_a_new_interval_holds_at_once(
    database: Database, project_id: int, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    with (
        signals_of_poll(temporal_server, project_id) as signals,
        serving(database, tmp_path, temporal_address=temporal_server.address) as dashboard,
        dashboard.client() as browser,
    ):
        assert save(browser, project_id, "checks", **CHECKS).status_code == 303
        assert save(browser, project_id, "labels", **LABELS).status_code == 303
        wait_until(signals, "the signal")
        assert signals() == ["look_now"]


def test_projects_are_listed_with_their_state(browser: httpx.Client, project_id: int) -> None:
    page = browser.get("/projects").text
    assert "acme/greeter" in page
    assert "Watching" in page


def test_a_budget_is_given_in_dollars(
    browser: httpx.Client, project_id: int, database: Database
) -> None:
    answer = save(browser, project_id, "budget", **{**BUDGET, "run_cents": "7.25",
                  "daily_cents": "1,000"})  # fmt: skip
    assert answer.headers["location"] == f"/projects/{project_id}?saved=budget#budget"
    with database.session() as session:
        limits = budgets.limits(session, project_id)
    assert {name: limit.cents for name, limit in limits.items()} == {
        "run": 725, "issue": None, "day": 100_000, "week": None, "month": None,
    }  # fmt: skip
    page = browser.get(answer.headers["location"]).text
    assert 'value="7.25"' in page
    assert "Saved" in page


def test_a_limit_under_which_no_request_fits_is_told_beside_its_form(
    browser: httpx.Client, project_id: int
) -> None:
    assert "No request of" not in browser.get(f"/projects/{project_id}").text
    save(browser, project_id, "budget", **BUDGET | {"run_cents": "0.02"})
    page = browser.get(f"/projects/{project_id}").text
    assert "fits under the run limit of $0.02" in page
    assert "reserves up to $" in page


def test_a_limit_that_was_not_sent_stays_and_one_that_is_empty_is_lifted(
    browser: httpx.Client, project_id: int, database: Database
) -> None:
    both = {**BUDGET, "daily_cents": "20", "weekly_cents": "30", "warn_percents": "60"}
    assert save(browser, project_id, "budget", **both).status_code == 303
    part = {"run_cents": "5", "weekly_cents": ""}
    assert save(browser, project_id, "budget", **part).status_code == 303
    with database.session() as session:
        limits = budgets.limits(session, project_id)
        assert projects.policy(session, project_id).warn_percents == [60]
    assert {name: limit.cents for name, limit in limits.items()} == {
        "run": 500, "issue": None, "day": 2000, "week": None, "month": None,
    }  # fmt: skip


def test_agent_and_limits_are_changed(
    browser: httpx.Client, project_id: int, database: Database
) -> None:
    assert save(browser, project_id, "agent", **AGENT).status_code == 303
    with database.session() as session:
        assert projects.get(session, project_id).agent == "opencode"
        assert projects.policy(session, project_id).max_iterations == 4


def test_a_check_is_a_program_with_arguments_or_a_line_of_bash(
    browser: httpx.Client, project_id: int, database: Database
) -> None:
    commands = "python3 -m unittest\r\nmake 'a b' # $(id)"
    answer = save(browser, project_id, "checks", **{**CHECKS, "checks": commands,
                  "draft_pull_request": "on"})  # fmt: skip
    assert answer.status_code == 303, answer.text
    with database.session() as session:
        policy = projects.policy(session, project_id)
    assert policy.checks == [["python3", "-m", "unittest"], [*BASH, "make 'a b' # $(id)"]]
    assert policy.draft_pull_request
    assert not policy.allow_workflow_changes


def test_labels_people_and_container_are_changed(
    browser: httpx.Client, project_id: int, database: Database
) -> None:
    people = {**LABELS, "trusted_logins": "maria\r\njoao"}
    assert save(browser, project_id, "labels", **people).status_code == 303
    assert save(browser, project_id, "container", **CONTAINER).status_code == 303
    with database.session() as session:
        policy = projects.policy(session, project_id)
        assert projects.labels(session, project_id)["build"] == "build-it"
    assert policy.trusted_logins == ["maria", "joao"]
    assert (policy.cpus, policy.egress_hosts) == (1.5, [])


@pytest.mark.parametrize(
    ("section", "fields"),
    [
        ("budget", {**BUDGET, "run_cents": "lots"}),
        ("budget", {**BUDGET, "run_cents": "-5"}),
        ("budget", {**BUDGET, "run_cents": "9" * 40}),
        ("agent", {**AGENT, "agent": "no-such-agent"}),
        ("agent", {**AGENT, "max_tokens": "1e9"}),
        ("agent", {**AGENT, "max_tokens": "9" * 30}),
        ("agent", {**AGENT, "max_iterations": "0"}),
        ("agent", {}),
        ("checks", {**CHECKS, "checks": "echo 'open"}),
        ("checks", {**CHECKS, "check_timeout_seconds": "\u0665"}),
        ("labels", {**LABELS, "build_label": ""}),
        ("labels", {**LABELS, "build_label": "stop-it"}),
        ("labels", {**LABELS, "time_zone": "Mars/Olympus"}),
        ("labels", {**LABELS, "trusted_logins": "a b"}),
        ("container", {**CONTAINER, "cpus": "nan"}),
        ("container", {**CONTAINER, "cpus": "inf"}),
        ("container", {**CONTAINER, "memory_mib": "1"}),
        ("container", {**CONTAINER, "egress_hosts": "http://evil/\x00"}),
    ],
)
def test_a_refusal_is_shown_beside_its_form(
    browser: httpx.Client, project_id: int, section: str, fields: dict[str, str]
) -> None:
    answer = save(browser, project_id, section, **fields)
    assert answer.status_code == 400
    form = answer.text.partition(f'id="{section}"')[2].partition("</section>")[0]
    assert 'role="alert"' in form
    assert "<details open>" in form
    kept = {name: fields.get(name, "") for name in SECTIONS[section]}
    if kept.get("agent") not in registry.names():  # a list shows only what is in it
        kept.pop("agent", None)
    assert fields_of(answer.text, f"/settings/{section}") == kept


def test_a_refused_form_keeps_its_switches_and_leaves_the_other_forms_alone(
    browser: httpx.Client, project_id: int
) -> None:
    typed = {"checks": "make 'a", "check_timeout_seconds": "77", "draft_pull_request": "on"}
    page = save(browser, project_id, "checks", **typed).text
    assert fields_of(page, "/settings/checks") == typed
    stored = browser.get(f"/projects/{project_id}").text
    for section in SECTIONS.keys() - {"checks"}:
        assert fields_of(page, f"/settings/{section}") == fields_of(stored, f"/settings/{section}")


def test_what_was_typed_is_text_when_it_is_shown_again(
    browser: httpx.Client, project_id: int
) -> None:
    evil = '"><script>alert(1)</script></textarea>'
    typed = {**LABELS, "build_label": evil, "trusted_logins": evil}
    page = save(browser, project_id, "labels", **typed).text
    assert fields_of(page, "/settings/labels") == typed
    assert "<script>alert" not in page


def test_an_unknown_group_of_settings_is_refused(browser: httpx.Client, project_id: int) -> None:
    assert save(browser, project_id, "secrets", token="x").status_code == 400


def test_a_project_is_paused_and_resumed(
    browser: httpx.Client, project_id: int, database: Database
) -> None:
    token = csrf_token(browser.get("/projects").text)
    pause = {"csrf_token": token, "reason": "Release day."}
    assert browser.post(f"/projects/{project_id}/pause", data=pause).status_code == 303
    page = browser.get(f"/projects/{project_id}").text
    assert "Release day." in page
    assert "Resume" in page
    token = csrf_token(page)
    browser.post(f"/projects/{project_id}/resume", data={"csrf_token": token})
    with database.session() as session:
        assert session.get_one(Project, project_id).state == "active"


def test_a_removed_project_shows_without_forms(
    browser: httpx.Client, project_id: int, database: Database
) -> None:
    with database.session() as session:
        projects.remove(session, project_id, by="maria")
    page = browser.get(f"/projects/{project_id}").text
    assert "Removed" in page
    assert "/settings/" not in page
    assert save(browser, project_id, "budget", **BUDGET).status_code == 400


def test_an_unknown_project_is_not_found(browser: httpx.Client) -> None:
    assert browser.get("/projects/987654321").status_code == 404


def test_a_cap_that_is_lifted_for_a_while_says_until_when(
    browser: httpx.Client, project_id: int, database: Database
) -> None:
    with database.session() as session:
        budgets.raise_for_a_while(session, project_id, "day", 12_345, timedelta(hours=2))
    page = browser.get(f"/projects/{project_id}").text
    assert "$123.45 until " in page
