"""The forge's bare repositories: made, filled, asked and compared with git's plumbing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paid.errors import GitError

GIT_SECONDS = 120
PRE_RECEIVE = """#!/bin/sh
if [ -f forge-reject ]; then
    cat forge-reject >&2
    exit 1
fi
while read -r _old _new ref; do
    if [ -f forge-protected ] && grep -qxF "$ref" forge-protected; then
        echo "error: GH006: Protected branch update failed for $ref." >&2
        exit 1
    fi
done
"""


@dataclass(frozen=True)
class FileChange:
    """One file between two commits; `patch` is its diff without the header."""

    path: str
    status: str
    added: int
    removed: int
    patch: str
    previous: str | None = None


@dataclass(frozen=True)
class CommitSeen:
    """One commit."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    name: str
    email: str
    date: str
    message: str


class GitStore:
    """All repositories under one folder; a repository is named OWNER/REPO."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, name: str) -> Path:
        """The bare repository's folder; OWNER and REPO are names that the forge has checked."""
        return self._root / "git" / f"{name.lower()}.git"

    def rename(self, old: str, new: str) -> None:
        """Move a repository's folder."""
        self.folder(new).parent.mkdir(parents=True, exist_ok=True)
        self.folder(old).rename(self.folder(new))

    def create(self, name: str, default_branch: str, files: Mapping[str, str]) -> None:
        """Make a repository with one commit of `files`; without files it stays empty."""
        folder = self.folder(name)
        folder.mkdir(parents=True)
        hooks = self._root / "hooks"
        hooks.mkdir(exist_ok=True)
        (hooks / "pre-receive").write_text(PRE_RECEIVE)
        (hooks / "pre-receive").chmod(0o755)
        self._git(name, "init", "--quiet", "--bare", ".")
        for key, value in (
            ("core.hooksPath", str(hooks)),
            ("http.receivepack", "true"),
            ("uploadpack.allowFilter", "true"),
            ("gc.auto", "0"),
        ):
            self._git(name, "config", key, value)
        # git itself refuses some names here that a repository on GitHub may have.
        (folder / "HEAD").write_text(f"ref: refs/heads/{default_branch}\n")
        if files:
            self.commit(name, default_branch, files, "First commit")

    def delete(self, name: str) -> None:
        """Remove a repository."""
        shutil.rmtree(self.folder(name), ignore_errors=True)

    def commit(
        self,
        name: str,
        branch: str,
        files: Mapping[str, str],
        message: str,
        *,
        orphan: bool = False,
    ) -> str:
        """Add a commit that writes `files`; `orphan` starts the branch anew, as a force push."""
        ref = f"refs/heads/{branch}"
        parent = None if orphan else self.branches(name).get(branch)
        data = message.encode()
        parts = [f"commit {ref}\ncommitter Forge <forge@localhost> now\n".encode()]
        parts.append(f"data {len(data)}\n".encode() + data + b"\n")
        if parent:
            parts.append(f"from {parent}\n".encode())
        for path, text in files.items():
            content = text.encode()
            parts.append(f'M 100644 inline "{path}"\ndata {len(content)}\n'.encode() + content)
            parts.append(b"\n")
        force = ["--force"] if orphan else []
        self._git(
            name, "fast-import", "--quiet", "--date-format=now", *force, given=b"".join(parts)
        )
        return self.branches(name)[branch]

    def branches(self, name: str) -> dict[str, str]:
        """Branch names and their commits."""
        form = "--format=%(refname)%00%(objectname)"
        lines = self._git(name, "for-each-ref", form, "refs/heads/").splitlines()
        pairs = (line.split("\0") for line in lines)
        return {ref.removeprefix("refs/heads/"): sha for ref, sha in pairs}

    def set_branch(self, name: str, branch: str, sha: str | None) -> None:
        """Point a branch at a commit; None deletes it."""
        change = ["-d", f"refs/heads/{branch}"] if sha is None else [f"refs/heads/{branch}", sha]
        self._git(name, "update-ref", *change)

    def has(self, name: str, sha: str) -> bool:
        """Whether the repository has this commit."""
        return self._status(name, "cat-file", "-e", f"{sha}^{{commit}}") == 0

    def merge_base(self, name: str, first: str, second: str) -> str:
        """Where two commits parted; the first where they share nothing."""
        try:
            return self._git(name, "merge-base", first, second).strip()
        except GitError:
            return first

    def commits(self, name: str, base: str, head: str) -> list[CommitSeen]:
        """The commits of head that base lacks, oldest first."""
        form = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%B%x01"
        text = self._git(name, "log", "--reverse", form, f"{base}..{head}")
        return [_commit(entry) for entry in text.split("\x01") if entry.strip()]

    def commit_seen(self, name: str, sha: str) -> CommitSeen:
        """One commit."""
        form = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%B%x01"
        return _commit(self._git(name, "log", "-1", form, sha).split("\x01")[0])

    def changes(self, name: str, base: str, head: str) -> list[FileChange]:
        """What changed, file by file; binary files have an empty patch."""
        names = self._git(name, "diff", "--name-status", "-z", "-M", base, head).split("\0")
        found, fields = [], iter(names)
        for letter in fields:
            if not letter:
                break
            previous = next(fields) if letter[0] in "RC" else None
            found.append(self._change(name, base, head, letter[0], next(fields), previous))
        return found

    def show(self, name: str, sha: str, path: str) -> str:
        """A file's text in a commit."""
        return self._git(name, "cat-file", "blob", f"{sha}:{path}")

    def reject_pushes(self, name: str, message: str | None) -> None:
        """Refuse every push with this message; None lets them through."""
        _keep(self.folder(name) / "forge-reject", message and f"{message}\n")

    def protect(self, name: str, branches: set[str]) -> None:
        """Refuse pushes to these branches."""
        text = "".join(f"refs/heads/{branch}\n" for branch in sorted(branches))
        _keep(self.folder(name) / "forge-protected", text or None)

    def _change(
        self, name: str, base: str, head: str, letter: str, path: str, previous: str | None
    ) -> FileChange:
        paths = [path] if previous is None else [previous, path]
        diff = self._git(name, "diff", "-M", base, head, "--", *(f":(literal){p}" for p in paths))
        start = diff.find("\n@@ ")
        patch = diff[start + 1 :].rstrip("\n") if start >= 0 else ""
        lines = patch.splitlines()
        added = sum(1 for line in lines if line.startswith("+"))
        removed = sum(1 for line in lines if line.startswith("-"))
        statuses = {"A": "added", "D": "removed", "R": "renamed", "C": "copied"}
        status = statuses.get(letter, "modified")
        return FileChange(path, status, added, removed, patch, previous)

    def _git(self, name: str, *arguments: str, given: bytes = b"") -> str:
        done = self._run(name, arguments, given)
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise GitError(f"git {arguments[0]} in the demo's forge failed: {said}")
        return done.stdout.decode(errors="replace")

    def _status(self, name: str, *arguments: str) -> int:
        return self._run(name, arguments, b"").returncode

    def _run(
        self, name: str, arguments: tuple[str, ...], given: bytes
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["git", *arguments],
            cwd=self.folder(name),
            env=git_environment(),
            input=given,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
        )


def git_environment() -> dict[str, str]:
    """git without the user's configuration, so that every machine behaves alike."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "LC_ALL": "C.UTF-8",
    }


def _commit(entry: str) -> CommitSeen:
    sha, tree, parents, name, email, date, message = entry.lstrip("\n").split("\0", 6)
    return CommitSeen(sha, tree, tuple(parents.split()), name, email, date, message.rstrip("\n"))


def _keep(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
    else:
        path.write_text(text)
