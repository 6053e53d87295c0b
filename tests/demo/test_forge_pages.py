"""The forge's pages: what a person reads and does there, and what nobody gets to do."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from paid.demo.forge import Forge
from paid.demo.forge.sample import OWNER, Planted
from tests.plain_http import NO_TLS

ATTACK = "<script>alert(1)</script><img src=x onerror=alert(2)>[x](javascript:alert(3))"


@pytest.fixture
def browser(forge: Forge, planted: Planted) -> Iterator[httpx.Client]:
    headers = {"origin": forge.url}
    with httpx.Client(
        base_url=forge.url, headers=headers, follow_redirects=True, timeout=60, verify=NO_TLS
    ) as browser:
        yield browser


def test_a_person_finds_the_issue(browser: httpx.Client) -> None:
    assert "demo/timespan" in browser.get("/").text
    assert "Hours are lost" in browser.get("/demo/timespan").text
    page = browser.get("/demo/timespan/issues/1").text
    assert "I expected 5400" in page
    assert "<code>" in page


def test_a_person_sets_the_label_and_takes_it_away(
    forge: Forge, planted: Planted, browser: httpx.Client
) -> None:
    form = {"label": "paid-build", "set": "yes"}
    page = browser.post("/demo/timespan/issues/1/labels", data=form).text
    assert "take away" in page
    assert forge.issue(planted.repository, 1).events[0].login == OWNER

    browser.post("/demo/timespan/issues/1/labels", data=form | {"set": "no"})

    assert forge.issue(planted.repository, 1).labels == []


def test_a_person_comments_and_opens_an_issue(
    forge: Forge, planted: Planted, browser: httpx.Client
) -> None:
    assert (
        "a word" in browser.post("/demo/timespan/issues/1/comments", data={"body": "a word"}).text
    )
    page = browser.post("/demo/timespan/issues", data={"title": "Fresh", "body": "Text"}).text

    assert "Fresh" in page
    assert forge.issue(planted.repository, 4).title == "Fresh"


def test_a_pull_request_shows_its_diff(
    forge: Forge, planted: Planted, browser: httpx.Client
) -> None:
    forge.git.set_branch(planted.repository, "x", forge.branches(planted.repository)["main"])
    forge.push_file(planted.repository, "x", "a.html", f"{ATTACK}\n")
    forge.open_pull(planted.repository, OWNER, "A change", f"**bold** {ATTACK}", "x", "main")

    page = browser.get("/demo/timespan/pull/4").text

    assert "1 changed file" in page
    assert '<span class="added">+&lt;script&gt;' in page
    assert "<strong>bold</strong>" in page
    assert_harmless(page)


def test_an_address_at_the_end_of_a_line_is_a_link(
    forge: Forge, planted: Planted, browser: httpx.Client
) -> None:
    forge.comment(planted.repository, 1, OWNER, "See http://127.0.0.1:1/a\n\n`x http://b`")

    page = browser.get("/demo/timespan/issues/1").text

    assert '<a href="http://127.0.0.1:1/a">' in page
    assert "<code>x http://b</code>" in page


def test_texts_of_strangers_stay_texts(
    forge: Forge, planted: Planted, browser: httpx.Client
) -> None:
    number = forge.add_issue(planted.repository, ATTACK, ATTACK, "eve", [ATTACK])
    forge.comment(planted.repository, number, "eve", ATTACK)

    for path in ("/demo/timespan", f"/demo/timespan/issues/{number}"):
        assert_harmless(browser.get(path).text)


def assert_harmless(page: str) -> None:
    assert "<script" not in page
    assert "<img" not in page
    assert 'href="javascript' not in page


def test_pages_run_no_script_at_all(browser: httpx.Client) -> None:
    policy = browser.get("/demo/timespan").headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "script-src" not in policy


def test_other_sites_forms_are_refused(forge: Forge, planted: Planted) -> None:
    form = {"label": "paid-build", "set": "yes"}
    url = f"{forge.url}/demo/timespan/issues/1/labels"

    foreign = httpx.post(
        url, data=form, headers={"origin": "https://evil.example"}, timeout=60, verify=NO_TLS
    )
    without = httpx.post(url, data=form, timeout=60, verify=NO_TLS)

    assert (foreign.status_code, without.status_code) == (403, 403)
    assert forge.issue(planted.repository, 1).labels == []


def test_other_host_names_are_refused(forge: Forge, planted: Planted) -> None:
    answer = httpx.get(
        f"{forge.url}/demo/timespan", headers={"host": "evil.example"}, timeout=60, verify=NO_TLS
    )

    assert answer.status_code == 403


def test_only_the_labels_on_the_page_can_be_set(browser: httpx.Client) -> None:
    form = {"label": "anything", "set": "yes"}

    assert browser.post("/demo/timespan/issues/1/labels", data=form).status_code == 400


@pytest.mark.parametrize("path", ["/demo/none", "/demo/timespan/issues/99", "/x/y/pull/1"])
def test_what_is_not_there_is_not_found(browser: httpx.Client, path: str) -> None:
    assert browser.get(path).status_code == 404


def test_the_style_is_served(browser: httpx.Client) -> None:
    assert browser.get("/forge.css").headers["content-type"].startswith("text/css")
