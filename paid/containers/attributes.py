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

_FILE = b".gitattributes"
_AT_ONCE = 500
_NO_FILTER = frozenset({b"unspecified", b"unset", b"set"})


def filters_of(git: Git, tree: str, paths: Collection[bytes]) -> Mapping[bytes, str]:
    """The filter of each path that has one in the tree."""
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
    wanted = sorted({folder + _FILE for path in paths for folder in _folders(path)})
    found: list[bytes] = []
    for start in range(0, len(wanted), _AT_ONCE):
        names = [name.decode("utf-8", "surrogateescape") for name in wanted[start:][:_AT_ONCE]]
        found += git.run("ls-tree", "-z", tree, "--", *names).stdout.split(b"\0")
    return [entry for entry in found if entry.startswith(b"100")]


def _folders(path: bytes) -> list[bytes]:
    parts = path.split(b"/")[:-1]
    return [b"", *(b"/".join(parts[: end + 1]) + b"/" for end in range(len(parts)))]


@contextmanager
def _index_of(git: Git, entries: list[bytes]) -> Iterator[Git]:
    """A repository that borrows the mirror's objects, and has only these files in its index."""
    with tempfile.TemporaryDirectory(prefix="paid-attributes-") as place:
        folder = Path(place)
        (folder / "objects" / "info").mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "HEAD").write_text("ref: refs/heads/none\n")
        (folder / "objects" / "info" / "alternates").write_text(f"{git.repository / 'objects'}\n")
        index = Git(folder)
        given = b"".join(entry + b"\0" for entry in entries)
        index.run("update-index", "-z", "--index-info", stdin=given)
        yield index
