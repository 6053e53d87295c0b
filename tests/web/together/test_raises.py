from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from paid.contracts import RunStatus
from paid.models import Run
from paid.store import budgets, holds, runs
from paid.store.database import Database
from tests.web.forms import fields_of
from tests.web.seed import Seed
from tests.web.serving import csrf_token


@pytest.fixture(autouse=True)
def no_caps_of_the_organisation(database: Database) -> None:
    with database.session() as session:
        budgets.set_organisation_limits(session, day_cents=None)


def post(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """Send a form as a browser would, with the token of a page."""
    token = csrf_token(browser.get("/runs").text)
    return browser.post(path, data={"csrf_token": token, **fields})


def held_run(database: Database, folder: Path, scope: str, period: str) -> int:
    with database.session() as session:
        seed = Seed(session, folder)
        project_id = seed.project()
        run_id = seed.run(project_id)
        seed.spend(run_id, 900_000)
        budgets.set_limits(session, project_id, run_cents=None, day_cents=None)
        if scope == "project":
            budgets.set_limits(session, project_id, **{f"{period}_cents": 100})
        elif scope == "run":
            budgets.set_limits(session, project_id, run_cents=100)
        elif scope == "issue":
            budgets.set_limits(session, project_id, issue_cents=100)
        else:  # its day is what all tests of the module spent
            budgets.set_organisation_limits(session, day_cents=100)
        seed.hold(
            run_id,
            scope=scope,
            period=period,
            limit_microdollars=1_000_000,
            spent_microdollars=900_000,
            needed_microdollars=500_000,
        )
    return run_id


@pytest.mark.parametrize(
    ("scope", "period"),
    [
        ("run", "total"),
        ("issue", "total"),
        ("project", "day"),
        ("project", "month"),
        ("organisation", "day"),
    ],
)
def test_raising_the_cap_lets_a_run_go_on(
    browser: httpx.Client, database: Database, tmp_path: Path, scope: str, period: str
) -> None:
    run_id = held_run(database, tmp_path, scope, period)
    assert "Raise and go on" in browser.get(f"/runs/{run_id}").text
    answer = post(browser, f"/runs/{run_id}/raise-budget", dollars="$99.50", hours="")
    assert answer.status_code == 303, answer.text
    with database.session() as session:
        assert holds.current(session, run_id) is None
    assert "Raise and go on" not in browser.get(f"/runs/{run_id}").text


def test_a_cap_may_be_raised_for_some_hours(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    run_id = held_run(database, tmp_path, "project", "day")
    assert post(browser, f"/runs/{run_id}/raise-budget", dollars="4", hours="3").status_code == 303
    with database.session() as session:
        limit = budgets.limits(session, runs.get(session, run_id).project_id)["day"]
    assert (limit.cents, limit.raised_to_cents) == (100, 400)


def test_a_run_that_may_not_even_begin_names_its_cap(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        project_id = seed.project()
        budgets.set_limits(session, project_id, day_cents=0)
        run_id = seed.run(project_id)
        session.get_one(Run, run_id).status = RunStatus.BUDGET_EXCEEDED
        session.get_one(Run, run_id).ended_at = None
    assert "daily budget of $0.00 is used up" in browser.get(f"/runs/{run_id}").text
    assert post(browser, f"/runs/{run_id}/raise-budget", dollars="2").status_code == 303
    with database.session() as session:
        assert budgets.limits(session, project_id)["day"].cents == 200


@pytest.mark.parametrize(
    ("dollars", "hours"),
    [("", ""), ("x", ""), ("-1", ""), ("0.5", ""), ("1.005", ""), ("NaN", ""), ("1e30", ""),
     ("Infinity", ""), ("2", "-1"), ("2", "x"), ("2", "99999"), ("2", "1.5"), ("\u0662", "\u0661")],
)  # fmt: skip
def test_a_raise_that_is_none_is_refused(
    browser: httpx.Client, database: Database, tmp_path: Path, dollars: str, hours: str
) -> None:
    run_id = held_run(database, tmp_path, "run", "total")
    answer = post(browser, f"/runs/{run_id}/raise-budget", dollars=dollars, hours=hours)
    assert answer.status_code == 400
    form = answer.text.partition('id="hold"')[2].partition("</form>")[0]
    assert 'role="alert"' in form
    assert fields_of(answer.text, "/raise-budget") == {"dollars": dollars, "hours": hours}
    with database.session() as session:
        assert holds.current(session, run_id) is not None


def test_a_raise_that_is_none_is_refused_also_when_nothing_waits(
    browser: httpx.Client, database: Database, tmp_path: Path
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        run_id = seed.run(seed.project(), status="failed")
    assert post(browser, f"/runs/{run_id}/raise-budget", dollars="x").status_code == 400
