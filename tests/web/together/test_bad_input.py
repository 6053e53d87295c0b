"""Whatever is sent, the answer is a clean 4xx that says what to do, never a 500."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paid.store.database import Database
from tests.web.seed import Seed
from tests.web.serving import Dashboard, csrf_token

SQL = [
    "' OR '1'='1", "1; DROP TABLE run --", "1' UNION SELECT NULL,NULL --", "%' AND SLEEP(5) --",
    "1) OR (1=1", "'; SELECT pg_sleep(5); --", "1 OR 1=1", "\\'; --", "admin'--", "1/**/OR/**/1",
    "(SELECT CASE WHEN (1=1) THEN 1 ELSE 1/(SELECT 0) END)", "CHR(39)||CHR(39)", "$$;SELECT 1;$$",
    "1 AND 1=CAST((SELECT version()) AS int)", "'||(SELECT '')||'", "%00' OR 1=1", "0x31", "1e309",
    "id,(SELECT 1)", "created_at; DROP TABLE issue", "%", "_", "\\", "%%%", "[[:<:]]",
]  # fmt: skip
ODD = [
    "%00", "a%00b", "%ED%A0%80", "%ff%fe", "%c0%ae", "%F0%9F%92%A9", "%E2%80%AE", "%0d%0aX: y",
    "9" * 400, "-1", "0", "1.5", "1e5", "0x10", "NaN", "true", "null", "%D9%A1", "+1", "1_000",
    "%20", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/", "a" * 3000, "%", "%zz", "{}",
    "[]", "[object%20Object]", "%F4%90%80%80",
]  # fmt: skip


@pytest.fixture
def run_id(database: Database, tmp_path: Path) -> int:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        return seed.run(seed.project())


def assert_clean(answer: httpx.Response) -> None:
    assert answer.status_code < 500, (answer.request.url, answer.text[:500])
    if answer.status_code >= 400:
        assert "Traceback" not in answer.text
        assert "sqlalchemy" not in answer.text.lower()
        assert "psycopg" not in answer.text.lower()


def test_attacks_on_filters_find_nothing(browser: httpx.Client, run_id: int) -> None:
    whole = browser.get("/runs").text.count('id="run-row-')
    for attack in SQL:
        for name in ("q", "project", "page", "group", "sort"):
            answer = browser.get("/runs", params={name: attack})
            assert_clean(answer)
            if name == "q":
                assert answer.status_code == 200
                assert answer.text.count('id="run-row-') <= whole
            elif name != "sort":
                assert answer.status_code == 400, (name, attack)
    assert browser.get("/runs").text.count('id="run-row-') == whole


@pytest.mark.parametrize("name", ["by", "format", "project", "days", "sort"])
def test_attacks_on_the_export_find_nothing(browser: httpx.Client, run_id: int, name: str) -> None:
    for attack in SQL:
        answer = browser.get("/money/export", params={name: attack})
        assert_clean(answer)
        assert answer.status_code in ({200} if name == "sort" else {400, 404}), attack


def test_odd_values_everywhere_are_answered_cleanly(browser: httpx.Client, run_id: int) -> None:
    asked = {
        "/runs": ["q", "project", "page", "group"],
        f"/runs/{run_id}/stream": ["after"],
        "/projects/1": ["saved"],
        "/money": ["saved"],
        "/money/export": ["by", "format", "project", "days"],
        "/login": ["token"],
    }
    for odd in ODD:
        for path, names in asked.items():
            for name in names:
                with browser.stream("GET", f"{path}?{name}={odd}") as answer:
                    assert answer.status_code < 500, (path, name, odd)
        for path in (f"/runs/{odd}", f"/projects/{odd}", f"/runs/{odd}/output.txt", f"/{odd}",
                     f"/static/{odd}", f"/runs/{odd}/stream"):  # fmt: skip
            with browser.stream("GET", path) as answer:  # "+1" is run 1, whose stream goes on
                assert answer.status_code in {200, 303, 400, 404}, path


@pytest.mark.parametrize(
    "number", ["0", "-1", "9223372036854775807", "9223372036854775808", "9" * 100, "9" * 5000]
)
def test_ids_that_cannot_be_are_not_found(browser: httpx.Client, number: str) -> None:
    for path in (f"/runs/{number}", f"/projects/{number}", f"/runs/{number}/stream"):
        assert browser.get(path).status_code in {400, 404}


def test_a_search_for_anything_is_a_search(browser: httpx.Client, run_id: int) -> None:
    for odd in [
        "\x00",
        "\ud800".encode("utf-8", "surrogatepass"),
        b"\xff",
        "\u202e",
        "#" + "9" * 20,
    ]:
        assert browser.get(f"/runs?q={quote(odd)}").status_code == 200


def bodies() -> list[tuple[bytes, str]]:
    form = "application/x-www-form-urlencoded"
    return [
        (b"", form), (b"=", form), (b"&&&", form), (b"csrf_token", form), (b"%", form),
        (b"\xff\xfe\x00", form), (b"csrf_token=%ff", form), (b"csrf_token=a&csrf_token=b", form),
        (b"a=" + b"b" * 200_000, form), (b"a=1&" * 5000, form), (b"reason=%ED%A0%80", form),
        (b"{}", "application/json"), (b"{", "application/json"), (b"[" * 5000, "application/json"),
        (b"--x\r\n", "multipart/form-data; boundary=x"), (b"x", "multipart/form-data"),
        (b"--x\r\nContent-Disposition: form-data; name=\"csrf_token\"; filename=\"a\"\r\n\r\nx\r\n"
         b"--x--\r\n", "multipart/form-data; boundary=x"),
        (b"\x82\xa1a\xa1b", "application/x-msgpack"), (b"x", "text/plain"), (b"x", "nonsense"),
        (b"x", "application/x-www-form-urlencoded; charset=utf-99"),
        (b"x", "\xff"),
    ]  # fmt: skip


def test_bodies_of_any_kind_are_answered_cleanly(browser: httpx.Client, run_id: int) -> None:
    token = csrf_token(browser.get("/runs").text)
    for path in (f"/runs/{run_id}/cancel", f"/runs/{run_id}/raise-budget", "/login", "/logout",
                 "/projects/1/pause", "/projects/1/settings/budget", "/projects/1/raise",
                 "/money/limits", "/money/raise"):  # fmt: skip
        for body, kind in bodies():
            for extra in ({}, {"x-csrf-token": "x"}):
                headers = {"content-type": kind.encode("latin-1"), **extra}
                assert_clean(browser.post(path, content=body, headers=headers))
    good = {"content-type": b"application/x-www-form-urlencoded", "x-csrf-token": token}
    for body, kind in bodies():
        good["content-type"] = kind.encode("latin-1")
        assert_clean(browser.post("/projects/1/settings/budget", content=body, headers=good))
        assert_clean(browser.post(f"/runs/{run_id}/raise-budget", content=body, headers=good))


def test_a_large_form_is_refused_before_it_is_read(browser: httpx.Client, run_id: int) -> None:
    answer = browser.post(f"/runs/{run_id}/cancel", data={"reason": "x" * 2_000_000})
    assert answer.status_code == 413


def test_methods_that_a_page_does_not_have_are_refused(browser: httpx.Client) -> None:
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "POST", "PROPFIND"):
        answer = browser.request(method, "/runs")
        assert 400 <= answer.status_code < 500 or answer.status_code == 501, method


@pytest.mark.parametrize(
    ("name", "value"),
    [("dollars", "1e1000000"), ("dollars", "9" * 5000), ("dollars", "10,00"), ("dollars", "1_000"),
     ("hours", "9" * 5000), ("hours", "1e1000000"), ("hours", "\u0661")],
)  # fmt: skip
def test_numbers_without_an_end_are_refused_in_every_form_of_money(
    browser: httpx.Client, run_id: int, name: str, value: str
) -> None:
    good = {"period": "day", "dollars": "90", "hours": "2", "csrf_token": _token_of(browser)}
    asked = [(path, good | {name: value}) for path in (
        f"/runs/{run_id}/raise-budget", "/projects/1/raise", "/money/raise")]  # fmt: skip
    limit = {"csrf_token": good["csrf_token"], "daily_cents": value}
    if name == "dollars":
        asked += [("/projects/1/settings/budget", limit), ("/money/limits", limit)]
    for path, fields in asked:
        answer = browser.post(path, data=fields)
        assert answer.status_code == 400, path
        assert ("10 or 10.50" in answer.text) == (name == "dollars"), path


def test_a_page_says_what_can_be_asked_of_it(browser: httpx.Client, run_id: int) -> None:
    for path in ("/", "/runs", f"/runs/{run_id}", "/projects/1", "/money", "/logout", "/login"):
        answer = browser.options(path)
        assert (answer.status_code, "OPTIONS" in answer.headers["allow"]) == (204, True), path


def test_errors_are_pages_for_people_and_json_for_programs(browser: httpx.Client) -> None:
    page = browser.get("/nothing-here")
    assert (page.status_code, "<h1>" in page.text) == (404, True)
    answer = browser.get("/nothing-here", headers={"accept": "application/json"})
    assert set(answer.json()) == {"error", "message", "hint"}
    fragment = browser.get("/runs?page=x", headers={"hx-request": "true"})
    assert "<html" not in fragment.text
    assert 'role="alert"' in fragment.text


FUZZED = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=60) | st.sampled_from(SQL + ODD)


@FUZZED
@given(
    path=st.sampled_from(
        ["/runs", "/runs/{}", "/runs/{}/stream", "/runs/{}/output.txt", "/projects/{}", "/login",
         "/health", "/{}"]
    ),
    part=TEXT,
    query=st.dictionaries(
        st.sampled_from(["q", "project", "page", "group", "after", "token", "saved", "x"]), TEXT
    ),
    headers=st.dictionaries(
        st.sampled_from(["accept", "last-event-id", "hx-request", "hx-target", "cookie", "range",
                         "content-length", "content-type", "if-none-match"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.strip),
        max_size=3,
    ),
)  # fmt: skip
def test_no_request_breaks_a_page(
    dashboard: Dashboard,
    browser: httpx.Client,
    path: str,
    part: str,
    query: dict[str, str],
    headers: dict[str, str],
) -> None:
    headers.pop("content-length", None)
    address = path.format(quote(part, safe=""))
    with browser.stream("GET", address, params=query, headers=headers) as answer:
        assert answer.status_code < 500, (address, query, headers)


@FUZZED
@given(
    path=st.sampled_from(
        ["/runs/1/cancel", "/runs/1/raise-budget", "/projects/1/pause", "/projects/1/resume",
         "/projects/1/settings/budget", "/projects/1/settings/agent",
         "/projects/1/settings/checks", "/projects/1/settings/labels",
         "/projects/1/settings/container", "/projects/1/settings/x"]
    ),
    fields=st.dictionaries(
        st.sampled_from(["reason", "dollars", "hours", "run_cents", "agent", "model", "checks",
                         "check_timeout_seconds", "build_label", "trusted_logins", "time_zone",
                         "cpus", "memory_mib", "pids", "egress_hosts", "max_tokens",
                         "interval_seconds", "max_seconds", "max_iterations"]),
        TEXT,
        max_size=12,
    ),
)  # fmt: skip
def test_no_form_breaks_a_page(
    dashboard: Dashboard,
    browser: httpx.Client,
    run_id: int,
    path: str,
    fields: dict[str, str],
) -> None:
    token = _token_of(browser)
    assert_clean(browser.post(path, data={"csrf_token": token, **fields}))


_TOKENS: dict[int, str] = {}


def _token_of(browser: httpx.Client) -> str:
    if id(browser) not in _TOKENS:
        _TOKENS.clear()
        _TOKENS[id(browser)] = csrf_token(browser.get("/runs").text)
    return _TOKENS[id(browser)]


def test_random_bytes_on_the_socket_break_nothing(dashboard: Dashboard) -> None:
    port = int(dashboard.url.rpartition(":")[2])
    chance = random.Random(7)  # noqa: S311 - repeatable, not secret
    for _ in range(40):
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(chance.randbytes(200) + b"\r\n\r\n")
            raw.settimeout(60)
            assert b" 500 " not in raw.recv(100)
    with dashboard.client(signed_in=False) as client:
        assert client.get("/health").json()["status"] == "ok"
