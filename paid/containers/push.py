"""Putting a run's commit on its branch at GitHub: once, and never over somebody else's work."""

from __future__ import annotations

from dataclasses import dataclass

from paid.containers import refs
from paid.containers.changes import SHA
from paid.containers.git import TRANSFER_SECONDS, Access, Git
from paid.containers.git_errors import error_of
from paid.containers.git_limits import CHANGE_SETTINGS
from paid.containers.push_refusals import PASSING, read_refusal
from paid.errors import GitUnavailableError, PushRejectedError

_HAS_MOVED = "[rejected]"
"""What git itself says when the lease is not what the remote has; servers say `[remote rejected]`.
"""


@dataclass(frozen=True)
class Pushed:
    """A branch that is where it should be; `adopted` when it already was."""

    adopted: bool


def push(
    git: Git, access: Access, run_id: int, head_sha: str, branch: str, recorded: str | None = None
) -> Pushed:
    """Push `head_sha` to `branch`, leased on where this run left it.

    `recorded` is where the run's record says that its last push left the branch, which may have
    been another host's: it counts where this host knows of none.
    A branch that is absent is made. Raises PushRejectedError for anybody else's branch or commit,
    for a protected branch, and for a hook that says no; GitUnavailableError for a server whose own
    trouble made it refuse.
    """
    left_at = _left_at(git, access, run_id, branch) or recorded
    if not refs.create(git.repository, _pushing_ref(run_id), head_sha):
        git.run("update-ref", _pushing_ref(run_id), head_sha)
    try:
        # mostly the branch is where we think; asking first would cost another round trip
        adopted = _push(git, access, f"{head_sha}:refs/heads/{branch}", branch, left_at)
    except PushRejectedError as refusal:
        adopted = _adopt(git, access, head_sha, branch, left_at, refusal)
    done = f"update {pushed_ref(run_id)} {head_sha}\ndelete {_pushing_ref(run_id)}\n"
    git.run("update-ref", "--stdin", stdin=done.encode())
    return Pushed(adopted)


def _left_at(git: Git, access: Access, run_id: int, branch: str) -> str | None:
    """Where this run's last push left the branch; None when there was none.

    A push whose answer was lost may have come through: the remote knows.
    """
    names = refs_of(run_id)
    if not any(refs.may_exist(git.repository, name) for name in names):
        return None
    listed = git.text("for-each-ref", "--format=%(refname) %(objectname)", *names)
    kept = dict(line.split(" ") for line in listed.splitlines())
    pushing = kept.get(_pushing_ref(run_id))
    if pushing is not None and remote_head(git, access, branch) == pushing:
        git.run("update-ref", pushed_ref(run_id), pushing)
        return pushing
    return kept.get(pushed_ref(run_id))


def _adopt(
    git: Git,
    access: Access,
    head_sha: str,
    branch: str,
    left_at: str | None,
    refusal: PushRejectedError,
) -> bool:
    """After a refusal: whether the branch is right all the same; else it is raised again.

    A branch that somebody deleted since is made anew. What a rule or a hook refused would be
    refused again.
    """
    there = remote_head(git, access, branch)
    if there == head_sha:
        return True
    if there is not None and there != left_at:
        raise PushRejectedError(
            f"The branch {branch} is at the remote already, and not this run's.",
            hint="Delete or rename that branch, then label the issue again.",
        )
    if refusal.kind != "moved":
        raise refusal
    return _push(git, access, f"{head_sha}:refs/heads/{branch}", branch, there)


def withdraw(
    git: Git, access: Access, run_id: int, branch: str, recorded: str | None = None
) -> bool:
    """Delete the branch if it stands where this run left it; True when it was deleted."""
    there = remote_head(git, access, branch)
    if there is None or there != (_left_at(git, access, run_id, branch) or recorded):
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


def _pushing_ref(run_id: int) -> str:
    return f"refs/paid/pushing/{int(run_id)}"


def refs_of(run_id: int) -> tuple[str, ...]:
    """What is kept of a run's pushes."""
    return pushed_ref(run_id), _pushing_ref(run_id)


def pushed_ref(run_id: int) -> str:
    """Where the branch was left by the run's last push that was answered."""
    return f"refs/paid/pushed/{int(run_id)}"


def _push(git: Git, access: Access, refspec: str, branch: str, expected: str | None) -> bool:
    """Push with a lease on `expected` (None: absent); True when nothing had to be done.

    --porcelain prints `FLAG TAB FROM:TO TAB SUMMARY` a ref: `=` is up to date, `!` refused.
    """
    output = git.run(
        "push", "--porcelain", "--no-verify", "--no-follow-tags",
        f"--force-with-lease=refs/heads/{branch}:{expected or ''}",
        "--end-of-options", access.url, refspec,
        # what it packs is an agent's; with the limits of a change a slow network would be one, too
        access=access, accept=(0, 1), timeout_seconds=TRANSFER_SECONDS, settings=CHANGE_SETTINGS,
    )  # fmt: skip
    lines = output.stdout.decode("utf-8", "replace").splitlines()
    if output.code == 0:
        return any(line.startswith("=\t") for line in lines)
    refused = [line.split("\t")[-1] for line in lines if line.startswith("!\t")]
    if not refused:
        # a server that breaks off in mid-push ends it with 1 too, and says nothing of the ref
        raise error_of("push", output, remote=True, late=False)
    refusal = read_refusal(refused, output.errors)
    if refusal.kind == PASSING:
        # a whole run's work must not be lost for a server's bad minute
        raise GitUnavailableError(
            f"The remote did not take {branch}: {refusal.said}", hint=refusal.hint
        )
    raise PushRejectedError(
        f"The remote refuses {branch}: {refusal.said}",
        hint=refusal.hint,
        for_agent=refusal.for_agent and f"{refusal.for_agent}\n\n{refusal.said}",
        kind="moved" if any(_HAS_MOVED in line for line in refused) else refusal.kind,
    )
