"""What git would publish otherwise than it lies in the worktree is held, and said."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from paid.attack.packing import BRANCH as PACKED_BRANCH
from paid.attack.packing import Pack, entry
from paid.attack.try_payloads import make_base
from paid.containers.bundles import take
from paid.containers.git import Git
from paid.containers.mirror import Mirrors
from paid.containers.publishable import NO_GAPS, Gaps, require_publishable
from paid.errors import ChangeTooLargeError, UnpublishableError
from tests.mirror.conftest import BRANCH, PROJECT, RUN, Upstream, Workspace
from tests.mirror.githost import git

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 3\n"
OLD, NEW = POINTER.format("a" * 64), POINTER.format("b" * 64)
LFS = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
CRYPT = "secrets/** filter=git-crypt diff=git-crypt\n"


@pytest.fixture
def filtered(mirrors: Mirrors, upstream: Upstream, workspace: Workspace) -> Workspace:
    """A workspace on a base that has LFS, git-crypt and a macro of its own."""
    base = upstream.commit({
        ".gitattributes": f"[attr]big filter=lfs -text\n{LFS}{CRYPT}*.ipynb filter=nbstripout\n",
        "assets/.gitattributes": "*.png big\nlogo.png -filter\n",
        "old.bin": OLD,
        "secrets/key": "\0GITCRYPT\0xx",
        "note.ipynb": "{}",
    })  # fmt: skip
    mirrors.fetch(upstream.remote)
    git(workspace.tree, "fetch", "-q", str(upstream.bare), "main")
    git(workspace.tree, "reset", "-q", "--hard", "FETCH_HEAD")
    return Workspace(workspace.tree, base)


def judge(mirrors: Mirrors, workspace: Workspace, *raw: str, gaps: Gaps = NO_GAPS) -> None:
    head = mirrors.import_bundle(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha)
    mirrors.require_publishable(PROJECT, workspace.base_sha, head, raw, gaps)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"new.bin": "raw"}, ["new.bin", "LFS"]),
        ({"old.bin": "raw"}, ["old.bin", "LFS"]),
        ({"deep/er/x.bin": NEW}, ["deep/er/x.bin", "leads nowhere"]),
        ({"assets/a.png": "raw"}, ["assets/a.png", "LFS"]),
        ({".gitattributes": "*.dat filter=lfs\n", "a.dat": "raw"}, ["a.dat"]),
        ({"new/.gitattributes": "x filter=lfs\n", "new/x": "raw"}, ["new/x"]),
        ({"secrets/new": "plain"}, ["secrets/new", "plain text", "git-crypt"]),
        ({"secrets/key": "plain"}, ["secrets/key"]),
        ({".gitattributes": "", "secrets/new": "plain"}, ["secrets/new", "git-crypt"]),
        ({"my.ipynb": "{1}"}, ["my.ipynb", "nbstripout"]),
        ({"a b/ü\n.bin": "raw"}, ["a b/"]),
    ],
)
def test_files_of_a_filter_are_held(
    mirrors: Mirrors, filtered: Workspace, files: dict[str, str | bytes], says: list[str]
) -> None:
    filtered.commit(files)
    with pytest.raises(UnpublishableError) as held:
        judge(mirrors, filtered)
    assert all(words in held.value.message for words in says), held.value.message
    assert held.value.for_agent
    assert held.value.hint


def test_what_one_commit_adds_and_the_next_removes_is_held_too(
    mirrors: Mirrors, filtered: Workspace
) -> None:
    filtered.commit({"secrets/new": "plain", "kept": "1"})
    git(filtered.tree, "rm", "-q", "secrets/new")
    git(filtered.tree, "commit", "-qm", "less")
    with pytest.raises(UnpublishableError, match="secrets/new"):
        judge(mirrors, filtered)


def test_what_no_filter_touches_or_was_there_before_goes_out(
    mirrors: Mirrors, filtered: Workspace
) -> None:
    git(filtered.tree, "mv", "old.bin", "moved.bin")
    git(filtered.tree, "mv", "secrets/key", "secrets/other")
    filtered.commit({"assets/logo.png": "raw", "src/a.py": "1", "bin.txt": "raw"})
    (filtered.tree / "moved.bin").chmod(0o755)
    filtered.commit({})
    git(filtered.tree, "rm", "-q", "note.ipynb")
    git(filtered.tree, "commit", "-qm", "less")
    judge(mirrors, filtered)


def test_a_person_may_let_a_filters_files_go_out_raw(mirrors: Mirrors, filtered: Workspace) -> None:
    filtered.commit({"my.ipynb": "{1}"})
    judge(mirrors, filtered, "nbstripout")


def test_a_repository_in_the_worktree_is_no_submodule(
    mirrors: Mirrors, workspace: Workspace
) -> None:
    nested = workspace.tree / "vendor" / "x"
    nested.mkdir(parents=True)
    git(nested, "init", "-q")
    git(nested, "commit", "-q", "--allow-empty", "-m", "x")
    workspace.commit({"a": "1"})
    with pytest.raises(UnpublishableError, match="vendor/x") as held:
        judge(mirrors, workspace)
    assert "remove its .git" in str(held.value.for_agent)


def test_a_known_submodule_may_move_on_and_go(mirrors: Mirrors, upstream: Upstream,
                                              workspace: Workspace) -> None:  # fmt: skip
    sha = git(upstream.work, "rev-parse", "HEAD")
    for name in ("sub", "gone"):
        git(upstream.work, "update-index", "--add", "--cacheinfo", f"160000,{sha},{name}")
    git(upstream.work, "commit", "-qm", "submodules")
    git(upstream.work, "push", "-q", str(upstream.bare), "HEAD:refs/heads/main")
    mirrors.fetch(upstream.remote)
    git(workspace.tree, "fetch", "-q", str(upstream.bare), "main")
    git(workspace.tree, "reset", "-q", "--hard", "FETCH_HEAD")
    base = git(workspace.tree, "rev-parse", "HEAD")
    git(workspace.tree, "update-index", "--cacheinfo", f"160000,{'1' * 40},sub")
    git(workspace.tree, "update-index", "--force-remove", "gone")
    git(workspace.tree, "commit", "-qm", "on")
    judge(mirrors, Workspace(workspace.tree, base))


@pytest.mark.parametrize(
    ("gaps", "says"),
    [
        (Gaps(repositories=("a/nested",)), "'a/nested' is a git repository of its own"),
        (Gaps(submodules=("libs/sub",)), "'libs/sub', a submodule that is not there"),
    ],
)
def test_what_the_container_could_not_take_is_told(
    mirrors: Mirrors, workspace: Workspace, gaps: Gaps, says: str
) -> None:
    workspace.commit({"a": "1"})
    with pytest.raises(UnpublishableError, match=says):
        judge(mirrors, workspace, gaps=gaps)


def test_litter_that_stayed_out_hinders_nothing(mirrors: Mirrors, workspace: Workspace) -> None:
    workspace.commit({"a": "1"})
    judge(mirrors, workspace, gaps=Gaps(left_out={".venv": 3}))


def test_what_a_base_does_not_bring_along_is_known(
    mirrors: Mirrors, upstream: Upstream, filtered: Workspace, workspace: Workspace
) -> None:
    assert mirrors.absent(PROJECT, filtered.base_sha).lfs
    first = git(upstream.work, "rev-list", "--max-parents=0", "HEAD")
    assert not mirrors.absent(PROJECT, first).lfs
    git(upstream.work, "update-index", "--add", "--cacheinfo", f"160000,{first},libs/a")
    upstream.commit({".gitmodules": '[submodule "a"]\n\tpath = libs/a\n\turl = ../a\n'})
    git(upstream.work, "update-index", "--add", "--cacheinfo", f"160000,{first},libs/a")
    git(upstream.work, "commit", "-qm", "a", "--allow-empty")
    git(upstream.work, "push", "-q", str(upstream.bare), "HEAD:refs/heads/main")
    mirrors.fetch(upstream.remote)
    head = git(upstream.work, "rev-parse", "HEAD")
    assert mirrors.absent(PROJECT, head).submodules == ("libs/a",)


def test_a_bomb_of_folders_is_a_change_that_is_too_large(tmp_path: Path) -> None:
    pack = Pack(make_base(tmp_path / "mirror.git"))
    tree = pack.tree(entry("file", "100644", pack.blob(b"x")))
    for _ in range(7):
        tree = pack.tree(*(entry(str(number), "40000", tree) for number in range(10)))
    (tmp_path / "bundle").write_bytes(pack.bundle(pack.commit(tree)))
    host = Git(tmp_path / "mirror.git")
    head = take(host, RUN, tmp_path / "bundle", PACKED_BRANCH, pack.base.commit)
    with pytest.raises(ChangeTooLargeError, match="too large") as refused:
        require_publishable(host, pack.base.commit, head, (), NO_GAPS)
    assert "smaller" in str(refused.value.for_agent)


@pytest.mark.parametrize(
    ("folders", "said"),
    [("/".join(["x" * 200] * 30), "longer than"), ("/".join("y" * 2000), "")],
)
def test_a_path_may_be_deep_and_not_too_long(tmp_path: Path, folders: str, said: str) -> None:
    """Of each folder the attributes are asked for, by its name."""
    pack = Pack(make_base(tmp_path / "mirror.git"))
    tree = pack.tree(entry("file", "100644", pack.blob(b"x")))
    for folder in reversed(folders.split("/")):
        tree = pack.tree(entry(folder, "40000", tree))
    (tmp_path / "bundle").write_bytes(pack.bundle(pack.commit(tree)))
    host = Git(tmp_path / "mirror.git")
    head = take(host, RUN, tmp_path / "bundle", PACKED_BRANCH, pack.base.commit)
    with pytest.raises(ChangeTooLargeError, match=said) if said else nullcontext():
        require_publishable(host, pack.base.commit, head, (), NO_GAPS)
