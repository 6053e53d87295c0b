"""The page of the organisation's money, raises for some hours, and spending as files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from paid.models import Run
from paid.store import budgets
from paid.store.database import Database
from paid.store.exports import GROUPS, ROWS_A_CHUNK
from paid.store.projects import GITHUB_API_URL
from tests.web.forms import fields_of
from tests.web.seed import Seed
from tests.web.serving import csrf_token


@pytest.fixture(autouse=True)
def no_caps_of_the_organisation(database: Database) -> Iterator[None]:
    yield
    with database.session() as session:
        budgets.set_organisation_limits(session, day_cents=None, week_cents=None, month_cents=None)


def post(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    token = csrf_token(browser.get("/money").text)
    return browser.post(path, data={"csrf_token": token, **fields})


def test_the_organisations_limits_are_set_and_shown(
    browser: httpx.Client, database: Database
) -> None:
    answer = post(
        browser, "/money/limits", daily_cents="12.50", weekly_cents="", monthly_cents="400",
        time_zone="Europe/Berlin", warn_percents="75, 90%",
    )  # fmt: skip
    assert (answer.status_code, answer.headers["location"]) == (303, "/money?saved=limits#limits")
    with database.session() as session:
        limits = budgets.organisation_limits(session)
        organisation = budgets.organisation(session)
        assert [limit.cents for limit in limits.values()] == [1250, None, 40_000]
        assert (organisation.time_zone, organisation.warn_percents) == ("Europe/Berlin", [75, 90])
    page = browser.get("/money?saved=limits").text
    assert all(shown in page for shown in ('value="12.50"', "Europe/Berlin", "75, 90", "Saved"))


def test_what_was_not_sent_stays_and_a_limit_that_is_empty_is_lifted(
    browser: httpx.Client, database: Database
) -> None:
    whole = {"daily_cents": "2", "weekly_cents": "3", "monthly_cents": "4",
             "time_zone": "Europe/Lisbon", "warn_percents": "60"}  # fmt: skip
    assert post(browser, "/money/limits", **whole).status_code == 303
    assert post(browser, "/money/limits", weekly_cents="", monthly_cents="5").status_code == 303
    with database.session() as session:
        limits = budgets.organisation_limits(session)
        organisation = budgets.organisation(session)
        assert [limit.cents for limit in limits.values()] == [200, None, 500]
        assert (organisation.time_zone, organisation.warn_percents) == ("Europe/Lisbon", [60])


@pytest.mark.parametrize(
    "fields",
    [
        {"daily_cents": "much"},
        {"daily_cents": "-1"},
        {"time_zone": "Mars/Base"},
        {"time_zone": "localtime"},
        {"warn_percents": "101"},
        {"warn_percents": "half"},
    ],
)
def test_what_cannot_be_meant_is_refused_beside_the_form(
    browser: httpx.Client, fields: dict[str, str]
) -> None:
    given = {"time_zone": "UTC", "warn_percents": "80", "daily_cents": "1", "weekly_cents": "9.50",
             "monthly_cents": ""}  # fmt: skip
    answer = post(browser, "/money/limits", **(given | fields))
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert "Limits of all projects together" in answer.text
    assert fields_of(answer.text, "/money/limits") == given | fields


def test_the_organisations_limit_is_raised_for_some_hours(
    browser: httpx.Client, database: Database
) -> None:
    with database.session() as session:
        budgets.set_organisation_limits(session, day_cents=100)
    raised = {"period": "day", "dollars": "3", "hours": "5"}
    assert post(browser, "/money/raise", **raised).status_code == 303
    with database.session() as session:
        day = budgets.organisation_limits(session)["day"]
    assert (day.cents, day.raised_to_cents) == (100, 300)
    assert "$3.00 until" in browser.get("/money").text
    for wrong in (
        {"dollars": "1"},
        {"hours": ""},
        {"hours": "0"},
        {"period": "week"},
        {"period": "x"},
    ):
        answer = post(browser, "/money/raise", **(raised | wrong))
        assert answer.status_code == 400, wrong
        assert_raise_kept(answer.text, "/money/raise", raised | wrong)


def assert_raise_kept(page: str, action: str, sent: dict[str, str]) -> None:
    """The form says why it was refused, and what was sent; limits that are not set have no name."""
    form = page.partition(f'action="{action}#raise"')[2].partition("</form>")[0]
    assert 'role="alert"' in form
    fields = fields_of(page, action)
    assert {**sent, "period": fields.pop("period", sent["period"])} == {**sent, **fields}


@pytest.mark.parametrize("period", ["run", "day"])
def test_a_projects_limit_is_raised_for_some_hours(
    browser: httpx.Client, database: Database, tmp_path: Path, period: str
) -> None:
    with database.session() as session:
        project_id = Seed(session, tmp_path).project()
    raised = {"period": period, "dollars": "90", "hours": "2"}
    assert post(browser, f"/projects/{project_id}/raise", **raised).status_code == 303
    with database.session() as session:
        assert budgets.limits(session, project_id)[period].raised_to_cents == 9000
    assert "$90.00 until" in browser.get(f"/projects/{project_id}").text
    for wrong in ({"dollars": "0.01"}, {"hours": "soon"}, {"dollars": "much"}):
        refused = post(browser, f"/projects/{project_id}/raise", **(raised | wrong))
        assert refused.status_code == 400
        assert_raise_kept(refused.text, f"/projects/{project_id}/raise", raised | wrong)


@pytest.mark.parametrize("by", list(GROUPS))
def test_spending_is_downloaded_in_every_grouping(
    browser: httpx.Client, database: Database, tmp_path: Path, by: str
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        project_id = seed.project()
        seed.spend(seed.run(project_id), 70_000, model="=cmd|' /C calc'!A0")
        seed.spend(seed.run(project_id), 50_000, model="gpt-5")
    address = f"/money/export?by={by}&project={project_id}&days=7"
    as_csv, as_json = browser.get(address), browser.get(f"{address}&format=json")
    assert as_csv.headers["content-type"].startswith("text/csv")
    assert as_csv.headers["content-disposition"] == f'attachment; filename="paid-by-{by}.csv"'
    rows = list(csv.DictReader(io.StringIO(as_csv.text)))
    assert sum(int(row["amount_microdollars"]) for row in rows) == 120_000
    assert sum(row["amount_microdollars"] for row in as_json.json()) == 120_000
    assert not any(cell.startswith("=") for row in rows for cell in row.values())


def test_projects_of_one_name_on_two_servers_are_told_apart(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        spent = {}
        for server, amount in ((GITHUB_API_URL, 30_000), ("https://git.example/api/v3", 40_000)):
            project_id = seed.project("acme/twin", server)
            spent[project_id, server] = amount
            seed.spend(seed.run(project_id), amount)
    for page in (browser.get("/money").text, browser.get("/runs").text):
        assert ">acme/twin</option>" in page
        assert ">acme/twin on git.example</option>" in page
    for kind in ("csv", "json"):
        answer = browser.get(f"/money/export?by=project&format={kind}")
        rows = answer.json() if kind == "json" else csv.DictReader(io.StringIO(answer.text))
        assert spent == {
            (int(row["project_id"]), row["api_url"]): int(row["amount_microdollars"])
            for row in rows
            if row["project"] == "acme/twin"
        }


def test_a_long_file_comes_whole(browser: httpx.Client, database: Database, tmp_path: Path) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        run_id = seed.run(seed.project("acme/long"))
        project_id = session.get_one(Run, run_id).project_id
        for number in range(ROWS_A_CHUNK + 3):
            seed.spend(run_id, 10, model=f"model-{number}")
    rows = browser.get(f"/money/export?by=model&project={project_id}&format=json").json()
    assert len(rows) == ROWS_A_CHUNK + 3


@pytest.mark.parametrize("query", ["by=moon", "format=xml", "project=-1", "days=x", "days=999999"])
def test_an_export_that_cannot_be_meant_is_refused(browser: httpx.Client, query: str) -> None:
    assert browser.get(f"/money/export?{query}").status_code == 400


def test_an_export_of_a_project_that_is_not_there(browser: httpx.Client) -> None:
    assert browser.get("/money/export?project=999999").status_code == 404


def test_a_strangers_export_is_not_answered(dashboard: object) -> None:
    with dashboard.client(signed_in=False) as stranger:  # type: ignore[attr-defined]
        answer = stranger.get("/money/export", headers={"accept": "application/json"})
    assert answer.status_code == 401
