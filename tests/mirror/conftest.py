"""A git host, a project on it, and a stand-in for a run's workspace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from paid.containers.mirror import Mirrors, Remote
from paid.settings import Settings
from tests.mirror.githost import GitHost, git

TOKEN = "ghp_canaryCanaryCanary0123456789abcdefgh"
PROJECT = 7
RUN = 41
BRANCH = "paid/issue-3-41"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    host = GitHost(tmp_path / "host", TOKEN)
    yield host
    host.stop()


@dataclass(frozen=True)
class Upstream:
    """The watched repository, with a clone in which a person works."""

    bare: Path
    work: Path
    remote: Remote

    def commit(self, files: dict[str, str], branch: str = "main") -> str:
        for name, text in files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git(self.work, "add", "--all")
        git(self.work, "commit", "--quiet", "-m", "work")
        git(self.work, "push", "--quiet", "--force", str(self.bare), f"HEAD:refs/heads/{branch}")
        return git(self.work, "rev-parse", "HEAD")


@pytest.fixture
def upstream(host: GitHost, tmp_path: Path) -> Upstream:
    bare = host.create("greeter")
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "--quiet", "--initial-branch=main")
    made = Upstream(bare, work, Remote(PROJECT, host.url("greeter"), TOKEN))
    made.commit({"README.md": "hello\n", "src/greet.py": "def greet():\n    return 'hi'\n"})
    return made


@pytest.fixture
def mirrors(tmp_path: Path) -> Mirrors:
    return Mirrors(Settings(data_dir=tmp_path / "data"))


@dataclass(frozen=True)
class Workspace:
    """What a run's container has: a shared clone, a branch, and a bundle at the end."""

    tree: Path
    base_sha: str
    branch: str = BRANCH

    def commit(self, files: dict[str, str | bytes], message: str = "the agent's work") -> str:
        for name, content in files.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        git(self.tree, "add", "--all", "--force")
        git(self.tree, "commit", "--quiet", "--allow-empty", "-m", message)
        return git(self.tree, "rev-parse", "HEAD")

    def bundle(self, *refs: str, name: str = "run.bundle") -> Path:
        path = self.tree.parent / name
        wanted = refs or (f"{self.base_sha}..{self.branch}",)
        git(self.tree, "bundle", "create", "--quiet", str(path), *wanted)
        return path


@pytest.fixture
def workspace(mirrors: Mirrors, upstream: Upstream, tmp_path: Path) -> Workspace:
    prepared = mirrors.prepare(upstream.remote, RUN, "main")
    tree = tmp_path / "container" / "tree"
    tree.parent.mkdir()
    git(tree.parent, "clone", "--quiet", "--shared", str(prepared.path), str(tree))
    git(tree, "checkout", "--quiet", "-b", BRANCH, prepared.base_sha)
    return Workspace(tree, prepared.base_sha)


@pytest.fixture
def revoked(upstream: Upstream) -> Remote:
    return replace(upstream.remote, token="ghp_" + "r" * 36)
