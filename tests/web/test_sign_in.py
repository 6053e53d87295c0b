from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
from sqlalchemy import text

from paid.store import sessions
from paid.store.database import Database
from tests.plain_http import NO_TLS
from tests.web.serving import Dashboard, csrf_token, serving


def token_of(dashboard: Dashboard) -> str:
    return dashboard.login_link().partition("token=")[2]


def test_a_link_signs_in_once(dashboard: Dashboard, stranger: httpx.Client) -> None:
    token = token_of(dashboard)
    assert stranger.post("/login", data={"token": token}).headers["location"] == "/runs"
    assert stranger.get("/runs").status_code == 200
    with dashboard.client(signed_in=False) as second:
        refused = second.post("/login", data={"token": token})
    assert refused.status_code == 400
    assert "used already" in refused.text


def test_opening_the_link_spends_nothing(dashboard: Dashboard, stranger: httpx.Client) -> None:
    token = token_of(dashboard)
    for _ in range(3):
        page = stranger.get("/login", params={"token": token})
        assert "set-cookie" not in page.headers
    assert stranger.post("/login", data={"token": token}).status_code == 303


def test_of_many_that_race_for_one_link_one_wins(dashboard: Dashboard) -> None:
    token = token_of(dashboard)

    def attempt(_: int) -> int:
        with dashboard.client(signed_in=False) as client:
            return client.post("/login", data={"token": token}).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(attempt, range(8)))
    assert statuses == [303] + [400] * 7


def test_an_old_link_is_refused(dashboard: Dashboard, stranger: httpx.Client) -> None:
    with dashboard.database.session() as session:
        token = sessions.new_login_link(session, timedelta(seconds=-1))
    assert stranger.post("/login", data={"token": token}).status_code == 400


def test_the_cookie_is_out_of_reach_of_scripts(
    dashboard: Dashboard, stranger: httpx.Client
) -> None:
    answer = stranger.post("/login", data={"token": token_of(dashboard)})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie


def test_behind_https_the_cookie_is_secure_and_bound_to_the_host(
    database: Database, tmp_path: Path
) -> None:
    with serving(database, tmp_path, web_url="https://paid.example.org") as dashboard:
        token = token_of(dashboard)
        headers = {"host": "paid.example.org", "origin": "https://paid.example.org"}
        with httpx.Client(
            base_url=dashboard.url, headers=headers, timeout=60, verify=NO_TLS
        ) as client:
            answer = client.post("/login", data={"token": token})
    assert answer.headers["set-cookie"].startswith("__Host-paid=")
    assert "secure" in answer.headers["set-cookie"].lower()
    assert "max-age" in answer.headers["strict-transport-security"]


def test_a_cookie_that_was_planted_before_is_not_kept(
    dashboard: Dashboard, stranger: httpx.Client
) -> None:
    name = f"paid_{dashboard.url.rpartition(':')[2]}"
    stranger.cookies.set(name, "planted")
    answer = stranger.post("/login", data={"token": token_of(dashboard)})
    assert "planted" not in answer.headers["set-cookie"]


def test_signing_in_again_ends_the_session_before(
    dashboard: Dashboard, browser: httpx.Client
) -> None:
    before = dict(browser.cookies)
    browser.post("/login", data={"token": token_of(dashboard)})
    assert browser.get("/runs").status_code == 200
    with httpx.Client(base_url=dashboard.url, cookies=before, timeout=60, verify=NO_TLS) as replay:
        assert replay.get("/runs").status_code == 303


def test_a_cookie_is_worthless_after_signing_out(
    dashboard: Dashboard, browser: httpx.Client
) -> None:
    before = dict(browser.cookies)
    token = csrf_token(browser.get("/runs").text)
    assert browser.post("/logout", data={"csrf_token": token}).headers["location"] == "/login"
    with httpx.Client(base_url=dashboard.url, cookies=before, timeout=60, verify=NO_TLS) as replay:
        assert replay.get("/runs").headers["location"] == "/login"


def test_guessing_is_limited_whatever_forwarded_headers_say(stranger: httpx.Client) -> None:
    statuses = [
        stranger.post(
            "/login",
            data={"token": f"guess-{number}"},
            headers={"x-forwarded-for": f"10.0.0.{number}", "forwarded": f"for=10.1.0.{number}"},
        ).status_code
        for number in range(12)
    ]
    assert statuses[:10] == [400] * 10
    assert statuses[10:] == [429] * 2


def test_a_refused_guess_says_when_to_try_again(stranger: httpx.Client) -> None:
    for _ in range(10):
        stranger.post("/login", data={"token": "x"})
    refused = stranger.post("/login", data={"token": "x"})
    assert 1 <= int(refused.headers["retry-after"]) <= 61


def test_the_database_holds_no_token_and_no_cookie(
    dashboard: Dashboard, stranger: httpx.Client
) -> None:
    token = token_of(dashboard)
    stranger.post("/login", data={"token": token})
    cookie = next(iter(stranger.cookies.values()))
    with dashboard.database.session() as session:
        stored = session.connection().execute(
            text("SELECT token_hash FROM login_link UNION ALL SELECT token_hash FROM web_session")
        )
        hashes = [row.token_hash for row in stored]
    assert len(hashes) == 2
    assert token not in hashes
    assert cookie not in hashes


def test_a_stranger_is_sent_to_sign_in(stranger: httpx.Client) -> None:
    answer = stranger.get("/runs")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "paid login-link" in stranger.get("/login").text
