"""Who may call which route, from where, and with what."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import httpx
import pytest
from litestar import Litestar

from paid.settings import Settings
from paid.store.database import Database
from tests.plain_http import NO_TLS
from tests.web.seed import Seed
from tests.web.serving import Dashboard, csrf_token
from web.app import litestar_app, make_services

OPEN = {"/login", "/health", "/metrics", "/static", "/webhooks/github"}


def routes(database: Database) -> list[tuple[str, str]]:
    """Every route that the application has, as (method, path)."""
    app: Litestar = litestar_app(make_services(Settings(), database, 1))
    found = []
    for route in app.routes:
        for method in sorted(getattr(route, "methods", set()) - {"OPTIONS", "HEAD"}):
            found.append((method, route.path_format))
    return found


def filled(path: str) -> str:
    return re.sub(r"\{section\}", "budget", re.sub(r"\{\w+_id\}", "1", path))


def test_every_page_and_change_needs_a_session(
    dashboard: Dashboard, stranger: httpx.Client, database: Database
) -> None:
    guarded = [(m, p) for m, p in routes(database) if not p.startswith(tuple(_open_prefixes()))]
    assert len(guarded) >= 12
    for method, path in guarded:
        answer = stranger.request(method, filled(path), headers={"accept": "application/json"})
        assert answer.status_code == 401, (method, path, answer.status_code)


def test_a_stranger_learns_nothing_by_asking_for_options(
    dashboard: Dashboard, stranger: httpx.Client, database: Database
) -> None:
    for _, path in routes(database):
        answer = stranger.options(filled(path), headers={"accept": "application/json"})
        is_open = path.startswith(tuple(_open_prefixes()))
        assert (answer.status_code == 401) != is_open, (path, answer.status_code)
        assert answer.status_code < 500, path


def _open_prefixes() -> list[str]:
    return [path.partition("/{")[0] for path in OPEN]


def test_a_forged_session_is_no_session(dashboard: Dashboard, stranger: httpx.Client) -> None:
    stranger.cookies.set(f"paid_{dashboard.url.rpartition(':')[2]}", "x" * 5000)
    assert stranger.get("/runs").status_code == 303


def test_no_get_changes_anything(database: Database) -> None:
    changing = {
        "cancel",
        "raise-budget",
        "release",
        "raise",
        "limits",
        "pause",
        "resume",
        "logout",
        "settings",
    }
    for method, path in routes(database):
        if set(path.split("/")) & changing:
            assert method == "POST", path


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1:80@evil.example", ""]
)
def test_another_name_is_refused(stranger: httpx.Client, host: str) -> None:
    answer = stranger.get("/login", headers={"host": host, "x-forwarded-host": "localhost"})
    assert answer.status_code == 400
    assert "content-security-policy" in answer.headers


def test_a_forwarded_host_changes_nothing(stranger: httpx.Client) -> None:
    answer = stranger.get("/runs", headers={"x-forwarded-host": "evil.example"})
    assert answer.headers["location"] == "/login"
    assert "evil.example" not in stranger.get("/login").text


def test_two_hosts_are_refused(dashboard: Dashboard) -> None:
    port = int(dashboard.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(f"GET /login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil\r\n\r\n".encode())
        assert b" 400 " in raw.recv(200).split(b"\r\n")[0]


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://localhost:1"])
def test_a_change_from_elsewhere_is_refused(
    dashboard: Dashboard, database: Database, tmp_path: Path, origin: str | None
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        run_id = seed.run(seed.project())
    with dashboard.client() as browser:
        token = csrf_token(browser.get("/runs").text)
        if origin is None:
            del browser.headers["origin"]
        else:
            browser.headers["origin"] = origin
        answer = browser.post(f"/runs/{run_id}/cancel", data={"csrf_token": token})
        assert answer.status_code == 403
        assert "Cancelling" not in browser.get(f"/runs/{run_id}").text


def test_an_own_origin_must_be_the_host_that_was_called(dashboard: Dashboard) -> None:
    with dashboard.client() as browser:
        token = csrf_token(browser.get("/runs").text)
        browser.headers["origin"] = dashboard.url.replace("127.0.0.1", "localhost")
        assert browser.post("/logout", data={"csrf_token": token}).status_code == 403


@pytest.mark.parametrize("token", ["", "0" * 64, "\u0661", None])
def test_a_change_needs_the_sessions_own_token(browser: httpx.Client, token: str | None) -> None:
    data = {} if token is None else {"csrf_token": token}
    assert browser.post("/logout", data=data).status_code == 403
    assert browser.get("/runs").status_code == 200


def test_every_change_needs_the_sessions_own_token(
    browser: httpx.Client, database: Database
) -> None:
    changes = [path for method, path in routes(database) if method == "POST"]
    guarded = [path for path in changes if path not in ("/login", "/webhooks/github")]
    assert len(guarded) >= 9
    for path in guarded:
        assert browser.post(filled(path), data={"csrf_token": "0" * 64}).status_code == 403, path
        assert browser.post(filled(path), json={}).status_code in {403, 415}, path


def test_the_token_of_another_session_is_refused(
    dashboard: Dashboard, browser: httpx.Client
) -> None:
    with dashboard.client() as other:
        token = csrf_token(other.get("/runs").text)
    assert browser.post("/logout", data={"csrf_token": token}).status_code == 403


def test_the_token_may_come_in_a_header(browser: httpx.Client) -> None:
    token = csrf_token(browser.get("/runs").text)
    assert browser.post("/logout", headers={"x-csrf-token": token}).status_code == 303


def test_websockets_are_closed(dashboard: Dashboard) -> None:
    upgrade = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "origin": "http://evil.example",
    }
    answer = httpx.get(f"{dashboard.url}/runs/stream", headers=upgrade, timeout=60, verify=NO_TLS)
    assert answer.status_code in {303, 400, 401, 403, 404}


def test_pages_allow_no_inline_script_and_no_framing(browser: httpx.Client) -> None:
    for path in ["/runs", "/nothing-here", "/static/paid.css"]:
        headers = browser.get(path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
    assert browser.get("/runs").headers["cache-control"] == "no-store"


def test_templates_hold_no_script_and_no_style() -> None:
    for template in Path("web/templates").rglob("*.html"):
        source = template.read_text()
        assert not re.search(r"<script(?![^>]* src=)", source), template
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|\|safe\b", source), template


def test_metrics_are_for_this_machine_only(dashboard: Dashboard) -> None:
    assert (
        "paid_web_requests_total"
        in httpx.get(f"{dashboard.url}/metrics", timeout=60, verify=NO_TLS).text
    )
    assert httpx.head(f"{dashboard.url}/metrics", timeout=60).status_code == 200
    elsewhere = {"host": "paid.example.org"}
    assert httpx.head(f"{dashboard.url}/metrics", headers=elsewhere, timeout=60).status_code >= 400
