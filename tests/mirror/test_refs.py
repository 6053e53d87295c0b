"""Refs of a mirror are read and made as git does it, without git."""

from __future__ import annotations

from pathlib import Path

import pytest

from paid.containers import refs
from tests.mirror.githost import git

PIN = "refs/paid/bases/1"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A bare repository with the branch main and one pin."""
    work, mirror = tmp_path / "work", tmp_path / "mirror.git"
    work.mkdir()
    git(work, "init", "--quiet", "--initial-branch=main")
    git(work, "commit", "--quiet", "--allow-empty", "-m", "Begin")
    git(tmp_path, "clone", "--quiet", "--bare", str(work), str(mirror))
    git(mirror, "update-ref", PIN, "main")
    return mirror


@pytest.fixture(params=["loose", "packed"])
def either(request: pytest.FixtureRequest, mirror: Path) -> Path:
    """The mirror with its refs as files of their own, or in one."""
    if request.param == "packed":
        git(mirror, "pack-refs", "--all")
    return mirror


def test_a_ref_is_read_wherever_git_keeps_it(either: Path) -> None:
    assert refs.read(either, "refs/heads/main") == git(either, "rev-parse", "main")
    assert refs.read(either, "refs/heads/mai") is None


def test_what_a_folder_has_is_known(either: Path) -> None:
    assert refs.any_under(either, "refs/heads/")
    assert not refs.any_under(either, "refs/tags/")


def test_a_new_ref_is_one_for_git_too(mirror: Path) -> None:
    sha = git(mirror, "rev-parse", "main")
    assert refs.create(mirror, "refs/paid/bases/2", sha)
    assert git(mirror, "rev-parse", "refs/paid/bases/2") == sha
    git(mirror, "update-ref", "-d", "refs/paid/bases/2", sha)


def test_a_ref_that_is_there_is_left_to_git(either: Path) -> None:
    kept = git(either, "rev-parse", PIN)
    assert not refs.create(either, PIN, "b" * 40)
    assert git(either, "rev-parse", PIN) == kept


def test_a_ref_that_git_is_writing_is_left_to_git(mirror: Path) -> None:
    (mirror / "refs/paid/bases/3.lock").touch()
    assert not refs.create(mirror, "refs/paid/bases/3", "b" * 40)
    assert not (mirror / "refs/paid/bases/3").exists()


def test_something_else_than_a_commit_is_left_to_git(mirror: Path) -> None:
    (mirror / "refs/heads/odd").write_text("ref: refs/heads/main\n")
    assert refs.read(mirror, "refs/heads/odd") is None
