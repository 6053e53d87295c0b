"""Refs of a mirror where git keeps them: what a start reads and writes without a process.

Mirrors are ours: loose files under `refs`, and `packed-refs` beside them, which git may rewrite at
any time. What is not plainly there is git's to answer.
"""

from __future__ import annotations

import os
from pathlib import Path

from paid.containers.changes import SHA


def read(repository: Path, ref: str) -> str | None:
    """The commit of a ref; None when it is not there, or is something else than a commit's name."""
    try:
        found = (repository / ref).read_text("ascii").strip()
    except (OSError, ValueError):
        found = _packed(repository, ref)
    return found if SHA.fullmatch(found) else None


def may_exist(repository: Path, ref: str) -> bool:
    """Whether a ref can be there at all."""
    return (repository / ref).exists() or ref.encode() in _packed_refs(repository)


def any_under(repository: Path, folder: str) -> bool:
    """Whether there is a ref in a folder such as `refs/heads/`."""
    if f" {folder}".encode() in _packed_refs(repository):
        return True
    return any(files for _, _, files in os.walk(repository / folder))


def create(repository: Path, ref: str, sha: str) -> bool:
    """Make a ref as git does, under its lock; False when git itself had better do it.

    That is when there may be one. The caller knows that the mirror has the commit: git would look.
    """
    place = repository / ref
    lock = place.with_name(f"{place.name}.lock")
    try:
        _make_folder(place.parent)
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except (FileExistsError, FileNotFoundError):  # a lock; or git was quicker than we
        return False
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(f"{sha}\n")
        os.fchmod(descriptor, 0o644)  # containers read it as another user
    if may_exist(repository, ref):
        lock.unlink()
        return False
    lock.rename(place)
    return True


def _make_folder(folder: Path) -> None:
    """As readable for containers as the rest of a mirror; git removes it with its last ref."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def _packed(repository: Path, ref: str) -> str:
    for line in _packed_refs(repository).decode(errors="replace").splitlines():
        sha, _, name = line.partition(" ")
        if name == ref:
            return sha
    return ""


def _packed_refs(repository: Path) -> bytes:
    try:
        return (repository / "packed-refs").read_bytes()
    except FileNotFoundError:
        return b""
