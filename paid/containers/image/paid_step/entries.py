"""What the index says of files, and how git is made to look at them anew.

git does not look at a file whose entry an agent marked (`--assume-unchanged`, `--skip-worktree`,
which a sparse checkout sets too), nor at one that has the size and the times of its entry. Both
would lose an edit in silence; and `update-index --remove` takes a marked file away, as if it were
deleted.

An entry is renewed, never dropped and added again: of a text whose line ends are not those of its
attributes git keeps the line ends only while it finds the text in the index.
"""

from __future__ import annotations

import os

from .places import TREE
from .repository import git

TYPE_CHECKING = False  # as `typing` has it, which is not loaded
if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_READ_BYTES = 16 * 1024 * 1024
OTHER, SKIPPED = "?", "S"


class Entry:
    """A path of the worktree. `tag` is as `git ls-files -v` has it, small where git shall assume
    that the file is unchanged; `meta` is mode, object and stage, empty for what is not tracked."""

    def __init__(self, tag: str, meta: str, path: str) -> None:
        self.tag = tag
        self.meta = meta
        self.path = path

    def is_away(self) -> bool:
        """Whether it is left out of a sparse checkout: not there, and not deleted."""
        return self.tag.upper() == SKIPPED and not os.path.lexists(f"{TREE}/{self.path}")


def listed(*options: str) -> list[Entry]:
    """The entries that `git ls-files` tells of with these options.

    Raises RepositoryError where a folder cannot be read: its files would be passed over.
    """
    listing = git("ls-files", "-v", "--stage", "-z", *options, tree=True, whole=True)
    return [_parsed(record) for record in listing.split("\0") if record]


def _parsed(record: str) -> Entry:
    if record.startswith(f"{OTHER} "):
        return Entry(OTHER, "", record[2:])
    meta, _, path = record[2:].partition("\t")
    return Entry(record[0], meta, path)


def hidden(found: Iterable[Entry]) -> list[Entry]:
    """Those at whose files git would not look."""
    marked = (entry for entry in found if entry.tag == SKIPPED or entry.tag.islower())
    return [entry for entry in marked if not entry.is_away()]


def changed_since(mark: str, found: Iterable[Entry]) -> list[Entry]:
    """The tracked files that changed since the file `mark` was written, and do not tell so by the
    time of their text, which git compares.

    Nobody can set the time of a change (st_ctime), as `cp -p` and `touch -r` set that of the text
    (st_mtime), which may then be the very one in the index. A write sets both to one moment.
    Without the mark, as in a base of an earlier version, all files may have changed.
    """
    moment = os.lstat(mark).st_mtime_ns if os.path.exists(mark) else 0
    return [
        entry for entry in found if entry.meta and _is_backdated(f"{TREE}/{entry.path}", moment)
    ]


def in_conflict(found: Iterable[Entry]) -> list[str]:
    """The files that a merge left for somebody to decide, and nobody has."""
    unmerged = {entry.path for entry in found if entry.meta and not _is_merged(entry)}
    return sorted(path for path in unmerged if _has_markers(f"{TREE}/{path}"))


def _has_markers(place: str) -> bool:
    if os.path.islink(place) or not os.path.isfile(place):
        return False
    with open(place, "rb") as file:
        text = b"\n" + file.read(MOST_READ_BYTES)
    return b"\n<<<<<<< " in text and b"\n>>>>>>> " in text


def renew(found: Iterable[Entry]) -> None:
    """Let git forget marks, sizes and times of the entries, so that it reads their files."""
    records = {entry.path: f"{entry.meta}\t{entry.path}" for entry in found if _is_merged(entry)}
    if records:
        data = "\0".join(records.values()).encode(errors="surrogateescape")
        git("update-index", "-z", "--index-info", stdin=data, tree=True)


def _is_merged(entry: Entry) -> bool:
    """Of a conflict's entries git reads the file in any case."""
    return entry.meta.endswith(" 0")


def _is_backdated(path: str, moment: int) -> bool:
    try:
        seen = os.lstat(path)
    except OSError:
        return False
    return seen.st_ctime_ns > moment and seen.st_mtime_ns != seen.st_ctime_ns
