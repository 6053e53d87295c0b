"""What is made ready in the workspace before an agent starts, without a process of git.

The workspace is as an earlier turn of the agent left it, so nothing that lies there is followed or
believed. What is not plain and new is left to git (`repository`).
"""

from __future__ import annotations

import os
import stat

from .places import HOME, OUT, REMOTE, STEPS, TREE, WORKTREE, RepositoryError

TYPE_CHECKING = False  # as `typing` has it, which is not loaded
if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIGURATION = """\
[core]
\trepositoryformatversion = {version}
\tbare = true
[remote "origin"]
\turl = /mirror
\tfetch = +refs/heads/*:refs/remotes/origin/*
{extensions}"""
SHA256 = "[extensions]\n\tobjectFormat = sha256\n"
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/")
HEXADECIMAL = frozenset("0123456789abcdef")


def is_cloned() -> bool:
    """Whether the shared clone and its worktree are there, whole."""
    return os.path.exists(f"{TREE}/.git") and os.path.exists(f"{WORKTREE}/index")


def make_folders() -> None:
    """The folders of a workspace beside the clone."""
    for place in (HOME, OUT, STEPS):
        if not os.path.isdir(place):
            os.mkdir(place)


def first_time(step: str) -> bool:
    """Leave a mark in the workspace; False when this step left it before."""
    try:
        descriptor = os.open(f"{STEPS}/{step}", os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return False
    os.close(descriptor)
    return True


def reset_configuration(base_sha: str) -> None:
    """Write the clone's configuration anew: what an agent set there does not outlive its turn.

    A filter, a monitor or an alias in it would run in our own git calls and could hang them.
    """
    long = len(full_name(base_sha)) == 64
    text = CONFIGURATION.format(version=int(long), extensions=SHA256 if long else "")
    write(f"{REMOTE}/config", text)


def start_branch(branch: str, base_sha: str) -> bool:
    """Put the worktree on the run's branch, without touching a file; True if the branch is new.

    Where nothing is called like the branch's first part, ref and HEAD are written as git writes
    them: no process.
    """
    new = _make_reference(branch, full_name(base_sha))
    write(f"{WORKTREE}/HEAD", f"ref: refs/heads/{branch}\n")
    return new


def _make_reference(branch: str, base_sha: str) -> bool:
    first = f"refs/heads/{branch.partition('/')[0]}"
    if not _is_plain(branch) or os.path.lexists(f"{REMOTE}/{first}") or _is_packed(first):
        from .repository import make_branch  # noqa: PLC0415 - rare, and costly to load

        return make_branch(branch, base_sha)
    place = f"{REMOTE}/refs/heads/{branch}"
    os.makedirs(os.path.dirname(place), exist_ok=True)
    write(place, f"{base_sha}\n")
    return True


def _is_plain(branch: str) -> bool:
    """Whether it is a name for git too; it knows others, which it may judge itself."""
    return set(branch) <= PLAIN and all(
        part and not part.startswith("-") for part in branch.split("/")
    )


def _is_packed(reference: str) -> bool:
    try:
        with open(f"{REMOTE}/packed-refs", "rb") as file:
            return f" {reference}".encode() in file.read()
    except FileNotFoundError:
        return False


def write_home(files: Mapping[str, str]) -> None:
    """Write the agent's configuration; an earlier turn may have left links in its place."""
    for name, text in files.items():
        folder = HOME
        *parents, last = name.split("/")
        for part in parents:
            folder = f"{folder}/{part}"
            if os.path.islink(folder):
                os.unlink(folder)
            if not os.path.isdir(folder):
                os.mkdir(folder)
        write(f"{folder}/{last}", text)


def write(place: str, text: str) -> None:
    """Put a new file in the place of whatever is there."""
    remove(place)
    with open(place, "x", encoding="utf-8") as file:
        file.write(text)


def remove(place: str) -> None:
    """Remove whatever is there, however deep and however locked."""
    try:
        is_folder = stat.S_ISDIR(os.lstat(place).st_mode)
    except FileNotFoundError:
        return
    if is_folder:
        from .repository import remove_folder  # noqa: PLC0415 - rare, and costly to load

        remove_folder(place)
    else:
        os.unlink(place)


def full_name(text: str) -> str:
    """The same text, which is a commit's full name; raises RepositoryError for anything else."""
    if len(text) not in (40, 64) or not set(text) <= HEXADECIMAL:
        raise RepositoryError(f"not a commit: {text!r}")
    return text
