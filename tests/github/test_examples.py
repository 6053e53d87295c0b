"""GitHub's own description shows an example of each answer that Paid reads: all are understood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from paid.github import reading
from tests.demo.contract import description

REPO = "/repos/{owner}/{repo}"


def examples(method: str, path: str, status: int = 200) -> list[Any]:
    """The examples of one answer, with references followed."""
    operation = description()["paths"][path][method]
    content = operation["responses"][str(status)]["content"]["application/json"]
    return [resolved(example) for example in content["examples"].values()]


def resolved(node: Any) -> Any:
    """What a reference leads to, out of its wrapping: an example's value may be a reference."""
    while isinstance(node, dict):
        if "$ref" in node:
            target = description()
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        elif "value" in node and set(node) <= {"value", "summary", "description"}:
            node = node["value"]
        else:
            break
    return node


READERS: dict[str, tuple[Callable[[Any], Any], list[tuple[str, str, int]]]] = {
    "login": (reading.login, [("get", "/user", 200)]),
    "repository": (
        lambda data: reading.repository(data, empty=False, scopes=None),
        [("get", REPO, 200)],
    ),
    "issues": (
        reading.issue,
        [("get", f"{REPO}/issues", 200), ("get", f"{REPO}/issues/{{issue_number}}", 200)],
    ),
    "events": (reading.label_event, [("get", f"{REPO}/issues/{{issue_number}}/events", 200)]),
    "permission": (
        reading.permission,
        [("get", f"{REPO}/collaborators/{{username}}/permission", 200)],
    ),
    "comments": (
        reading.comment,
        [
            ("get", f"{REPO}/issues/{{issue_number}}/comments", 200),
            ("post", f"{REPO}/issues/{{issue_number}}/comments", 201),
            ("patch", f"{REPO}/issues/comments/{{comment_id}}", 200),
        ],
    ),
    "pull requests": (
        reading.pull_request,
        [("get", f"{REPO}/pulls", 200), ("post", f"{REPO}/pulls", 201)],
    ),
}


@pytest.mark.parametrize("name", list(READERS))
def test_githubs_example_is_understood(name: str) -> None:
    reader, answers = READERS[name]
    for method, path, status in answers:
        for example in examples(method, path, status):
            for item in example if isinstance(example, list) else [example]:
                reader(item)


def test_the_example_of_a_repository_is_read_right() -> None:
    [data] = examples("get", REPO)[:1]
    seen = reading.repository(data, empty=False, scopes=None)
    assert seen.full_name == data["full_name"]
    assert seen.can_push == data["permissions"]["push"]
