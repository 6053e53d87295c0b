"""What of a base is not in the agent's worktree: submodules, and what Git LFS keeps."""

from __future__ import annotations

from dataclasses import dataclass

from paid.containers.git import Git

_MOST = 20
_KEEPS_LFS = b"filter=lfs"


@dataclass(frozen=True)
class Absent:
    """Paths of submodules, whose folders are empty; whether files may be pointers of Git LFS."""

    submodules: tuple[str, ...] = ()
    lfs: bool = False


def absent_of(git: Git, base_sha: str) -> Absent:
    """What an agent on this base has to know; one process where there is nothing of the kind."""
    asked = f"{base_sha}:.gitmodules\n{base_sha}:.gitattributes\n".encode()
    printed = git.run("cat-file", "--batch", stdin=asked).stdout
    if printed.count(b" missing\n") == 2:
        return Absent()
    submodules: list[str] = []
    if not printed.startswith(f"{base_sha}:.gitmodules missing\n".encode()):
        listed = git.run("ls-tree", "-r", "-d", "-z", base_sha).stdout.split(b"\0")
        links = [entry for entry in listed if entry.startswith(b"160000 ")]
        submodules = [link.partition(b"\t")[2].decode("utf-8", "replace") for link in links]
    return Absent(tuple(submodules[:_MOST]), _KEEPS_LFS in printed)
