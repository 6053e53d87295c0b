"""Pushing: once, leased, and never over somebody else's branch."""

from __future__ import annotations

import pytest

from paid.containers.mirror import Mirrors, Remote
from paid.errors import GitHubUnauthorizedError, GitUnavailableError, PushRejectedError
from tests.mirror.conftest import BRANCH, PROJECT, RUN, TOKEN, Upstream, Workspace
from tests.mirror.githost import GitHost, git


@pytest.fixture
def head(mirrors: Mirrors, workspace: Workspace) -> str:
    workspace.commit({"a.txt": "1\n"})
    return mirrors.import_bundle(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha)


def there(upstream: Upstream, branch: str = BRANCH) -> str:
    return git(upstream.bare, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")


def test_a_head_is_pushed_to_its_branch(mirrors: Mirrors, upstream: Upstream, head: str) -> None:
    assert mirrors.push(upstream.remote, RUN, head, BRANCH).adopted is False
    assert there(upstream) == head


def test_pushing_again_adopts_what_is_there(
    mirrors: Mirrors, upstream: Upstream, head: str
) -> None:
    mirrors.push(upstream.remote, RUN, head, BRANCH)
    assert mirrors.push(upstream.remote, RUN, head, BRANCH).adopted is True


def test_a_later_head_moves_the_runs_own_branch_even_backwards(
    mirrors: Mirrors, upstream: Upstream, workspace: Workspace, head: str
) -> None:
    mirrors.push(upstream.remote, RUN, head, BRANCH)
    git(workspace.tree, "commit", "--quiet", "--amend", "-m", "another")
    later = mirrors.import_bundle(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha)
    assert mirrors.push(upstream.remote, RUN, later, BRANCH).adopted is False
    assert there(upstream) == later


def test_somebody_elses_branch_of_the_name_is_left_alone(
    mirrors: Mirrors, upstream: Upstream, head: str
) -> None:
    foreign = upstream.commit({"foreign": "1"}, branch=BRANCH)
    with pytest.raises(PushRejectedError, match="not this run's"):
        mirrors.push(upstream.remote, RUN, head, BRANCH)
    assert there(upstream) == foreign


def test_another_host_goes_on_with_the_branch_that_the_record_says_is_the_runs(
    mirrors: Mirrors, upstream: Upstream, workspace: Workspace, head: str
) -> None:
    """A host was lost between its push and its pull request; this one made another commit."""
    mirrors.push(upstream.remote, RUN, head, BRANCH)
    mirrors.forget_run(PROJECT, RUN)  # as if another host had pushed
    git(workspace.tree, "commit", "--quiet", "--amend", "-m", "another")
    later = mirrors.import_bundle(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha)
    with pytest.raises(PushRejectedError, match="not this run's"):
        mirrors.push(upstream.remote, RUN, later, BRANCH)
    mirrors.push(upstream.remote, RUN, later, BRANCH, head)
    assert there(upstream) == later


def test_a_record_gives_no_right_to_a_branch_that_somebody_moved_since(
    mirrors: Mirrors, upstream: Upstream, head: str
) -> None:
    foreign = upstream.commit({"foreign": "1"}, branch=BRANCH)
    with pytest.raises(PushRejectedError, match="not this run's"):
        mirrors.push(upstream.remote, RUN, head, BRANCH, head)
    assert there(upstream) == foreign
    assert not mirrors.withdraw(upstream.remote, RUN, BRANCH, head)


def test_a_commit_that_a_person_added_is_left_alone(
    mirrors: Mirrors, upstream: Upstream, workspace: Workspace, head: str
) -> None:
    mirrors.push(upstream.remote, RUN, head, BRANCH)
    added = upstream.commit({"by-hand": "1"}, branch=BRANCH)
    workspace.commit({"b.txt": "2\n"})
    later = mirrors.import_bundle(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha)
    with pytest.raises(PushRejectedError):
        mirrors.push(upstream.remote, RUN, later, BRANCH)
    assert there(upstream) == added


def test_a_hook_that_says_no_is_reported_in_its_words(
    mirrors: Mirrors, upstream: Upstream, host: GitHost, head: str
) -> None:
    host.reject("greeter", "GH006: Protected branch update failed")
    with pytest.raises(PushRejectedError, match="Protected branch"):
        mirrors.push(upstream.remote, RUN, head, BRANCH)
    assert there(upstream) == ""


def test_a_token_revoked_in_mid_run_keeps_the_work(
    mirrors: Mirrors, head: str, revoked: Remote
) -> None:
    with pytest.raises(GitHubUnauthorizedError):
        mirrors.push(revoked, RUN, head, BRANCH)
    assert mirrors.imported(PROJECT, RUN) == head


def test_a_push_that_was_lost_before_it_arrived_can_be_done_again(
    mirrors: Mirrors, upstream: Upstream, workspace: Workspace, host: GitHost, head: str
) -> None:
    mirrors.push(upstream.remote, RUN, head, BRANCH)
    workspace.commit({"b.txt": "2\n"})
    later = mirrors.import_bundle(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha)
    host.status = 503
    with pytest.raises(GitUnavailableError):
        mirrors.push(upstream.remote, RUN, later, BRANCH)
    host.status = None
    assert mirrors.push(upstream.remote, RUN, later, BRANCH).adopted is False
    assert there(upstream) == later


def test_a_push_whose_answer_was_lost_is_known_again_by_the_next_turn(
    mirrors: Mirrors, upstream: Upstream, workspace: Workspace, head: str
) -> None:
    git(upstream.bare, "fetch", "--quiet", str(mirrors.path(PROJECT)), head)
    git(upstream.bare, "update-ref", f"refs/heads/{BRANCH}", head)
    git(mirrors.path(PROJECT), "update-ref", f"refs/paid/pushing/{RUN}", head)
    git(workspace.tree, "commit", "--quiet", "--amend", "-m", "another")
    later = mirrors.import_bundle(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha)
    assert mirrors.push(upstream.remote, RUN, later, BRANCH).adopted is False
    assert there(upstream) == later


def test_a_branch_that_was_deleted_since_is_made_anew(
    mirrors: Mirrors, upstream: Upstream, workspace: Workspace, head: str
) -> None:
    mirrors.push(upstream.remote, RUN, head, BRANCH)
    git(upstream.bare, "update-ref", "-d", f"refs/heads/{BRANCH}")
    workspace.commit({"b.txt": "2\n"})
    later = mirrors.import_bundle(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha)
    mirrors.push(upstream.remote, RUN, later, BRANCH)
    assert there(upstream) == later


def test_a_push_asks_the_remote_as_little_as_it_can(
    mirrors: Mirrors, upstream: Upstream, host: GitHost, head: str
) -> None:
    host.log.clear()
    mirrors.push(upstream.remote, RUN, head, BRANCH)
    assert len([line for line in host.log if "info/refs" in line]) == 1


def test_an_outage_can_be_retried(
    mirrors: Mirrors, upstream: Upstream, host: GitHost, head: str
) -> None:
    host.status = 503
    with pytest.raises(GitUnavailableError):
        mirrors.push(upstream.remote, RUN, head, BRANCH)
    host.status = None
    mirrors.push(upstream.remote, RUN, head, BRANCH)


def test_only_the_runs_own_branch_is_withdrawn(
    mirrors: Mirrors, upstream: Upstream, head: str
) -> None:
    assert mirrors.withdraw(upstream.remote, RUN, BRANCH) is False
    mirrors.push(upstream.remote, RUN, head, BRANCH)
    assert mirrors.withdraw(upstream.remote, RUN, BRANCH) is True
    assert there(upstream) == ""
    upstream.commit({"foreign": "1"}, branch=BRANCH)
    assert mirrors.withdraw(upstream.remote, RUN, BRANCH) is False


def test_the_token_is_in_no_argument_and_in_no_file(
    mirrors: Mirrors, upstream: Upstream, host: GitHost, head: str
) -> None:
    mirrors.push(upstream.remote, RUN, head, BRANCH)
    assert not any(TOKEN in line for line in host.log)
    assert TOKEN not in repr(upstream.remote)
    assert TOKEN not in repr(upstream.remote.access())
