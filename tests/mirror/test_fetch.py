"""Fetching: what a mirror takes from the remote, and what it refuses."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from paid.containers.git import Access, Git
from paid.containers.mirror import Mirrors
from paid.errors import (
    BadInputError,
    BranchMissingError,
    GitError,
    GitHubNotFoundError,
    GitHubUnauthorizedError,
    GitUnavailableError,
)
from tests.mirror.conftest import BRANCH, PROJECT, RUN, TOKEN, Upstream, Workspace
from tests.mirror.githost import GitHost, git


def test_preparing_gives_the_tip_and_pins_it(mirrors: Mirrors, upstream: Upstream) -> None:
    tip = git(upstream.work, "rev-parse", "HEAD")
    prepared = mirrors.prepare(upstream.remote, RUN, "main")
    assert prepared.base_sha == tip
    assert git(prepared.path, "rev-parse", f"refs/paid/bases/{RUN}") == tip


def test_preparing_again_gives_the_same_commit_though_the_branch_moved(
    mirrors: Mirrors, upstream: Upstream
) -> None:
    first = mirrors.prepare(upstream.remote, RUN, "main")
    upstream.commit({"more.txt": "more"})
    assert mirrors.prepare(upstream.remote, RUN, "main") == first
    assert mirrors.prepare(upstream.remote, RUN + 1, "main").base_sha != first.base_sha


def test_tags_come_with_the_branches_that_they_point_into(
    mirrors: Mirrors, upstream: Upstream
) -> None:
    git(upstream.bare, "tag", "-a", "v1.4.0", "-m", "1.4.0", "main")
    first = mirrors.prepare(upstream.remote, RUN, "main")
    assert git(first.path, "describe", "--tags", "main") == "v1.4.0"
    git(upstream.bare, "tag", "later", "main")
    upstream.commit({"more.txt": "more"})
    mirrors.fetch(upstream.remote)
    assert git(first.path, "tag", "--list").split() == ["later", "v1.4.0"]
    assert git(first.path, "describe", "--tags", "main").startswith("v1.4.0-1-g")


def test_the_mirror_knows_the_default_branch(mirrors: Mirrors, upstream: Upstream) -> None:
    git(upstream.bare, "branch", "trunk", "main")
    prepared = mirrors.prepare(upstream.remote, RUN, "trunk")
    assert git(prepared.path, "symbolic-ref", "HEAD") == "refs/heads/trunk"
    mirrors.prepare(upstream.remote, RUN + 1, "main")
    assert git(prepared.path, "symbolic-ref", "HEAD") == "refs/heads/main"


def test_a_branch_named_like_an_option_is_only_a_name(
    mirrors: Mirrors, upstream: Upstream, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    tip = git(upstream.work, "rev-parse", "HEAD")
    for name in ("-x", f"--upload-pack=touch${{IFS}}{canary}"):
        git(upstream.bare, "update-ref", f"refs/heads/{name}", tip)
    git(upstream.bare, "symbolic-ref", "HEAD", "refs/heads/-x")
    assert mirrors.prepare(upstream.remote, RUN, "-x").base_sha == tip
    assert (
        mirrors.prepare(upstream.remote, 2, f"--upload-pack=touch${{IFS}}{canary}").base_sha == tip
    )
    assert not canary.exists()


@pytest.mark.parametrize(
    "name", ["", "a..b", "a b", "a\nb", "a\0b", "x@{1}", "a:b", "^a", "a" * 300]
)
def test_a_name_that_no_branch_can_have_is_refused(
    name: str, mirrors: Mirrors, upstream: Upstream
) -> None:
    with pytest.raises(BadInputError, match="name that a branch can have"):
        mirrors.prepare(upstream.remote, RUN, name)


def test_an_empty_repository_is_said_to_be_empty(
    mirrors: Mirrors, host: GitHost, upstream: Upstream
) -> None:
    host.create("empty")
    remote = replace(upstream.remote, clone_url=host.url("empty"))
    with pytest.raises(BadInputError, match="empty"):
        mirrors.prepare(remote, RUN, "main")


def test_a_missing_branch_is_named_and_asked_for_again(
    mirrors: Mirrors, upstream: Upstream
) -> None:
    """The next look of the poll may find that the default branch was renamed."""
    with pytest.raises(BranchMissingError, match="no branch named 'gone'") as raised:
        mirrors.prepare(upstream.remote, RUN, "gone")
    assert raised.value.retryable


def test_a_revoked_token_is_told_apart_and_not_shown(mirrors: Mirrors, upstream: Upstream) -> None:
    remote = replace(upstream.remote, token="ghp_revokedRevokedRevoked")
    with pytest.raises(GitHubUnauthorizedError) as raised:
        mirrors.fetch(remote)
    assert "revokedRevoked" not in str(raised.value)


def test_a_missing_repository_and_an_outage_are_told_apart(
    mirrors: Mirrors, upstream: Upstream, host: GitHost
) -> None:
    with pytest.raises(GitHubNotFoundError):
        mirrors.fetch(replace(upstream.remote, clone_url=host.url("nothing")))
    host.status = 502
    with pytest.raises(GitUnavailableError):
        mirrors.fetch(upstream.remote)


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/x",
        "file:///etc",
        "/etc",
        "git@github.com:a/b.git",
        "ssh://-oProxyCommand=x/y",
        "http://example.org/a.git",
        "https://user:password@example.org/a.git",
        "https:///a.git",
        "--upload-pack=x",
    ],
)
def test_only_https_and_loopback_addresses_are_asked(url: str) -> None:
    with pytest.raises(BadInputError):
        Access(url)


def test_fifty_that_ask_at_once_cause_few_fetches(
    mirrors: Mirrors, upstream: Upstream, host: GitHost
) -> None:
    tip = upstream.commit({"new.txt": "new"})
    mirrors.fetch(upstream.remote)
    host.log.clear()
    host.pause_seconds = 1.0  # so that the others have asked before the first fetch ends
    found: list[str] = []

    def prepare(run_id: int) -> None:
        found.append(mirrors.prepare(upstream.remote, run_id, "main").base_sha)

    threads = [threading.Thread(target=prepare, args=(1000 + n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tip] * 50
    assert len([line for line in host.log if "info/refs" in line]) <= 10


def test_what_a_killed_git_left_does_not_stop_the_next_fetch(
    mirrors: Mirrors, upstream: Upstream
) -> None:
    mirrors.fetch(upstream.remote)
    tip = upstream.commit({"new.txt": "new"})
    (mirrors.path(PROJECT) / "refs/heads/main.lock").touch()
    mirrors.fetch(upstream.remote)
    assert mirrors.base_sha(PROJECT, "main") == tip


def test_a_branch_that_became_a_folder_of_branches_is_followed(
    mirrors: Mirrors, upstream: Upstream
) -> None:
    tip = upstream.commit({"a": "1"}, branch="topic")
    mirrors.fetch(upstream.remote)
    git(upstream.bare, "update-ref", "-d", "refs/heads/topic")
    git(upstream.bare, "update-ref", "refs/heads/topic/one", tip)
    mirrors.fetch(upstream.remote)
    assert mirrors.base_sha(PROJECT, "topic/one") == tip


def test_only_branches_and_their_tags_are_fetched(mirrors: Mirrors, upstream: Upstream) -> None:
    git(upstream.bare, "update-ref", "refs/pull/1/head", "HEAD")
    git(upstream.bare, "update-ref", "refs/paid/bases/1", "HEAD")
    git(upstream.bare, "tag", "v1")
    mirrors.fetch(upstream.remote)
    found = git(mirrors.path(PROJECT), "for-each-ref", "--format=%(refname)")
    assert found.split() == ["refs/heads/main", "refs/tags/v1"]


def test_the_token_is_in_no_file_of_the_mirror(mirrors: Mirrors, upstream: Upstream) -> None:
    mirrors.prepare(upstream.remote, RUN, "main")
    for path in mirrors.path(PROJECT).parent.rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path


def test_containers_may_read_the_mirror_whatever_the_umask(
    mirrors: Mirrors, upstream: Upstream
) -> None:
    before = os.umask(0o077)
    try:
        path = mirrors.prepare(upstream.remote, RUN, "main").path
    finally:
        os.umask(before)
    for entry in [path, *path.rglob("*")]:
        wanted = 0o5 if entry.is_dir() else 0o4
        assert entry.stat().st_mode & wanted == wanted, entry


def test_a_base_that_a_run_borrows_survives_a_rewrite_and_a_pruning(
    mirrors: Mirrors, upstream: Upstream
) -> None:
    base = mirrors.prepare(upstream.remote, RUN, "main").base_sha
    git(upstream.work, "commit", "--quiet", "--amend", "-m", "rewritten")
    git(upstream.work, "push", "--quiet", "--force", str(upstream.bare), "HEAD:main")
    assert mirrors.base_state(upstream.remote, "main", base) == "rewritten"
    assert mirrors.collect_garbage(PROJECT) is False
    assert git(mirrors.path(PROJECT), "cat-file", "-t", base) == "commit"
    mirrors.forget_run(PROJECT, RUN)
    mirrors.forget_run(PROJECT, RUN)
    assert mirrors.collect_garbage(PROJECT) is True


def test_the_state_of_a_base_is_told(mirrors: Mirrors, upstream: Upstream) -> None:
    base = mirrors.prepare(upstream.remote, RUN, "main").base_sha
    assert mirrors.base_state(upstream.remote, "main", base) == "current"
    upstream.commit({"x": "y"})
    assert mirrors.base_state(upstream.remote, "main", base) == "moved"
    git(upstream.bare, "update-ref", "refs/heads/trunk", "main")
    git(upstream.bare, "update-ref", "-d", "refs/heads/main")
    assert mirrors.base_state(upstream.remote, "main", base) == "gone"


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    git(tmp_path, "init", "--bare", "--quiet")
    alias = {"alias.hang": "!sleep 60 & sleep 60"}
    with pytest.raises(GitUnavailableError, match="in its time"):
        Git(tmp_path).run("hang", settings=alias, timeout_seconds=0.5)


def test_output_without_end_is_cut_off(tmp_path: Path) -> None:
    git(tmp_path, "init", "--bare", "--quiet")
    with pytest.raises(GitError, match="more than 1000 bytes"):
        Git(tmp_path).run("yes", settings={"alias.yes": "!yes"}, most_bytes=1000)


def test_removing_a_mirror_twice_is_harmless(mirrors: Mirrors, upstream: Upstream) -> None:
    mirrors.fetch(upstream.remote)
    mirrors.remove(PROJECT)
    mirrors.remove(PROJECT)
    assert mirrors.pinned(PROJECT, RUN) is None
    mirrors.fetch(upstream.remote)
    assert mirrors.base_sha(PROJECT, "main")


def test_work_that_could_not_be_pushed_is_kept_in_a_bundle(
    mirrors: Mirrors, workspace: Workspace, upstream: Upstream, tmp_path: Path
) -> None:
    head = workspace.commit({"a": "1"})
    mirrors.import_bundle(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha)
    kept = tmp_path / "kept" / "run.bundle"
    mirrors.save_bundle(PROJECT, workspace.base_sha, head, kept)
    git(upstream.work, "fetch", "--quiet", str(kept), "paid-kept")
    assert git(upstream.work, "rev-parse", "FETCH_HEAD") == head
