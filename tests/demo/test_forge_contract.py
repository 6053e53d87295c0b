"""Every answer of the forge is one that GitHub's own description allows."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from paid.demo.forge import Forge
from paid.demo.forge.sample import OWNER, Planted
from tests.demo.contract import answer_schema, path_of, problems, webhook_examples
from tests.plain_http import NO_TLS

REPO = "/repos/demo/timespan"


class Checked:
    """A client that holds each answer against the description."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def ask(self, method: str, path: str, status: int = 200, body: Any = None) -> Any:
        answer = self._client.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        data = answer.json() if answer.content else None
        schema = answer_schema(method, path_of(method, path.partition("?")[0]), status)
        if schema is not None:
            assert problems(schema, data) == []
        return data


@pytest.fixture
def github(forge: Forge, planted: Planted) -> Iterator[Checked]:
    headers = {"authorization": f"Bearer {planted.token}"}
    with httpx.Client(base_url=forge.api_url, headers=headers, timeout=60, verify=NO_TLS) as client:
        yield Checked(client)


@pytest.fixture
def pull(forge: Forge, planted: Planted, github: Checked) -> int:
    """A pull request's number."""
    main = forge.branches(planted.repository)["main"]
    github.ask("POST", f"{REPO}/git/refs", 201, {"ref": "refs/heads/paid/x", "sha": main})
    forge.push_file(planted.repository, "paid/x", "timespan/new file.py", "x = 1\n")
    wanted = {"title": "New", "body": "Text", "head": "paid/x", "base": "main", "draft": True}
    return int(github.ask("POST", f"{REPO}/pulls", 201, wanted)["number"])


def test_people_and_limits(github: Checked) -> None:
    assert github.ask("GET", "/user")["login"] == "paid-robot"
    assert github.ask("GET", f"/users/{OWNER}")["login"] == OWNER
    assert github.ask("GET", "/rate_limit")["rate"]["limit"] == 5000


def test_a_repository_and_its_rights(github: Checked) -> None:
    found = github.ask("GET", REPO)

    assert found["default_branch"] == "main"
    assert found["permissions"]["push"] is True
    assert found["permissions"]["admin"] is False
    assert github.ask("GET", f"{REPO}/collaborators/{OWNER}/permission")["role_name"] == "admin"


def test_branches_refs_and_commits(github: Checked) -> None:
    branch = github.ask("GET", f"{REPO}/branches")[0]
    sha = branch["commit"]["sha"]

    assert github.ask("GET", f"{REPO}/branches/main")["commit"]["sha"] == sha
    assert github.ask("GET", f"{REPO}/git/ref/heads%2Fmain")["object"]["sha"] == sha
    assert github.ask("GET", f"{REPO}/commits/{sha}")["commit"]["message"] == "First commit"


def test_statuses(github: Checked) -> None:
    sha = github.ask("GET", f"{REPO}/branches")[0]["commit"]["sha"]

    github.ask("POST", f"{REPO}/statuses/{sha}", 201, {"state": "success", "context": "paid"})

    assert github.ask("GET", f"{REPO}/commits/{sha}/status")["state"] == "success"
    assert len(github.ask("GET", f"{REPO}/commits/{sha}/statuses")) == 1
    assert github.ask("GET", f"{REPO}/commits/{sha}/check-runs")["total_count"] == 0


def test_labels(github: Checked) -> None:
    label = {"name": "paid build", "color": "1d76db", "description": "d"}

    github.ask("POST", f"{REPO}/labels", 201, label)

    github.ask("GET", f"{REPO}/labels/{quote('paid build')}")
    github.ask("PATCH", f"{REPO}/labels/{quote('paid build')}", body={"color": "000000"})
    assert [each["color"] for each in github.ask("GET", f"{REPO}/labels")] == ["000000"]
    github.ask("DELETE", f"{REPO}/labels/{quote('paid build')}", 204)


def test_an_issue_through_its_life(github: Checked) -> None:
    github.ask("POST", f"{REPO}/issues", 201, {"title": "T", "body": None, "labels": ["a"]})
    issue = f"{REPO}/issues/4"

    github.ask("POST", f"{issue}/labels", body={"labels": ["b", "c"]})
    github.ask("DELETE", f"{issue}/labels/a")
    github.ask("PUT", f"{issue}/labels", body={"labels": ["c", "d"]})
    github.ask("PATCH", issue, body={"title": "Other", "body": "B", "state": "closed"})
    github.ask("PATCH", issue, body={"state": "open"})

    assert github.ask("GET", issue)["title"] == "Other"
    assert {each["name"] for each in github.ask("GET", f"{issue}/labels")} == {"c", "d"}
    events = [
        (each["event"], each.get("label", {}).get("name"))
        for each in github.ask("GET", f"{issue}/events")
    ]
    assert events[:3] == [("labeled", "a"), ("labeled", "b"), ("labeled", "c")]
    assert ("unlabeled", "b") in events
    assert [each[0] for each in events[-3:]] == ["renamed", "closed", "reopened"]


