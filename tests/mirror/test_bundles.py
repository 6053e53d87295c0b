"""What comes out of a workspace is taken only if it is the run's branch and sound."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from paid.containers.bundles import Limits
from paid.containers.mirror import Mirrors
from paid.errors import BundleRejectedError
from tests.mirror.conftest import BRANCH, PROJECT, RUN, Upstream, Workspace
from tests.mirror.githost import GIT_IDENTITY, git


def take(mirrors: Mirrors, workspace: Workspace, bundle: Path, limits: Limits | None = None) -> str:
    return mirrors.import_bundle(
        PROJECT, RUN, bundle, BRANCH, workspace.base_sha, limits or Limits()
    )


def refs(mirrors: Mirrors) -> list[str]:
    return git(mirrors.path(PROJECT), "for-each-ref", "--format=%(refname)").splitlines()


def test_a_runs_commits_arrive_under_the_runs_ref(mirrors: Mirrors, workspace: Workspace) -> None:
    head = workspace.commit({"src/greet.py": "def greet():\n    return 'hello'\n"})
    assert take(mirrors, workspace, workspace.bundle()) == head
    assert mirrors.imported(PROJECT, RUN) == head
    assert refs(mirrors) == ["refs/heads/main", f"refs/paid/bases/{RUN}", f"refs/paid/runs/{RUN}"]


def test_taking_a_bundle_again_changes_nothing(mirrors: Mirrors, workspace: Workspace) -> None:
    workspace.commit({"a": "1"})
    bundle = workspace.bundle()
    assert take(mirrors, workspace, bundle) == take(mirrors, workspace, bundle)


def test_a_later_turn_replaces_the_head_even_after_an_amend(
    mirrors: Mirrors, workspace: Workspace
) -> None:
    workspace.commit({"a": "1"})
    take(mirrors, workspace, workspace.bundle())
    git(workspace.tree, "commit", "--quiet", "--amend", "-m", "better")
    head = git(workspace.tree, "rev-parse", "HEAD")
    assert take(mirrors, workspace, workspace.bundle()) == head


def test_a_bundle_with_another_ref_is_refused(mirrors: Mirrors, workspace: Workspace) -> None:
    workspace.commit({"a": "1"})
    git(workspace.tree, "branch", "extra")
    bundle = workspace.bundle(f"{workspace.base_sha}..{BRANCH}", "extra")
    with pytest.raises(BundleRejectedError, match="other refs"):
        take(mirrors, workspace, bundle)
    git(workspace.tree, "branch", "--quiet", "-M", BRANCH, "main2")
    with pytest.raises(BundleRejectedError, match="other refs"):
        take(mirrors, workspace, workspace.bundle(f"{workspace.base_sha}..main2"))


def test_a_history_that_does_not_go_on_from_the_base_is_refused(
    mirrors: Mirrors, workspace: Workspace
) -> None:
    git(workspace.tree, "checkout", "--quiet", "--orphan", "fresh")
    git(workspace.tree, "commit", "--quiet", "-m", "another root")
    git(workspace.tree, "branch", "--quiet", "-M", "fresh", BRANCH)
    with pytest.raises(BundleRejectedError, match="does not go on"):
        take(mirrors, workspace, workspace.bundle(BRANCH))
    assert f"refs/paid/runs/{RUN}" not in refs(mirrors)


def test_a_file_that_is_no_bundle_is_refused(mirrors: Mirrors, workspace: Workspace) -> None:
    workspace.commit({"a": "1" * 5000})
    whole = workspace.bundle().read_bytes()
    path = workspace.tree.parent / "odd"
    for content in (
        b"",
        b"# v2 git bundle\n",
        b"\0" * 4096,
        whole[:-200],
        whole[: len(whole) // 2],
        whole[:-20] + b"\0" * 20,
        b"# v3 git bundle\n@filter=blob:none\n" + whole.split(b"\n", 1)[1],
        whole.replace(f"refs/heads/{BRANCH}".encode(), b"refs/heads/main", 1),
    ):
        path.write_bytes(content)
        with pytest.raises(BundleRejectedError):
            take(mirrors, workspace, path)


def test_only_a_regular_file_is_opened(mirrors: Mirrors, workspace: Workspace) -> None:
    folder = workspace.tree.parent
    workspace.commit({"a": "1"})
    link = folder / "link"
    link.symlink_to(workspace.bundle())
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    for path in (link, fifo, folder, folder / "nothing"):
        with pytest.raises(BundleRejectedError):
            take(mirrors, workspace, path)


def test_a_bundle_over_a_limit_is_refused(mirrors: Mirrors, workspace: Workspace) -> None:
    workspace.commit({"big": os.urandom(200_000)})
    workspace.commit({"zeros": b"\0" * 3_000_000})
    bundle = workspace.bundle()
    for limits, words in (
        (Limits(bundle_bytes=1000), "larger than"),
        (Limits(file_bytes=1_000_000), "A file is larger"),
        (Limits(total_bytes=1_000_000), "change is larger"),
        (Limits(commits=1), "2 commits"),
    ):
        with pytest.raises(BundleRejectedError, match=words):
            take(mirrors, workspace, bundle, limits)
    assert take(mirrors, workspace, bundle)


EVIL_TREES = {
    "a .git folder": (".git", "040000"),
    "a .git in other letters": (".GIT", "040000"),
    "a .git behind an invisible character": (".g\u200cit", "040000"),
    "the short name that Windows has for .git": ("git~1", "040000"),
    "a step up": ("..", "040000"),
    "the folder itself": (".", "040000"),
}


@pytest.mark.parametrize("name", list(EVIL_TREES))
def test_a_tree_with_a_dangerous_name_is_refused(
    name: str, mirrors: Mirrors, workspace: Workspace
) -> None:
    entry, mode = EVIL_TREES[name]
    tree = git(workspace.tree, "rev-parse", "HEAD^{tree}")
    evil = make_tree(workspace, f"{mode[1:]} {entry}".encode() + b"\0" + bytes.fromhex(tree))
    commit_tree(workspace, evil)
    with pytest.raises(BundleRejectedError, match="not sound"):
        take(mirrors, workspace, workspace.bundle())


@pytest.mark.parametrize(
    "text",
    [
        '[submodule "x"]\n\tpath = x\n\turl = -uevil\n',
        '[submodule "x"]\n\tpath = -x\n\turl = https://example.org\n',
        '[submodule "../../x"]\n\tpath = x\n\turl = https://example.org\n',
        '[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch\n',
        '[submodule "x"]\n\tpath = x\n\turl = https://example.org\n\tupdate = !touch x\n',
    ],
)
def test_hostile_submodules_run_nothing(
    text: str, mirrors: Mirrors, workspace: Workspace, tmp_path: Path
) -> None:
    workspace.commit({".gitmodules": text, ".lfsconfig": "[lfs]\nurl = http://127.0.0.1:9/\n"})
    try:
        head = take(mirrors, workspace, workspace.bundle())
    except BundleRejectedError:
        return
    assert mirrors.changes(PROJECT, workspace.base_sha, head).files


def test_a_workspaces_hooks_filters_and_settings_do_not_reach_the_host(
    mirrors: Mirrors, workspace: Workspace, upstream: Upstream, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    touch = f"touch {canary}"
    workspace.commit({".gitattributes": "* filter=evil diff=evil merge=evil\n", "a.txt": "1"})
    for key in ("core.fsmonitor", "filter.evil.clean", "diff.evil.textconv", "core.sshCommand"):
        git(workspace.tree, "config", key, touch)
    hooks = workspace.tree / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "reference-transaction", "pre-push", "post-update"):
        (hooks / name).write_text(f"#!/bin/sh\n{touch}\n")
        (hooks / name).chmod(0o755)
    bundle = workspace.bundle()
    canary.unlink(missing_ok=True)  # the workspace's own git may run them; the host's may not
    head = take(mirrors, workspace, bundle)
    mirrors.changes(PROJECT, workspace.base_sha, head)
    assert "a.txt" in mirrors.diff(PROJECT, workspace.base_sha, head)
    mirrors.push(upstream.remote, RUN, head, BRANCH)
    assert not canary.exists()


def make_tree(workspace: Workspace, content: bytes) -> str:
    done = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"],
        cwd=workspace.tree,
        env=GIT_IDENTITY,
        input=content,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().strip()


def commit_tree(workspace: Workspace, tree: str) -> None:
    made = git(workspace.tree, "commit-tree", tree, "-p", workspace.base_sha, "-m", "evil")
    git(workspace.tree, "update-ref", f"refs/heads/{BRANCH}", made)


def test_what_was_refused_leaves_nothing_in_the_mirror(
    mirrors: Mirrors, workspace: Workspace, upstream: Upstream
) -> None:
    workspace.commit({"big": os.urandom(100_000)})
    path = mirrors.path(PROJECT)
    before = sorted(path.rglob("*"))
    with pytest.raises(BundleRejectedError):
        take(mirrors, workspace, workspace.bundle(), Limits(file_bytes=1000))
    assert sorted(path.rglob("*")) == before
    (path / "paid-incoming-killed" / "pack").mkdir(parents=True)
    mirrors.fetch(upstream.remote)
    assert not (path / "paid-incoming-killed").exists()
