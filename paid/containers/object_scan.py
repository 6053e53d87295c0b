"""Looking for secrets in the raw objects that a push would send.

Not in what git prints of them: that leaves out headers, signatures and names, and gives everything
another look. An object is read once, however many commits and folders have it, and one that the
base has is not read at all: moving a file costs nothing, and removing one neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from paid.containers.charsets import by_charset
from paid.containers.git import Git
from paid.containers.secret_scan import Hit, SecretScan
from paid.errors import ChangeTooLargeError, GitError

_ENTRY = re.compile(rb"([0-7]+) ([^\0]*)\0(.{20})", re.DOTALL)
_LINK = b"160000"
_MOST_OBJECT_BYTES = 110 * 1024 * 1024
_MOST_LIST_BYTES = 64 * 1024 * 1024
MOST_NEW_BYTES = 256 * 1024 * 1024
_MOST_PATHS = 100
_LONGEST_LINE = 64
_PIECE_LETTERS = 16
_MOST_FILES_ASKED = 20
"""That have a piece of a private key."""
_BATCH_BYTES = 256 * 1024


@dataclass(frozen=True)
class Finding:
    """A secret in what would be pushed.

    `paths` are all those of the file, empty where it is in no file; `place` is for people, and
    tells nothing of the secret.
    """

    hit: Hit
    place: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Text:
    """A part of an object."""

    kind: bytes
    name: bytes
    part: str
    text: bytes


@dataclass
class _Seen:
    """An object in which something was found; its name is told when all folders are known."""

    hit: Hit
    kind: bytes
    name: bytes
    part: str


def new_objects(git: Git, head: str, *without: str) -> bytes:
    """The names of the objects that `head` has and the others have not, a line each."""
    listed = git.run(
        "rev-list", "--objects", "--no-object-names", head, *(f"^{one}" for one in without),
        most_bytes=_MOST_LIST_BYTES,
    )  # fmt: skip
    return listed.stdout


def findings(git: Git, names: bytes, scan: SecretScan) -> list[Finding]:
    """Every secret in the objects of these names (`new_objects`), the commits' own first.

    Raises ChangeTooLargeError for more than can be looked through.
    """
    return _Reading(scan, names).run(read_objects(git, names))


def values_in_base(git: Git, base_sha: str, head_sha: str, scan: SecretScan) -> set[bytes]:
    """The values in files that the change takes away or replaces: they are not new in it."""
    names = new_objects(git, f"{base_sha}^{{tree}}", f"{head_sha}^{{tree}}")
    return {
        hit.value
        for kind, _, data in read_objects(git, names)
        if kind == b"blob"
        for hit in scan.hits(data)
    }


def is_in_tree(git: Git, base_sha: str, value: bytes, scan: SecretScan) -> bool:
    """Whether some file of a commit has the value. The value goes in by a pipe.

    A private key's letters are in lines: it is known where a file that has some of them gives the
    value when it is looked through.
    """
    if b"\n" in value:
        return False
    try:
        if _grep(git, base_sha, [value]):
            return True
        if len(value) <= _LONGEST_LINE:
            return False
        found = _grep(git, base_sha, _pieces(value))[:_MOST_FILES_ASKED]
        names = b"".join(name + b"\n" for name in found)
        return any(
            hit.value == value for _, _, data in read_objects(git, names) for hit in scan.hits(data)
        )
    except ChangeTooLargeError:
        return False


def _pieces(value: bytes) -> list[bytes]:
    """Two pieces side by side from the end of a private key: a line's end is in one at most."""
    end = len(value) - _PIECE_LETTERS
    return [
        value[end - 2 * _PIECE_LETTERS : end - _PIECE_LETTERS],
        value[end - _PIECE_LETTERS : end],
    ]


def _grep(git: Git, base_sha: str, values: list[bytes]) -> list[bytes]:
    """The files of a commit that have one of the values, each as git names it: COMMIT:PATH."""
    asked = ("grep", "-l", "-z", "-a", "-F", "--full-name", "--threads=1", "-f", "-", base_sha)
    found = git.run(*asked, stdin=b"\n".join(values) + b"\n", accept=(0, 1)).stdout
    return [name for name in found.split(b"\0") if name and b"\n" not in name]


