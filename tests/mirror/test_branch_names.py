"""A run's branch has a name that git can make at the remote."""

from __future__ import annotations

import pytest

from paid.containers.mirror import Mirrors
from tests.mirror.conftest import PROJECT, Upstream
from tests.mirror.githost import git


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("there", "name"),
    [
        ([], "paid/issue-3-41"),
        (["paids", "feature/paid", "paid-x"], "paid/issue-3-41"),
        (["paid"], "paid-issue-3-41"),
        (["paid/issue-3-41"], "paid/issue-3-41-2"),
        (["paid/issue-3-41/x", "paid/issue-3-41-2"], "paid/issue-3-41-3"),
        (["paid", "paid-issue-3-41"], "paid-issue-3-41-2"),
        (["paid/issue-3-410", "paid/issue-3-4"], "paid/issue-3-41"),
    ],
)
def test_what_is_there_is_walked_around(
    mirrors: Mirrors, upstream: Upstream, there: list[str], name: str, packed: bool
) -> None:
    for branch in there:
        git(upstream.bare, "update-ref", f"refs/heads/{branch}", "refs/heads/main")
    mirrors.fetch(upstream.remote)
    if packed:
        git(mirrors.path(PROJECT), "pack-refs", "--all")
    assert mirrors.free_branch(PROJECT, 3, 41) == name
    git(upstream.bare, "update-ref", f"refs/heads/{name}", "refs/heads/main")
