"""What a run's commits go through in its project's mirror, between the bundle and the push."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from paid.containers import bundles, refs
from paid.containers.absent import Absent, absent_of
from paid.containers.branch_names import free_name
from paid.containers.changes import SHA
from paid.containers.commits import Rewritten, Rules, rewrite
from paid.containers.git import Access, Git
from paid.containers.locks import held
from paid.containers.publishable import NO_GAPS, Gaps, require_publishable
from paid.containers.push import remote_head


class Remote(Protocol):
    """What of a project's remote is needed."""

    @property
    def project_id(self) -> int:
        """Whose mirror it has."""

    def access(self) -> Access:
        """For git."""


class RunWork(ABC):
    """A part of `Mirrors`, which says where repositories and their locks are."""

    def __init__(self) -> None:
        self._absent: dict[tuple[int, str], Absent] = {}

    @abstractmethod
    def path(self, project_id: int) -> Path:
        """The bare repository."""

    @abstractmethod
    def _git(self, project_id: int) -> Git: ...

    @abstractmethod
    def _lock(self, project_id: int) -> Path: ...

    def take_work(
        self, project_id: int, run_id: int, bundle: Path, branch: str, base_sha: str, rules: Rules
    ) -> Rewritten:
        """`import_bundle`, with the commits as they may be published (`commits.rewrite`).

        From here on there is only the new head: it is what is checked, kept and pushed.
        """
        git = self._git(project_id)
        with held(self._lock(project_id), shared=True):
            head = bundles.take(git, run_id, bundle, branch, base_sha)
            work = rewrite(git, base_sha, head, rules, time.time())
            if work.head != head:
                git.run("update-ref", bundles.run_ref(run_id), work.head)
        return work

    def require_publishable(
        self,
        project_id: int,
        base_sha: str,
        head_sha: str,
        raw_filters: Collection[str] = (),
        gaps: Gaps = NO_GAPS,
    ) -> None:
        """Raise UnpublishableError for what `paid.containers.publishable` finds."""
        require_publishable(self._git(project_id), base_sha, head_sha, raw_filters, gaps)

    def absent(self, project_id: int, base_sha: str) -> Absent:
        """What of a base an agent's worktree has not; asked once for all runs on it."""
        known = self._absent.get((project_id, base_sha))
        if known is None:
            known = absent_of(self._git(project_id), base_sha)
            self._absent[project_id, base_sha] = known
        return known

    def adds_to(self, remote: Remote, branch: str, head_sha: str) -> bool:
        """Whether a pull request of this head would show anything beside the branch."""
        git = self._git(remote.project_id)
        tip = resolve(git, f"refs/heads/{branch}")
        if tip is None:
            return True
        git = git.of_change()  # a merge with the oldest commits lets git walk all of them
        fork = git.text("merge-base", tip, head_sha, accept=(0, 1)) or tip
        trees = git.text("rev-parse", f"{fork}^{{tree}}", f"{head_sha}^{{tree}}").split()
        return len(set(trees)) > 1

    def free_branch(self, project_id: int, issue: int, run_id: int) -> str:
        """The run's branch: a name that nothing at the remote has, or is in the way of."""
        repository = self.path(project_id)
        return free_name(
            issue,
            run_id,
            exists=lambda name: refs.read(repository, f"refs/heads/{name}") is not None,
            has_below=lambda name: refs.any_under(repository, f"refs/heads/{name}/"),
        )

    def usable_branch(self, project_id: int, issue: int, run_id: int, before: str) -> str:
        """The branch that a run had, or another one where a branch came in its way since."""
        above = before.rpartition("/")[0]
        if above and refs.read(self.path(project_id), f"refs/heads/{above}") is not None:
            return self.free_branch(project_id, issue, run_id)
        return before

    def is_there(self, remote: Remote, branch: str) -> bool:
        """Whether the remote has a branch of the name."""
        return remote_head(self._git(remote.project_id), remote.access(), branch) is not None


def resolve(git: Git, ref: str) -> str | None:
    """The commit of a ref; None when there is none."""
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    found = git.text(*asked, accept=(0, 1))
    return found if SHA.fullmatch(found) else None
