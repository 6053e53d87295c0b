"""Bare mirrors of the watched repositories: all that the host's git ever works in.

A mirror holds the remote's branches under refs/heads, and Paid's own refs:

    refs/paid/bases/RUN     pins what a run's workspace borrows
    refs/paid/runs/RUN      what came out of the workspace, checked
    refs/paid/pushed/RUN    where the run's last push left its branch, so that it is known again
    refs/paid/pushing/RUN   a push whose answer has not come
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from paid.containers import bundles, refs
from paid.containers.changes import Changes, Policy, check, read_changes, read_diff
from paid.containers.git import TRANSFER_SECONDS, Access, Git
from paid.containers.locks import held
from paid.containers.push import Pushed, push, refs_of, remote_head, withdraw
from paid.containers.run_work import RunWork, resolve
from paid.errors import BadInputError, BranchMissingError, GitError, GitUnavailableError
from paid.settings import Settings

_BRANCH = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\]{1,200}")


KEPT_BRANCH = "paid-kept"
"""Of a bundle with kept work: it needs a ref, and a person needs a name to fetch."""


@dataclass(frozen=True)
class Remote:
    """A project's repository on GitHub."""

    project_id: int
    clone_url: str
    token: str | None = field(default=None, repr=False)

    def access(self) -> Access:
        """For git; raises BadInputError for an address that is not https."""
        return Access(self.clone_url, self.token)


@dataclass(frozen=True)
class Prepared:
    """A mirror that is ready for a run, and the commit that the run starts from."""

    path: Path
    base_sha: str


