"""What git does not take of a worktree: other repositories in it, and files below a submodule.

`git add` makes of a repository in the worktree an entry that nobody else can follow, and passes
over files below a submodule's folder. Neither may happen in silence.
"""

from __future__ import annotations

import os

from . import processes
from .places import TREE
from .repository import GIT_SECONDS, git

TYPE_CHECKING = False  # as `typing` has it, which is not loaded
if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_NAMED = 20
MOST_LISTED = 1000
"""Of large files: an argument list holds so many paths."""
LARGE_BYTES = 100 * 1024 * 1024
"""GitHub takes no larger file, nor does the host."""
_LINK = "160000 "


def repositories(others: Iterable[str]) -> list[str]:
    """Of the untracked paths, as `ls-files --others` tells them, those that are repositories."""
    return sorted(path.rstrip("/") for path in others if path.endswith("/"))


def below_submodules(paths: Iterable[str] | None) -> list[str]:
    """The submodules whose folders hold files; None looks at all, else above these paths alone."""
    found = [path for path in _submodules(paths) if _holds_files(f"{TREE}/{path}")]
    return sorted(found)[:MOST_NAMED]


def too_large(paths: Iterable[str]) -> list[str]:
    """The files among the paths that are too large to be published, as the worktree has them."""
    return [path for path in paths if _size(f"{TREE}/{path}") > LARGE_BYTES]


def large_others() -> list[str]:
    """The new files of the worktree that are too large."""
    argv = ["find", TREE, "-type", "f", "-size", f"+{LARGE_BYTES}c", "-print0"]
    done = processes.run(argv, os.environ, b"", GIT_SECONDS)
    places = done.output.decode(errors="surrogateescape").split("\0")
    inside = [place[len(TREE) + 1 :] for place in places if place]
    paths = [f":(literal,top){path}" for path in inside[:MOST_LISTED]]
    if not paths:
        return []
    others = ("--others", "--exclude-standard", "-z", "--", *paths)
    return [path for path in git("ls-files", *others, tree=True).split("\0") if path in inside]


def _size(place: str) -> int:
    try:
        return os.lstat(place).st_size
    except OSError:
        return 0


def new_links(base_sha: str) -> list[str]:
    """Paths that the index has as another repository's commit, and the base not."""
    listing = git("diff-index", "--cached", "--raw", "-z", "--no-renames", base_sha, tree=True)
    fields = listing.split("\0")
    pairs = zip(fields[::2], fields[1::2], strict=False)
    return [path for entry, path in pairs if entry[8:15] == _LINK and entry[1:8] != _LINK]


def _submodules(paths: Iterable[str] | None) -> list[str]:
    if paths is None:
        listing = git("ls-tree", "-r", "-d", "-z", "HEAD", tree=True)
    else:
        above = {folder for path in paths for folder in _above(path)}
        if not above:
            return []
        listing = git("ls-tree", "-z", "HEAD", "--", *sorted(above), tree=True)
    return [entry.partition("\t")[2] for entry in listing.split("\0") if entry.startswith(_LINK)]


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _holds_files(place: str) -> bool:
    return os.path.isdir(place) and not os.path.islink(place) and bool(os.listdir(place))
