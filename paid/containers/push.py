"""Putting a run's commit on its branch at GitHub: once, and never over somebody else's work."""

from __future__ import annotations

from dataclasses import dataclass

from paid.containers.bundles import pushed_ref
from paid.containers.changes import SHA
from paid.containers.git import TRANSFER_SECONDS, Access, Git
from paid.errors import GitError, PushRejectedError

_REASON_CHARS = 300


@dataclass(frozen=True)
class Pushed:
    """A branch that is where it should be; `adopted` when it already was."""

    adopted: bool


def push(git: Git, access: Access, run_id: int, head_sha: str, branch: str) -> Pushed:
    """Push `head_sha` to `branch`, leased on what the remote has now.

    A branch that is absent is made. One that is there is moved only if it stands where this run
    left it. Raises PushRejectedError for anybody else's branch, for a protected one, for a hook
    that says no, and for a lease that was lost.
    """
    there = remote_head(git, access, branch)
    if there == head_sha:
        return Pushed(adopted=True)
    if there is not None and there != _last_pushed(git, run_id):
        raise PushRejectedError(
            f"The branch {branch} is at the remote already, and not this run's.",
            hint="Delete or rename that branch, then label the issue again.",
        )
    # kept first: if the answer is lost, the next attempt knows the branch again
    git.run("update-ref", pushed_ref(run_id), head_sha)
    _push(git, access, f"{head_sha}:refs/heads/{branch}", branch, there)
    return Pushed(adopted=False)


def withdraw(git: Git, access: Access, run_id: int, branch: str) -> bool:
    """Delete the branch if it stands where this run left it; True when it was deleted."""
    there = remote_head(git, access, branch)
    if there is None or there != _last_pushed(git, run_id):
        return False
    _push(git, access, f":refs/heads/{branch}", branch, there)
    return True


def remote_head(git: Git, access: Access, branch: str) -> str | None:
    """Where the branch is at the remote now; None when it has none of the name."""
    ref = f"refs/heads/{branch}"
    printed = git.run(
        "ls-remote", "--quiet", "--end-of-options", access.url, ref, access=access
    ).stdout.decode("utf-8", "replace")
    for line in printed.splitlines():
        sha, _, name = line.partition("\t")
        if name == ref and SHA.fullmatch(sha):  # ls-remote matches the ends of names, too
            return sha
    return None


def _last_pushed(git: Git, run_id: int) -> str | None:
    asked = ("rev-parse", "--verify", "--quiet", f"{pushed_ref(run_id)}^{{commit}}")
    return git.text(*asked, accept=(0, 1)) or None


def _push(git: Git, access: Access, refspec: str, branch: str, expected: str | None) -> None:
    output = git.run(
        "push", "--porcelain", "--no-verify", "--no-follow-tags",
        f"--force-with-lease=refs/heads/{branch}:{expected or ''}",
        "--end-of-options", access.url, refspec,
        access=access, accept=(0, 1), timeout_seconds=TRANSFER_SECONDS,
    )  # fmt: skip
    if output.code == 0:
        return
    refused = [
        line.split("\t")[-1]
        for line in output.stdout.decode("utf-8", "replace").splitlines()
        if line.startswith("!")
    ]
    if not refused:
        raise GitError(f"git push ended with 1: {output.errors[-_REASON_CHARS:]}")
    said = "; ".join([*refused, *_remote_lines(output.errors)])[:_REASON_CHARS]
    raise PushRejectedError(
        f"The remote refuses {branch}: {said}",
        hint="Look at the repository's branch protection and rules for paid/* branches.",
    )


def _remote_lines(errors: str) -> list[str]:
    lines = (
        line.removeprefix("remote:").strip() for line in errors.splitlines() if "remote:" in line
    )
    return [line for line in lines if line]
