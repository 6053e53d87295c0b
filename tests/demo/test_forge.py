"""The forge as PyGithub and git see it: conditional requests, paging, rights, limits, faults."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import github
import httpx
import pytest
from github import Auth, Github
from github.Repository import Repository

from paid.demo.forge import Fault, Forge
from paid.demo.forge.sample import OWNER, Planted
from tests.plain_http import NO_TLS


def client(forge: Forge, token: str) -> Github:
    return Github(
        auth=Auth.Token(token),
        base_url=forge.api_url,
        retry=None,
        timeout=60,
        seconds_between_requests=0,
        seconds_between_writes=0,
    )


@pytest.fixture
def repository(forge: Forge, planted: Planted) -> Iterator[Repository]:
    robot = client(forge, planted.token)
    yield robot.get_repo(planted.repository)
    robot.close()


@pytest.fixture
def raw(forge: Forge, planted: Planted) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {planted.token}"}
    with httpx.Client(base_url=forge.api_url, headers=headers, timeout=60, verify=NO_TLS) as raw:
        yield raw


ISSUES = "/repos/demo/timespan/issues"


def test_pygithub_reads_the_sample(repository: Repository) -> None:
    titles = [issue.title for issue in repository.get_issues(sort="created", direction="asc")]

    assert titles[0] == "Hours are lost when a span also has minutes"
    assert len(titles) == 3


def test_an_unchanged_answer_costs_nothing(raw: httpx.Client) -> None:
    first = raw.get(ISSUES)

    second = raw.get(ISSUES, headers={"if-none-match": first.headers["etag"]})

    assert second.status_code == 304
    assert second.content == b""
    assert second.headers["x-ratelimit-used"] == first.headers["x-ratelimit-used"]


def test_a_change_changes_the_etag(forge: Forge, planted: Planted, raw: httpx.Client) -> None:
    first = raw.get(f"{ISSUES}?labels=paid-build")
    forge.add_label(planted.repository, 1, "paid-build", OWNER)

    second = raw.get(
        f"{ISSUES}?labels=paid-build", headers={"if-none-match": first.headers["etag"]}
    )

    assert [issue["number"] for issue in second.json()] == [1]


def test_etags_can_be_switched_off(forge: Forge, raw: httpx.Client) -> None:
    forge.etags = False

    assert "etag" not in raw.get(ISSUES).headers


def test_pages_are_linked(forge: Forge, planted: Planted, raw: httpx.Client) -> None:
    for number in range(4):
        forge.add_issue(planted.repository, f"more {number}", None, OWNER)
    seen, url = [], f"{ISSUES}?per_page=3&direction=asc"
    while url:
        answer = raw.get(url)
        seen += [issue["number"] for issue in answer.json()]
        url = answer.links.get("next", {}).get("url", "")

    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_since_leaves_out_what_did_not_change(forge: Forge, planted: Planted) -> None:
    issue = forge.issue(planted.repository, 2)
    issue.updated_at = datetime.now(UTC) - timedelta(hours=2)
    since = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

    answer = httpx.get(
        f"{forge.api_url}{ISSUES}",
        params={"since": since, "direction": "asc"},
        timeout=60,
        verify=NO_TLS,
    )

    assert [found["number"] for found in answer.json()] == [1, 3]


def test_all_of_several_labels_are_needed(
    forge: Forge, planted: Planted, repository: Repository
) -> None:
    forge.add_label(planted.repository, 1, "a", OWNER)
    forge.add_label(planted.repository, 2, "a", OWNER)
    forge.add_label(planted.repository, 2, "b", OWNER)

    assert [issue.number for issue in repository.get_issues(labels=["a", "b"])] == [2]


def test_events_say_who_set_the_label(
    forge: Forge, planted: Planted, repository: Repository
) -> None:
    forge.set_permission(planted.repository, "eve", "triage")
    forge.add_label(planted.repository, 1, "paid-build", "eve")
    forge.remove_label(planted.repository, 1, "paid-build", OWNER)

    events = [(e.event, e.actor.login, e.label.name) for e in repository.get_issue(1).get_events()]

    assert events == [("labeled", "eve", "paid-build"), ("unlabeled", OWNER, "paid-build")]


def test_the_same_label_twice_is_one_event(forge: Forge, planted: Planted) -> None:
    forge.add_label(planted.repository, 1, "paid-build", OWNER)
    forge.add_label(planted.repository, 1, "PAID-BUILD", OWNER)

    assert forge.issue(planted.repository, 1).labels == ["paid-build"]
    assert len(forge.issue(planted.repository, 1).events) == 1


def test_a_stranger_has_no_permission(repository: Repository) -> None:
    with pytest.raises(github.UnknownObjectException):
        repository.get_collaborator_permission("nobody-at-all")


def test_a_reader_may_comment_but_not_label(forge: Forge, planted: Planted) -> None:
    reader = client(forge, forge.add_user("reader"))
    issue = reader.get_repo(planted.repository).get_issue(1)

    issue.create_comment("hello")

    with pytest.raises(github.GithubException) as refused:
        issue.add_to_labels("paid-build")
    assert refused.value.status == 403
    reader.close()


def test_a_private_repository_is_hidden(forge: Forge) -> None:
    token = forge.add_user("stranger")
    forge.add_repository("acme/secret", {"a": "b"}, "boss", private=True)

    answer = httpx.get(
        f"{forge.api_url}/repos/acme/secret",
        headers={"authorization": f"token {token}"},
        timeout=60,
        verify=NO_TLS,
    )

    assert answer.status_code == 404


def test_a_token_for_other_repositories_sees_nothing(forge: Forge, planted: Planted) -> None:
    token = forge.add_user(OWNER, ["acme/other"])

    answer = httpx.get(
        f"{forge.api_url}/repos/{planted.repository}",
        headers={"authorization": f"token {token}"},
        timeout=60,
        verify=NO_TLS,
    )

    assert answer.status_code == 404


def test_a_revoked_token_is_refused(forge: Forge, planted: Planted, raw: httpx.Client) -> None:
    forge.revoke_token(planted.token)

    assert raw.get("/user").status_code == 401


def test_the_hourly_limit_is_told_and_kept(forge: Forge, raw: httpx.Client) -> None:
    forge.gate.limit = 2
    raw.get("/user")
    raw.get("/user")

    refused = raw.get("/user")

    assert refused.status_code == 403
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert int(refused.headers["x-ratelimit-reset"]) > time.time()


@pytest.mark.parametrize(
    ("fault", "status", "header"),
    [
        (Fault("status", status=502), 502, None),
        (Fault("primary", seconds=60), 403, "x-ratelimit-reset"),
        (Fault("secondary", status=429, seconds=9), 429, "retry-after"),
        (Fault("secondary"), 403, None),
    ],
)
def test_faults_that_answer(
    forge: Forge, raw: httpx.Client, fault: Fault, status: int, header: str | None
) -> None:
    forge.fail(fault)

    answer = raw.get(ISSUES)

    assert answer.status_code == status
    assert header is None or header in answer.headers
    assert raw.get(ISSUES).status_code == 200


def test_half_an_answer_is_no_json(forge: Forge, raw: httpx.Client) -> None:
    forge.fail(Fault("truncate"))

    with pytest.raises(ValueError, match=r"."):
        raw.get(ISSUES).json()


def test_an_answer_may_get_lost_after_the_deed(
    forge: Forge, planted: Planted, raw: httpx.Client
) -> None:
    forge.fail(Fault("drop_after", method="POST", path="comments$"))

    with pytest.raises(httpx.RemoteProtocolError):
        raw.post(f"{ISSUES}/1/comments", json={"body": "heard"})

    assert [c.body for c in forge.issue(planted.repository, 1).comments] == ["heard"]


def test_a_fault_may_come_later_and_elsewhere(forge: Forge, raw: httpx.Client) -> None:
    forge.fail(Fault("status", status=500, path="/issues$", skip=1))

    assert raw.get("/user").status_code == 200
    assert raw.get(ISSUES).status_code == 200
    assert raw.get(ISSUES).status_code == 500
    forge.fail(Fault("status", times=-1))
    forge.mend()
    assert raw.get(ISSUES).status_code == 200


def test_a_server_may_hang(forge: Forge, raw: httpx.Client) -> None:
    forge.fail(Fault("timeout", seconds=0.4))
    began = time.monotonic()

    with pytest.raises(httpx.RemoteProtocolError):
        raw.get(ISSUES)

    assert time.monotonic() - began >= 0.4


def test_what_was_asked_is_logged(forge: Forge, raw: httpx.Client) -> None:
    raw.get("/user")
    raw.post(f"{ISSUES}/1/comments", json={"body": "x"})

    assert [(entry.method, entry.status) for entry in forge.log] == [("GET", 200), ("POST", 201)]
    assert [entry.login for entry in forge.writes] == ["paid-robot"]


@pytest.mark.parametrize("body", [b"{", b"\xff", b"3", b'"text"'])
def test_bodies_that_make_no_sense_are_refused(raw: httpx.Client, body: bytes) -> None:
    answer = raw.post(ISSUES, content=body)

    assert answer.status_code in (400, 422)


@pytest.mark.parametrize("query", ["page=x", "since=yesterday", "per_page=-", "page=" + "9" * 5000])
def test_queries_that_make_no_sense_are_refused(raw: httpx.Client, query: str) -> None:
    assert raw.get(f"{ISSUES}?{query}").status_code == 422


def test_merging_is_refused_and_seen(forge: Forge, planted: Planted, raw: httpx.Client) -> None:
    forge.git.set_branch(planted.repository, "x", forge.branches(planted.repository)["main"])
    forge.push_file(planted.repository, "x", "a", "b")
    made: Any = raw.post(
        "/repos/demo/timespan/pulls", json={"title": "t", "head": "x", "base": "main"}
    ).json()

    answer = raw.put(f"/repos/demo/timespan/pulls/{made['number']}/merge")

    assert answer.status_code == 405
    assert any(entry.path.endswith("/merge") for entry in forge.writes)


def test_an_empty_repository_has_no_branch(forge: Forge, tmp_path: Path) -> None:
    forge.add_repository("acme/empty", {}, "boss")

    assert (
        httpx.get(f"{forge.api_url}/repos/acme/empty/branches", timeout=60, verify=NO_TLS).json()
        == []
    )


def test_a_default_branch_may_have_any_name(forge: Forge) -> None:
    forge.add_repository("acme/odd", {"a": "b"}, "boss", "--upload-pack=touch")

    found = httpx.get(f"{forge.api_url}/repos/acme/odd", timeout=60, verify=NO_TLS).json()

    assert found["default_branch"] == "--upload-pack=touch"