def test_comments(github: Checked) -> None:
    made = github.ask("POST", f"{REPO}/issues/1/comments", 201, {"body": "one"})
    comment = f"{REPO}/issues/comments/{made['id']}"

    github.ask("PATCH", comment, body={"body": "two"})

    assert github.ask("GET", comment)["body"] == "two"
    assert len(github.ask("GET", f"{REPO}/issues/1/comments")) == 1
    assert len(github.ask("GET", f"{REPO}/issues/comments")) == 1
    assert [each["event"] for each in github.ask("GET", f"{REPO}/issues/1/timeline")] == [
        "commented"
    ]
    github.ask("DELETE", comment, 204)


def test_lists_of_issues(github: Checked, pull: int) -> None:
    everything = github.ask("GET", f"{REPO}/issues?state=all&sort=updated&direction=asc")

    assert [entry["number"] for entry in everything] == [1, 2, 3, pull]
    assert "pull_request" in everything[-1]


def test_a_pull_request_through_its_life(github: Checked, pull: int) -> None:
    address = f"{REPO}/pulls/{pull}"

    found = github.ask("GET", address)

    assert (found["additions"], found["changed_files"], found["draft"]) == (1, 1, True)
    assert found["head"]["ref"] == "paid/x"
    assert len(github.ask("GET", f"{REPO}/pulls?head=demo:paid/x")) == 1
    assert github.ask("GET", f"{REPO}/pulls?head=demo:paid/y") == []
    assert github.ask("GET", f"{address}/files")[0]["patch"] == "@@ -0,0 +1 @@\n+x = 1"
    assert len(github.ask("GET", f"{address}/commits")) == 1
    github.ask("PATCH", address, body={"state": "closed"})
    assert github.ask("GET", f"{REPO}/pulls") == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"{REPO}/issues/99", None, 404),
        ("GET", "/repos/demo/nothing", None, 404),
        ("POST", f"{REPO}/issues", {"title": ""}, 422),
        ("POST", f"{REPO}/issues", {"title": "x" * 257}, 422),
        ("POST", f"{REPO}/pulls", {"title": "T", "head": "nowhere", "base": "main"}, 422),
        ("POST", f"{REPO}/pulls", {"title": "T", "head": "main", "base": "main"}, 422),
    ],
)
def test_refusals(github: Checked, method: str, path: str, body: Any, status: int) -> None:
    assert github.ask(method, path, status, body)["message"]


def test_a_second_pull_request_of_the_same_branch_is_refused(github: Checked, pull: int) -> None:
    again = {"title": "Again", "head": "demo:paid/x", "base": "main"}

    refused = github.ask("POST", f"{REPO}/pulls", 422, again)

    assert "already exists" in refused["errors"][0]["message"]


def test_a_deleted_issue_is_gone(forge: Forge, planted: Planted, github: Checked) -> None:
    forge.delete_issue(planted.repository, 2, OWNER)

    github.ask("GET", f"{REPO}/issues/2", 410)


def test_labels_with_odd_names_are_found_by_their_encoded_names(
    forge: Forge, planted: Planted, github: Checked
) -> None:
    name = "a/b & c?"
    github.ask("POST", f"{REPO}/issues/1/labels", body=[name])

    github.ask("DELETE", f"{REPO}/issues/1/labels/{quote(name, safe='')}")

    assert forge.issue(planted.repository, 1).labels == []


def test_webhooks_have_what_githubs_own_have(forge: Forge, planted: Planted, pull: int) -> None:
    forge.webhook(planted.repository, "http://127.0.0.1:1/", "secret")
    forge.add_label(planted.repository, 1, "paid-build", OWNER)
    forge.comment(planted.repository, 1, OWNER, "hello")
    forge.set_state(planted.repository, pull, OWNER, "closed")
    forge.wait_for_deliveries()

    for delivery in forge.deliveries:
        sent = json.loads(delivery.body)
        example = next(
            one for one in webhook_examples()[delivery.event] if one["action"] == sent["action"]
        )
        assert _lacks(sent, example, ("issue", "pull_request", "comment", "label")) == set()
    assert [delivery.event for delivery in forge.deliveries] == [
        "issues",
        "issue_comment",
        "pull_request",
    ]


def _lacks(sent: Any, example: Any, parts: tuple[str, ...]) -> set[str]:
    """The fields of the example that Paid could want and that were not sent."""
    lacking = {f"{key}" for key in example if key not in sent and key not in OPTIONAL}
    for part in parts:
        if part in example:
            lacking |= {
                f"{part}.{key}" for key in example[part] if key not in sent[part] | OPTIONAL
            }
    return lacking


OPTIONAL = dict.fromkeys(("organization", "installation", "enterprise", "changes"))


def test_basic_authentication_is_taken_too(forge: Forge, planted: Planted) -> None:
    word = base64.b64encode(f"x-access-token:{planted.token}".encode()).decode()

    answer = httpx.get(
        f"{forge.api_url}/user",
        headers={"authorization": f"Basic {word}"},
        timeout=60,
        verify=NO_TLS,
    )

    assert answer.json()["login"] == "paid-robot"


def test_the_api_is_at_the_root_as_well(forge: Forge, planted: Planted) -> None:
    assert (
        httpx.get(f"{forge.url}{REPO}", timeout=60, verify=NO_TLS).json()["full_name"]
        == planted.repository
    )