def read_objects(git: Git, names: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Kind, name and content of each object; `cat-file --batch` prints a line before each."""
    chunks = git.stream("cat-file", "--batch", "--buffer", stdin=names)
    buffer, total = bytearray(), 0
    while True:
        end = buffer.find(b"\n")
        if end < 0:
            more = next(chunks, None)
            if more is None:
                return
            buffer += more
            continue
        name, kind, size = (*bytes(buffer[:end]).split(b" "), b"")[:3]
        if not size:
            raise GitError("The mirror lacks an object of the run's commits.")
        del buffer[: end + 1]
        length = int(size)
        total += length
        if length > _MOST_OBJECT_BYTES or total > MOST_NEW_BYTES:
            raise ChangeTooLargeError(
                "The change is too large to be looked through for secrets: it is larger than"
                f" {MOST_NEW_BYTES // 1024**2} MiB."
            )
        while len(buffer) <= length:
            more = next(chunks, None)
            if more is None:
                raise GitError("git cat-file broke off.")
            buffer += more
        content = bytes(buffer[:length])
        del buffer[: length + 1]
        yield kind, name, content


@dataclass
class _Reading:
    """One reading of all new objects."""

    scan: SecretScan
    names: bytes
    seen: list[_Seen] = field(default_factory=list)
    roots: set[bytes] = field(default_factory=set)
    above: dict[bytes, list[tuple[bytes, bytes]]] = field(default_factory=dict)
    """For each new file and folder the new folders that have it, and under which name."""

    def __post_init__(self) -> None:
        self._new = {bytes.fromhex(line.decode("ascii")) for line in self.names.split()}

    def run(self, objects: Iterable[tuple[bytes, bytes, bytes]]) -> list[Finding]:
        batch: list[_Text] = []
        size = 0
        for kind, name, data in objects:
            for part, text in self._parts(kind, name, data):
                batch.append(_Text(kind, name, part, text))
                size += len(text)
                if size > _BATCH_BYTES:
                    self._look_at(batch)
                    batch, size = [], 0
        self._look_at(batch)
        files = {(seen.kind, seen.name): None for seen in self.seen}
        places = {each: self._paths_and_shown(*each) for each in files}
        return [self._finding(seen, *places[seen.kind, seen.name]) for seen in self.seen]

    def _look_at(self, batch: list[_Text]) -> None:
        """Most have nothing: small texts are looked through together, and one by one if need be.

        A secret that is in none of them alone is in pieces, in several.
        """
        together = self.scan.hits(b"\n\n".join(each.text for each in batch))
        if not together:
            return
        found = [
            _Seen(hit, each.kind, each.name, each.part)
            for each in batch
            for hit in self.scan.hits(each.text)
        ]
        last = batch[-1]
        known = {seen.hit.value for seen in found}
        split = [_Seen(hit, b"", last.name, "") for hit in together if hit.value not in known]
        self.seen += found + split

    def _parts(self, kind: bytes, name: bytes, data: bytes) -> Iterator[tuple[str, bytes]]:
        if kind == b"commit":
            yield from self._parts_of_commit(name, data)
        elif kind == b"tree":
            yield "", self._names_in(bytes.fromhex(name.decode("ascii")), data)
        else:
            yield "", data

    def _parts_of_commit(self, name: bytes, data: bytes) -> Iterator[tuple[str, bytes]]:
        """Every header with its lines put together, and the message; then all as it stands."""
        head, _, message = data.partition(b"\n\n")
        charset = ""
        for line in head.replace(b"\n ", b"").split(b"\n"):
            key, _, value = line.partition(b" ")
            if key == b"tree":
                self.roots.add(bytes.fromhex(value.decode("ascii")))
            elif key == b"encoding":
                charset = value.decode("ascii", "ignore").strip()
            if key not in (b"tree", b"parent"):
                yield _part_name(key), line
        yield "message", message
        for told in (charset, "utf-7", "utf-16-le", "utf-16-be"):
            if (read := _by_charset(message, told)) is not None:
                yield "message", read
        yield "headers", data

    def _names_in(self, folder: bytes, data: bytes) -> bytes:
        """The names of a folder's entries, and the commits that its submodules name, raw too."""
        names, links = [], []
        for mode, name, child in _ENTRY.findall(data):
            names.append(name)
            if mode == _LINK:
                links.append(child)
            elif child in self._new:
                self.above.setdefault(child, []).append((folder, name))
        return b"\n".join([*names, b"".join(links)])

    def _paths_and_shown(self, kind: bytes, name: bytes) -> tuple[list[str], list[str]]:
        """The paths of a file or folder, and those that hold no secret."""
        if kind in (b"", b"commit"):
            return [], []
        paths = self._paths(bytes.fromhex(name.decode("ascii")))
        return paths, [path for path in paths if not self.scan.hits(path.encode())]

    def _finding(self, seen: _Seen, paths: list[str], shown: list[str]) -> Finding:
        short = seen.name[:10].decode("ascii")
        if not seen.kind:
            return Finding(seen.hit, "several commits, names or files, a piece in each")
        if seen.kind == b"commit":
            return Finding(seen.hit, f"the {seen.part} of commit {short}")
        if seen.kind == b"tree":
            where = f" in {shown[0]}" if shown and shown[0] else ""
            return Finding(seen.hit, f"the name of a file or folder{where}")
        if seen.kind == b"tag":
            return Finding(seen.hit, f"the tag {short}")
        line = "" if seen.hit.line is None else f", line {seen.hit.line}"
        file = shown[0] if shown else "a file whose name is not to be shown"
        return Finding(seen.hit, f"{file}{line}", tuple(paths))

    def _paths(self, name: bytes) -> list[str]:
        """Every path of a file or folder in the new commits; none when there are too many."""
        found: set[str] = set()
        left: list[tuple[bytes, bytes]] = [(name, b"")]
        steps = 0
        while left:
            child, below = left.pop()
            steps += 1
            if steps > 100 * _MOST_PATHS or len(found) > _MOST_PATHS:
                return []
            if child in self.roots:
                found.add(below.decode("utf-8", "replace"))
            for folder, entry in self.above.get(child, ()):
                left.append((folder, entry + (b"/" + below if below else b"")))
        return sorted(found)


def _part_name(key: bytes) -> str:
    known = {b"author": "author", b"committer": "committer", b"gpgsig": "signature"}
    return known.get(key, "headers")


def _by_charset(message: bytes, charset: str) -> bytes | None:
    """The message in UTF-8 as its charset says; None where it is that, or cannot be read."""
    if not charset or charset.lower().replace("-", "_") in ("utf_8", "utf8"):
        return None
    read = by_charset(message, charset, "ignore")
    return None if read is None else read.encode("utf-8", "ignore")
