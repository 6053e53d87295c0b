"""Dates what was checked out into the past, so that git sees every later edit.

git trusts an entry of its index whose file has the size and the times that it had, and takes care
only of files as young as the index itself: those it reads again. A base is used by many runs, and
each would read such files anew; and an index that claims to be younger than it is switches the care
off, so that an edit in the second of the checkout that keeps the size is lost. Files that are older
than any edit of a run need neither: whatever writes to one gives it another time.

Only times change, in the tree and in the index, which is written anew without git: git would read
every file again, and find changes where the repository's line ends are not those of its attributes.
The format is that of git's Documentation/gitformat-index.txt, versions 2 and 3.
"""

from __future__ import annotations

import hashlib
import os
import struct

from .changes import DATED
from .places import TREE, WORKTREE, RepositoryError
from .workspace import remove

TYPE_CHECKING = False  # as `typing` has it, which is not loaded
if TYPE_CHECKING:
    from collections.abc import Iterator

INDEX = f"{WORKTREE}/index"
PAST_SECONDS = 60
"""Much more than the second in which git compares times, and than a checkout's last look."""
NANOSECONDS = 1_000_000_000
STAT_BYTES = 40
TIMES = struct.Struct(">IIII")
SIZE, SIZE_AT = struct.Struct(">I"), 36
SHA1_BYTES = 20
LONG_NAME = 0xFFF
EXTENDED = 0x4000
SUBMODULE = 0o160000
TYPE_MASK = 0o170000


def date_into_the_past(begun_at: float) -> None:
    """Date every file that was written since `begun_at` (seconds since 1970) to before it.

    What is older, as the files of a base below, stays untouched: a new time would copy it up. An
    index of another version stays as it is: git takes care of young files then.
    """
    with open(INDEX, "rb") as file:
        index = bytearray(file.read())
    if struct.unpack_from(">4sI", index) not in ((b"DIRC", 2), (b"DIRC", 3)):
        return
    size = _hash_bytes(index)
    past = int(begun_at - PAST_SECONDS) * NANOSECONDS
    for place, name in _entries(index, size):
        dated = _dated(os.path.join(os.fsencode(TREE), name), past)
        if dated is not None:
            *times, long = dated
            TIMES.pack_into(index, place, *times)
            SIZE.pack_into(index, place + SIZE_AT, long)
    _write(index, size)
    remove(DATED)  # written last: what changes from now on has a later time, which nobody can set
    with open(DATED, "x"):
        pass


def _dated(path: bytes, past: int) -> tuple[int, int, int, int, int] | None:
    """The file's new times and size as the index has them; None for one that is old, or not there.

    git gives a young file that it would call changed, for its line ends, the size 0.
    """
    try:
        if os.lstat(path).st_mtime_ns <= past:
            return None
        os.utime(path, ns=(past, past), follow_symlinks=False)
        seen = os.lstat(path)
    except FileNotFoundError:
        return None
    seconds, rest = divmod(seen.st_ctime_ns, NANOSECONDS)
    whole = (seconds, rest, past // NANOSECONDS, 0, seen.st_size)
    return tuple(number & 0xFFFFFFFF for number in whole)  # type: ignore[return-value]


def _entries(index: bytearray, size: int) -> Iterator[tuple[int, bytes]]:
    """Where each entry of a file begins in the index, and the file's name."""
    (count,) = struct.unpack_from(">I", index, 8)
    place, fixed = 12, STAT_BYTES + size + 2
    for _ in range(count):
        (flags,) = struct.unpack_from(">H", index, place + fixed - 2)
        (mode,) = struct.unpack_from(">I", index, place + 24)
        start = place + fixed + (2 if flags & EXTENDED else 0)
        length = flags & LONG_NAME
        end = start + length if length < LONG_NAME else index.index(b"\0", start)
        if mode & TYPE_MASK != SUBMODULE:
            yield place, bytes(index[start:end])
        place += (end - place) // 8 * 8 + 8  # filled up with one to eight NULs


def _hash_bytes(index: bytearray) -> int:
    """How long the repository's object names are: those of the checksum at the end that fits."""
    for size, digest in ((SHA1_BYTES, hashlib.sha1), (32, hashlib.sha256)):
        if digest(index[:-size]).digest() == index[-size:]:
            return size
    raise RepositoryError("the index is damaged: its checksum is wrong")


def _write(index: bytearray, size: int) -> None:
    digest = hashlib.sha1 if size == SHA1_BYTES else hashlib.sha256
    index[-size:] = digest(index[:-size]).digest()
    draft = f"{INDEX}.paid"
    with open(draft, "wb") as file:
        file.write(index)
    os.replace(draft, INDEX)
