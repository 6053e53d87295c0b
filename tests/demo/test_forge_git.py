"""git itself clones from the forge and pushes to it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from paid.demo.forge import Fault, Forge
from paid.demo.forge.sample import OWNER, Planted


@pytest.fixture
def clone(forge: Forge, planted: Planted, tmp_path: Path) -> Path:
    """A clone with one commit on the branch `work` that was not pushed."""
    folder = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", address(forge, planted, planted.token), str(folder))
    git(folder, "switch", "--quiet", "--create", "work")
    (folder / "new.txt").write_text("new\n")
    git(folder, "add", "new.txt")
    git(folder, "commit", "--quiet", "--message", "Add a file")
    return folder


def address(forge: Forge, planted: Planted, token: str) -> str:
    return f"{forge.url.replace('://', f'://x-access-token:{token}@')}/{planted.repository}.git"


def git(folder: Path, *arguments: str, fails: bool = False) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@localhost",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@localhost",
    }
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done.stdout + done.stderr


def test_a_branch_is_pushed(forge: Forge, planted: Planted, clone: Path) -> None:
    git(clone, "push", "--quiet", "origin", "work")

    assert forge.branches(planted.repository)["work"] == git(clone, "rev-parse", "HEAD").strip()


def test_a_pull_request_follows_its_branch(forge: Forge, planted: Planted, clone: Path) -> None:
    git(clone, "push", "--quiet", "origin", "work")
    forge.webhook(planted.repository, "http://127.0.0.1:1/", "secret")
    forge.open_pull(planted.repository, OWNER, "T", "B", "work", "main")
    (clone / "more.txt").write_text("more\n")
    git(clone, "add", "more.txt")
    git(clone, "commit", "--quiet", "--message", "More")

    git(clone, "push", "--quiet", "origin", "work")

    sha = git(clone, "rev-parse", "HEAD").strip()
    assert [pull.head_sha for pull in forge.pulls(planted.repository)] == [sha]


def test_a_wrong_token_is_refused(forge: Forge, planted: Planted, clone: Path) -> None:
    said = git(clone, "push", address(forge, planted, "ghp_wrong"), "work", fails=True)

    assert "Authentication failed" in said


def test_a_reader_may_clone_but_not_push(forge: Forge, planted: Planted, clone: Path) -> None:
    reader = address(forge, planted, forge.add_user("reader"))

    git(clone, "fetch", "--quiet", reader, "main")
    said = git(clone, "push", reader, "work", fails=True)

    assert "403" in said


def test_a_private_repository_is_not_there_for_strangers(forge: Forge, tmp_path: Path) -> None:
    forge.add_repository("acme/secret", {"a": "b"}, "boss", private=True)
    token = forge.add_user("stranger")
    stranger = f"{forge.url.replace('://', f'://x:{token}@')}/acme/secret.git"

    said = git(tmp_path, "clone", stranger, "secret", fails=True)

    assert "not found" in said


def test_pushes_can_be_rejected(forge: Forge, planted: Planted, clone: Path) -> None:
    forge.reject_pushes(planted.repository, "not on a Friday")

    said = git(clone, "push", "origin", "work", fails=True)

    assert "not on a Friday" in said
    assert "work" not in forge.branches(planted.repository)
    forge.reject_pushes(planted.repository, None)
    git(clone, "push", "origin", "work")


def test_protected_branches_are_protected(forge: Forge, planted: Planted, clone: Path) -> None:
    forge.protect(planted.repository, "work")

    said = git(clone, "push", "origin", "work", fails=True)

    assert "GH006" in said


def test_a_push_may_fail_on_the_way(forge: Forge, planted: Planted, clone: Path) -> None:
    forge.fail(Fault("status", status=503, path="info/refs", times=1))

    assert "503" in git(clone, "push", "origin", "work", fails=True)
    git(clone, "push", "origin", "work")


def test_a_rewritten_branch_shares_nothing(forge: Forge, planted: Planted, clone: Path) -> None:
    before = forge.branches(planted.repository)["main"]

    after = forge.rewrite_branch(planted.repository, "main", {"a": "b"})

    git(clone, "fetch", "--quiet", "origin")
    assert after != before
    assert "no merge base" not in git(clone, "rev-parse", "origin/main")
    git(clone, "merge-base", before, after, fails=True)


def test_thousands_of_files_are_made_at_once(forge: Forge, tmp_path: Path) -> None:
    files = {f"folder{n % 50}/file {n}.txt": f"{n}\n" for n in range(3000)}

    forge.add_repository("acme/large", files, "boss")

    git(tmp_path, "clone", "--quiet", f"{forge.url}/acme/large.git", "large")
    assert len(list((tmp_path / "large").rglob("file *.txt"))) == 3000