class Mirrors(RunWork):
    """The mirrors of one host; threads and processes may share them."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.data_dir / "mirrors"
        super().__init__()

    def path(self, project_id: int) -> Path:
        """The bare repository; mounted read-only into the project's containers."""
        return self._folder / f"{project_id}.git"

    def prepare(
        self,
        remote: Remote,
        run_id: int,
        branch: str,
        fetch: Callable[[Remote], None] | None = None,
    ) -> Prepared:
        """Fetch, and pin the tip of `branch` for the run; again, the same commit as before.

        `fetch` takes the place of this mirror's own: it may have been begun.
        """
        pinned = self.pinned(remote.project_id, run_id)
        if pinned is None:
            (fetch or self.fetch)(remote)
            pinned = self._pin_tip(remote.project_id, run_id, branch)
        return Prepared(self.path(remote.project_id), pinned)

    def fetch(self, remote: Remote) -> None:
        """Bring the mirror's branches to where the remote's are.

        Fifty runs that ask at once cause one fetch: who waited while a fetch began and ended has
        what he asked for.
        """
        asked_at = time.time_ns()
        access = remote.access()
        stamp = self._folder / f"{remote.project_id}.fetched"
        with held(self._lock(remote.project_id)):
            if stamp.exists() and stamp.stat().st_mtime_ns > asked_at:
                return
            began_at = time.time_ns()
            git = self._made(remote.project_id)
            bundles.sweep(git)
            try:
                _fetch_branches(git, access)
            except GitError as error:
                if ".lock" not in error.message or not _sweep_locks(git.repository):
                    raise
                _fetch_branches(git, access)
            stamp.touch()
            _set_time(stamp, began_at)

    def base_sha(self, project_id: int, branch: str) -> str:
        """The tip of a branch in the mirror, as of the last fetch.

        Raises BadInputError for a repository without commits, BranchMissingError for one without
        the branch. A branch may be called `-x`: it is only ever named in full, behind refs/heads/.
        """
        git, head = self._git(project_id), _head(branch)
        found = refs.read(git.repository, head) or resolve(git, head)
        if found is not None:
            return found
        if not _has_branches(git):
            raise BadInputError(
                "The repository is empty.", hint="Push a first commit, then label the issue again."
            )
        raise BranchMissingError(
            f"The repository has no branch named {branch!r}.",
            hint="Is its default branch another one now? Paid looks again with each poll.",
        )

    def pinned(self, project_id: int, run_id: int) -> str | None:
        """The commit that is pinned for a run; None when there is none."""
        if not refs.may_exist(self.path(project_id), _pin(run_id)):
            return None
        return resolve(self._git(project_id), _pin(run_id))

    def pin_base(self, project_id: int, run_id: int, sha: str) -> str:
        """Keep `sha` and what it stands on until `unpin_base`; a pin that exists stays."""
        git = self._git(project_id)
        with held(self._lock(project_id), shared=True):
            # an all-zero old value means "only if it does not exist"
            made = git.run("update-ref", _pin(run_id), sha, "0" * len(sha), accept=(0, 128))
        kept = sha if made.code == 0 else resolve(git, _pin(run_id))
        if kept is None:
            raise GitError(f"Commit {sha} cannot be pinned; the mirror does not have it.")
        return kept

    def _pin_tip(self, project_id: int, run_id: int, branch: str) -> str:
        """Pin a branch's tip, which the mirror has; mostly without a process."""
        tip, path = self.base_sha(project_id, branch), self.path(project_id)
        _name_default_branch(self._git(project_id), branch)
        with held(self._lock(project_id), shared=True):
            made = refs.create(path, _pin(run_id), tip)
        return tip if made else self.pin_base(project_id, run_id, tip)

    def unpin_base(self, project_id: int, run_id: int) -> None:
        """Let the run's base go; nothing happens when it is not pinned."""
        self._delete(project_id, _pin(run_id))

    def import_bundle(
        self,
        project_id: int,
        run_id: int,
        bundle: Path,
        branch: str,
        base_sha: str,
        limits: bundles.Limits = bundles.LIMITS,
    ) -> str:
        """Take a run's commits out of its bundle; returns the branch's head.

        The mirror keeps it as refs/paid/runs/RUN. Raises BundleRejectedError for a bundle that is
        not a regular file, is too large, holds another ref, is malformed, or does not go on from
        `base_sha`. What is asked twice is done twice, with the same end.
        """
        git = self._git(project_id)
        with held(self._lock(project_id), shared=True):
            return bundles.take(git, run_id, bundle, branch, base_sha, limits)

    def imported(self, project_id: int, run_id: int) -> str | None:
        """The head that was imported last for a run."""
        return resolve(self._git(project_id), bundles.run_ref(run_id))

    def changes(self, project_id: int, base_sha: str, head_sha: str) -> Changes:
        """Changed files and commits between two commits."""
        return read_changes(self._git(project_id), base_sha, head_sha)

    def diff(self, project_id: int, base_sha: str, head_sha: str, most_bytes: int = 400_000) -> str:
        """The patch as text, cut with a marker after `most_bytes`."""
        return read_diff(self._git(project_id), base_sha, head_sha, most_bytes)

    def check(self, project_id: int, base_sha: str, head_sha: str, policy: Policy) -> Changes:
        """The changes, if a policy lets them be published; else PolicyError, SecretFoundError."""
        return check(self._git(project_id), base_sha, head_sha, policy)

    def base_state(self, remote: Remote, branch: str, base_sha: str) -> str:
        """What became of a run's base: `current`, `moved` (on), `rewritten` or `gone`.

        One question to the remote; a fetch only when the branch is elsewhere.
        """
        head = _head(branch)
        access = remote.access()
        git = self._git(remote.project_id)
        if remote_head(git, access, branch) == base_sha:
            return "current"
        self.fetch(remote)
        tip = resolve(git, head)
        if tip is None:
            return "gone"
        asked = git.run("merge-base", "--is-ancestor", base_sha, tip, accept=(0, 1))
        return "moved" if asked.code == 0 else "rewritten"

    def save_bundle(self, project_id: int, base_sha: str, head_sha: str, path: Path) -> None:
        """Write a run's commits into a bundle file: work that could not be pushed is not lost."""
        path.parent.mkdir(parents=True, exist_ok=True)
        name = f"refs/heads/{KEPT_BRANCH}"
        git = self._git(project_id)
        with held(self._lock(project_id)):
            git.run("update-ref", name, head_sha)
            try:
                asked = ("bundle", "create", "--quiet", str(path), name, f"^{base_sha}")
                git.of_change().run(*asked)
            finally:
                git.run("update-ref", "-d", name)

    def push(
        self, remote: Remote, run_id: int, head_sha: str, branch: str, recorded: str | None = None
    ) -> Pushed:
        """Put the run's commit on its branch at the remote; see `paid.containers.push`."""
        git = self._git(remote.project_id)
        return push(git, remote.access(), run_id, head_sha, branch, recorded)

    def has_pushed(self, project_id: int, run_id: int) -> bool:
        """Whether a push of the run was answered, or may have come through."""
        names = refs_of(run_id)
        return bool(self._git(project_id).text("for-each-ref", "--count=1", *names))

    def withdraw(
        self, remote: Remote, run_id: int, branch: str, recorded: str | None = None
    ) -> bool:
        """Delete the run's branch at the remote if it is where Paid left it."""
        return withdraw(self._git(remote.project_id), remote.access(), run_id, branch, recorded)

    def forget_run(self, project_id: int, run_id: int) -> None:
        """Drop every ref of a run; again does nothing."""
        self._delete(project_id, _pin(run_id), bundles.run_ref(run_id), *refs_of(run_id))

    def forget_runs_except(self, live_runs: Callable[[], Collection[int]]) -> None:
        """Drop the refs of runs that are over, after a clean-up was lost.

        The live runs are asked for after the refs are listed, never before.
        """
        pinned = {
            (int(mirror.stem), int(ref.rpartition("/")[2]))
            for mirror in self._folder.glob("*.git")
            for ref in self._git(int(mirror.stem))
            .text("for-each-ref", "--format=%(refname)", "refs/paid/bases/")
            .split()
        }
        live = live_runs() if pinned else ()
        for project_id, run_id in pinned:
            if run_id not in live:
                self.forget_run(project_id, run_id)

    def collect_garbage(self, project_id: int) -> bool:
        """Pack and prune; False, and nothing done, while a run borrows from the mirror."""
        with held(self._lock(project_id)):
            git = self._git(project_id)
            if git.text("for-each-ref", "--count=1", "refs/paid/bases/"):
                return False
            # loose objects of the last hour may be an import that has no ref yet
            git.run("gc", "--quiet", "--prune=1.hour.ago", timeout_seconds=TRANSFER_SECONDS)
            return True

    def remove(self, project_id: int) -> None:
        """Delete a mirror; again does nothing."""
        with held(self._lock(project_id)):
            shutil.rmtree(self.path(project_id), ignore_errors=True)
            (self._folder / f"{project_id}.fetched").unlink(missing_ok=True)

    def _git(self, project_id: int) -> Git:
        path = self.path(project_id)
        if not (path / "HEAD").exists():
            raise GitError("The project's mirror is not on this host yet.")
        return Git(path)

    def _made(self, project_id: int) -> Git:
        path = self.path(project_id)
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)  # containers read it as another user
        git = Git(path)
        if not (path / "HEAD").exists():
            git.run("init", "--bare", "--quiet", "--template=")
        return git

    def _lock(self, project_id: int) -> Path:
        return self._folder / f"{project_id}.lock"

    def _delete(self, project_id: int, *refs: str) -> None:
        if (self.path(project_id) / "HEAD").exists():
            wanted = "".join(f"delete {ref}\n" for ref in refs)
            with held(self._lock(project_id), shared=True):
                self._git(project_id).run("update-ref", "--stdin", stdin=wanted.encode())


