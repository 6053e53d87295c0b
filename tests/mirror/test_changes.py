"""What a run changed is read exactly, and held when it may not be published."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from paid.containers.changes import ChangedFile, Policy, check_texts
from paid.containers.mirror import Mirrors
from paid.errors import GitError, PolicyError, SecretFoundError
from tests.mirror.conftest import BRANCH, PROJECT, RUN, TOKEN, Workspace
from tests.mirror.githost import git

SECRET = "sk-canary-9f8e7d6c5b4a39281706"


def taken(mirrors: Mirrors, workspace: Workspace) -> str:
    return mirrors.import_bundle(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha)


def test_files_are_read_whatever_they_are_called(mirrors: Mirrors, workspace: Workspace) -> None:
    git(workspace.tree, "rm", "--quiet", "README.md")
    workspace.commit(
        {
            "src/greet.py": "def greet():\n    return 'hello'\n",
            ":odd\tname\n.txt": "1\n2\n",
            "-x": "1\n",
            "ü.bin": b"\0\1\2",
        },
        message="Say hello\n\nBecause hi is short.",
    )
    changes = mirrors.changes(PROJECT, workspace.base_sha, taken(mirrors, workspace))
    assert set(changes.files) == {
        ChangedFile("README.md", "D", 0, 1),
        ChangedFile("src/greet.py", "M", 1, 1),
        ChangedFile(":odd\tname\n.txt", "A", 2, 0),
        ChangedFile("-x", "A", 1, 0),
        ChangedFile("ü.bin", "A", None, None),
    }
    assert (changes.added, changes.deleted) == (4, 2)
    [commit] = changes.commits
    assert (commit.subject, commit.body) == ("Say hello", "Because hi is short.")
    assert commit.author == "Maria <maria@example.org>"


def test_the_diff_is_cut_with_a_marker(mirrors: Mirrors, workspace: Workspace) -> None:
    workspace.commit({"long.txt": "line\n" * 10_000})
    head = taken(mirrors, workspace)
    diff = mirrors.diff(PROJECT, workspace.base_sha, head, most_bytes=1000)
    assert len(diff) < 1100
    assert "left out" in diff


def test_what_is_no_commits_name_is_refused(mirrors: Mirrors, workspace: Workspace) -> None:
    with pytest.raises(GitError, match="not a commit's name"):
        mirrors.changes(PROJECT, workspace.base_sha, "--output=/tmp/x")


@pytest.mark.parametrize(
    "path",
    [".github/workflows/ci.yml", ".github/actions/x/action.yml", ".GitHub/Workflows/ci.yml"],
)
def test_a_change_of_workflows_is_held(path: str, mirrors: Mirrors, workspace: Workspace) -> None:
    workspace.commit({path: "on: push\n"})
    head = taken(mirrors, workspace)
    with pytest.raises(PolicyError, match="repository's rights"):
        mirrors.check(PROJECT, workspace.base_sha, head, Policy())
    allowed = Policy(allow_workflow_changes=True)
    assert mirrors.check(PROJECT, workspace.base_sha, head, allowed).files[0].path == path


def test_a_link_in_the_place_of_the_workflows_is_held(
    mirrors: Mirrors, workspace: Workspace
) -> None:
    (workspace.tree / ".github").symlink_to("src")
    workspace.commit({})
    with pytest.raises(PolicyError):
        mirrors.check(PROJECT, workspace.base_sha, taken(mirrors, workspace), Policy())


def test_other_files_beside_the_workflows_may_change(
    mirrors: Mirrors, workspace: Workspace
) -> None:
    workspace.commit({".github/workflows.md": "x", ".github/CODEOWNERS.txt": "x"})
    mirrors.check(PROJECT, workspace.base_sha, taken(mirrors, workspace), Policy())


HIDDEN = {
    "raw": SECRET,
    "reversed": SECRET[::-1],
    "hex": SECRET.encode().hex(),
    "HEX": SECRET.encode().hex().upper(),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64, one byte on": base64.b64encode(b"x" + SECRET.encode() + b"tail").decode(),
    "base64, two bytes on": base64.b64encode(b"xy" + SECRET.encode() + b"tail").decode(),
    "base64 for addresses": base64.urlsafe_b64encode(b"\xff\xfe" + SECRET.encode()).decode(),
    "base64 over two lines": "\n".join(
        [base64.b64encode(b"x" * 30 + SECRET.encode())[:60].decode(),
         base64.b64encode(b"x" * 30 + SECRET.encode())[60:].decode()]
    ),
    "raw over two lines": SECRET[:7] + "\n" + SECRET[7:],
    "a few letters a line": "\n".join(SECRET[n : n + 5] for n in range(0, len(SECRET), 5)),
    "reversed, a few a line": "\n  ".join(SECRET[::-1][n : n + 5] for n in range(0, 60, 5)),
    "hex, two letters a line": "\r\n".join(
        SECRET.encode().hex()[n : n + 4] for n in range(0, 2 * len(SECRET), 4)
    ),
    "base64 folded at sixteen": "\n".join(
        base64.b64encode(SECRET.encode()).decode()[n : n + 16] for n in range(0, 90, 16)
    ),
    "url-encoded": quote("".join(f"%{byte:02x}" for byte in SECRET.encode()), safe="%"),
    "within a long line": "y" * 3_000_000 + SECRET + "z" * 2_000_000,
    "in a binary file": "\0\1\2" + SECRET,
}  # fmt: skip


@pytest.mark.parametrize("form", list(HIDDEN))
def test_our_own_secret_is_found_in_every_dress(
    form: str, mirrors: Mirrors, workspace: Workspace
) -> None:
    workspace.commit({"notes.txt": f"before {HIDDEN[form]} after\n"})
    head = taken(mirrors, workspace)
    with pytest.raises(SecretFoundError, match="own secrets") as raised:
        mirrors.check(PROJECT, workspace.base_sha, head, Policy(secrets=(SECRET,)))
    assert SECRET not in str(raised.value)


def test_a_secret_that_a_later_commit_removes_is_found(
    mirrors: Mirrors, workspace: Workspace
) -> None:
    workspace.commit({"notes.txt": SECRET})
    workspace.commit({"notes.txt": "nothing here"})
    with pytest.raises(SecretFoundError):
        mirrors.check(
            PROJECT, workspace.base_sha, taken(mirrors, workspace), Policy(secrets=(SECRET,))
        )


def test_a_secret_in_a_message_a_file_name_or_the_pull_request_is_found(
    mirrors: Mirrors, workspace: Workspace
) -> None:
    workspace.commit({"a": "1"})
    with pytest.raises(SecretFoundError):
        check_texts(Policy(secrets=(SECRET,)), "A fine change", f"by the way: {SECRET}")
    workspace.commit({f"{SECRET}.txt": "1"})
    with pytest.raises(SecretFoundError):
        mirrors.check(
            PROJECT, workspace.base_sha, taken(mirrors, workspace), Policy(secrets=(SECRET,))
        )
    git(workspace.tree, "reset", "--quiet", "--hard", "HEAD~1")
    workspace.commit({"b": "1"}, message=f"see {SECRET}")
    with pytest.raises(SecretFoundError):
        mirrors.check(
            PROJECT, workspace.base_sha, taken(mirrors, workspace), Policy(secrets=(SECRET,))
        )


@pytest.mark.parametrize(
    "key",
    [
        TOKEN,
        "github_pat_" + "a1" * 30,
        "sk-ant-api03-" + "b2" * 20,
        "sk-proj-" + "c3" * 24,
        "AIza" + "d4" * 17 + "e",
        "AKIA" + "ABCD2345" * 2,
        "xoxb-" + "7193520486-qzbxkfhwmt",
        "glpat-" + "f5" * 12,
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
    ],
)
def test_what_looks_like_anybodys_key_is_found(
    key: str, mirrors: Mirrors, workspace: Workspace
) -> None:
    workspace.commit({"config.ini": f"key = {key}\n"})
    with pytest.raises(SecretFoundError):
        mirrors.check(PROJECT, workspace.base_sha, taken(mirrors, workspace), Policy())


def test_taking_a_leaked_key_away_is_no_leak(mirrors: Mirrors, workspace: Workspace) -> None:
    git(workspace.tree, "checkout", "--quiet", "main")
    (workspace.tree / "leak.txt").write_text(f"{TOKEN}\n")
    base = workspace.commit({})
    git(mirrors.path(PROJECT), "fetch", "--quiet", str(workspace.tree), base)
    git(workspace.tree, "checkout", "--quiet", "-B", BRANCH, base)
    git(workspace.tree, "rm", "--quiet", "leak.txt")
    head = workspace.commit({"b": "sk-is-short"})
    git(mirrors.path(PROJECT), "fetch", "--quiet", str(workspace.tree), head)
    assert mirrors.check(PROJECT, base, head, Policy())
