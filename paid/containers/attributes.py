"""Which git filter a path goes through, by the `.gitattributes` of one tree.

Patterns are git's to match. A mirror has no worktree and no index, and git 2.39 reads attributes of
nothing else: so the few files that count go into the index of a repository that lasts for one
question.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from paid.containers.git import Git
from paid.errors import ChangeTooLargeError

_FILE = b".gitattributes"
_AT_ONCE_BYTES = 64 * 1024
"""Of names in one argument list; Linux takes 2 MiB, the environment included."""
_MOST_PATH_BYTES = 4096
"""Linux opens no longer path (PATH_MAX), so no honest worktree has one."""
_MOST_FOLDER_BYTES = 16 * 1024 * 1024
"""Of the names of all folders: 100,000 deep ones."""
_NO_FILTER = frozenset({b"unspecified", b"unset", b"set"})


def filters_of(git: Git, tree: str, paths: Collection[bytes]) -> Mapping[bytes, str]:
    """The filter of each path that has one in the tree.

    Raises ChangeTooLargeError for paths or patterns that are made to exhaust git.
    """
    git = git.of_change()
    entries = _entries(git, tree, paths)
    if not entries:
        return {}
    with _index_of(git, entries) as index:
        asked = b"".join(path + b"\0" for path in paths)
        printed = index.run("check-attr", "--cached", "--stdin", "-z", "filter", stdin=asked).stdout
    fields = printed.split(b"\0")
    triples = zip(fields[::3], fields[2::3], strict=False)
    return {
        path: value.decode("utf-8", "replace") for path, value in triples if value not in _NO_FILTER
    }


def _entries(git: Git, tree: str, paths: Collection[bytes]) -> list[bytes]:
    """The `.gitattributes` beside and above the paths, as `update-index` takes them."""
    found: list[bytes] = []
    for names in _at_once(sorted(folder + _FILE for folder in _folders(paths))):
        listed = git.run("ls-tree", "-z", tree, "--", *names)
        found += listed.stdout.split(b"\0")
    return [entry for entry in found if entry.startswith(b"100")]


def _at_once(names: list[bytes]) -> Iterator[list[str]]:
    """The names in parts, each of which an argument list holds."""
    part: list[str] = []
    size = 0
    for name in names:
        if size + len(name) > _AT_ONCE_BYTES:
            yield part
            part, size = [], 0
        part.append(name.decode("utf-8", "surrogateescape"))
        size += len(name) + 1
    if part:
        yield part


def _folders(paths: Collection[bytes]) -> set[bytes]:
    """The folders of the paths, and those above them; the root is an empty name."""
    found, size = {b""}, 0
    for path in paths:
        if len(path) > _MOST_PATH_BYTES:
            raise ChangeTooLargeError(f"A path is longer than {_MOST_PATH_BYTES:,} bytes.")
        folder = _above(path)
        while folder not in found:  # of a known one all above it are known
            found.add(folder)
            size += len(folder)
            if size > _MOST_FOLDER_BYTES:
                raise ChangeTooLargeError("The change is in too many folders.")
            folder = _above(folder[:-1])
    return found


def _above(path: bytes) -> bytes:
    """The folder of a path, with its slash."""
    return path[: path.rfind(b"/") + 1]


@contextmanager
def _index_of(git: Git, entries: list[bytes]) -> Iterator[Git]:
    """A repository that borrows the mirror's objects, and has only these files in its index."""
    with tempfile.TemporaryDirectory(prefix="paid-attributes-") as place:
        folder = Path(place)
        (folder / "objects" / "info").mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "HEAD").write_text("ref: refs/heads/none\n")
        (folder / "objects" / "info" / "alternates").write_text(f"{git.repository / 'objects'}\n")
        index = Git(folder).of_change()
        given = b"".join(entry + b"\0" for entry in entries)
        index.run("update-index", "-z", "--index-info", stdin=given)
        yield index