def _fetch_branches(git: Git, access: Access) -> None:
    """Fetch the branches, and the tags that point into them."""
    had_branches = _has_branches(git)
    git.run(
        "fetch", "--quiet", "--prune", "--no-write-fetch-head",
        "--no-recurse-submodules", "--end-of-options",
        access.url, "+refs/heads/*:refs/heads/*",
        access=access, timeout_seconds=TRANSFER_SECONDS,
    )  # fmt: skip
    if had_branches and not _has_branches(git):
        # git takes an empty page, as an outage or a proxy gives, for a repository without branches
        raise GitUnavailableError("The remote lists none of the branches that it had.")


def _name_default_branch(git: Git, branch: str) -> None:
    """Let the mirror's HEAD be the remote's default branch: workspaces name `origin/HEAD` by it."""
    head = _head(branch)
    if (git.repository / "HEAD").read_text(encoding="utf-8") != f"ref: {head}\n":
        git.run("symbolic-ref", "HEAD", head)


def _has_branches(git: Git) -> bool:
    return refs.any_under(git.repository, "refs/heads/")


def _sweep_locks(repository: Path) -> bool:
    """Remove lock files that a killed git left; nobody else writes while our own lock is held."""
    left = [*repository.glob("*.lock"), *repository.glob("refs/**/*.lock")]
    for path in left:
        path.unlink(missing_ok=True)
    return bool(left)


def _head(branch: str) -> str:
    if not _BRANCH.fullmatch(branch) or ".." in branch or "@{" in branch:
        raise BadInputError(f"{branch[:80]!r} is not a name that a branch can have.")
    return f"refs/heads/{branch}"


def _pin(run_id: int) -> str:
    return f"refs/paid/bases/{int(run_id)}"


def _set_time(path: Path, time_ns: int) -> None:
    os.utime(path, ns=(time_ns, time_ns))
