"""Reading a pack that a container wrote, before git does: what it claims, and what it holds.

`git index-pack` allocates what an object's header claims, and what a delta claims to make: 16 KB
took 3 GiB. So every header is read here, every stream is inflated in pieces up to what its header
said, and every delta's two sizes are read, before git sees the pack. Nothing is kept but a few
numbers for each object, and no more than one piece is in memory.

The format is git's Documentation/gitformat-pack.
"""

from __future__ import annotations

import hashlib
import os
import time
import zlib
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from typing import IO

from paid.errors import BundleRejectedError, ChangeTooLargeError

_MIB = 1024 * 1024
COMMIT, TREE, BLOB, TAG, OFS_DELTA, REF_DELTA = 1, 2, 3, 4, 6, 7
_NAMES = {COMMIT: "commit", TREE: "folder", BLOB: "file", TAG: "tag"}
_UNKNOWN = 0
"""The kind of a delta whose base is not in this pack; it may be any, and counts as a file."""
_HASH_BYTES = 20
_PIECE_BYTES = 64 * 1024
_LONGEST_NUMBER_BYTES = 10
"""Seven bits a byte: enough for 64 bits."""
_CLOCK_EVERY = 256
"""Objects, or pieces of one, between two looks at the clock."""


@dataclass(frozen=True)
class PackLimits:
    """What a pack may claim and hold, in bytes after inflating; `depth` is of deltas on deltas.

    git makes chains of 50 (`gc --aggressive`, before 2018, of 250). GitHub refuses files over
    100 MiB. No person writes a commit of 1 MiB, and a folder of 16 MiB has 300,000 entries.
    """

    objects: int = 500_000
    file_bytes: int = 100 * _MIB
    commit_bytes: int = _MIB
    tree_bytes: int = 16 * _MIB
    total_bytes: int = 1024 * _MIB
    depth: int = 250
    seconds: float = 60

    def of(self, kind: int) -> int:
        """The most bytes that one object may have."""
        if kind in (COMMIT, TAG):
            return self.commit_bytes
        return self.tree_bytes if kind == TREE else self.file_bytes


@dataclass(frozen=True)
class PackSeen:
    """What a pack holds: its objects, and the bytes that git will make of them."""

    objects: int
    total_bytes: int


def survey(file: IO[bytes], limits: PackLimits) -> PackSeen:
    """Read the pack from where the file stands to its end; the file is left where it stood.

    Raises BundleRejectedError for what is no sound pack, ChangeTooLargeError for what is over a
    limit or claims to be.
    """
    begin = file.tell()
    length = file.seek(0, os.SEEK_END) - begin
    file.seek(begin)
    try:
        return _Survey(_Bytes(file), limits, length).run()
    finally:
        file.seek(begin)


class _Bytes:
    """A file read in pieces, with its SHA-1 so far and the offset of the next byte."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._piece = b""
        self._at = self._before = 0
        self.digest = hashlib.sha1(usedforsecurity=False)

    @property
    def offset(self) -> int:
        return self._before + self._at

    def some(self, most: int) -> bytes:
        """Up to `most` bytes, without moving on; empty at the end."""
        if self._at == len(self._piece):
            self._next_piece()
        return self._piece[self._at : self._at + most]

    def skip(self, count: int) -> None:
        """Move on within what `some` gave."""
        self._at += count

    def take(self, count: int) -> bytes:
        """Exactly so many bytes."""
        taken = b""
        while len(taken) < count:
            more = self.some(count - len(taken))
            if not more:
                raise _unsound("it breaks off")
            self.skip(len(more))
            taken += more
        return taken

    def end_of_objects(self) -> bytes:
        """The digest of all that was taken; what comes behind it is the trailer."""
        digest = self.digest.copy()
        digest.update(self._piece[: self._at])
        return digest.digest()

    def _next_piece(self) -> None:
        self.digest.update(self._piece)
        self._before += len(self._piece)
        self._piece, self._at = self._file.read(_PIECE_BYTES) or b"", 0


class _Survey:
    """One reading. Offsets, kinds and depths stand in arrays: eleven bytes an object."""

    def __init__(self, source: _Bytes, limits: PackLimits, length: int) -> None:
        self._source, self._limits = source, limits
        self._trailer_at = length - _HASH_BYTES
        self._offsets, self._kinds, self._depths = array("Q"), array("B"), array("H")
        self._total = self._looks = 0
        self._until = time.monotonic() + limits.seconds

    def run(self) -> PackSeen:
        head = self._source.take(12)
        version, count = int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:], "big")
        if head[:4] != b"PACK" or version not in (2, 3):
            raise _unsound("it is no pack of version 2 or 3")
        if count > self._limits.objects:
            raise ChangeTooLargeError(
                f"The change has {count:,} objects; {self._limits.objects:,} are accepted."
            )
        for _ in range(count):
            if self._source.offset >= self._trailer_at:
                raise _unsound("it has fewer objects than it claims")
            self._object()
        expected = self._source.end_of_objects()
        if self._source.take(_HASH_BYTES) != expected or self._source.some(1):
            raise _unsound("its checksum is wrong")
        return PackSeen(count, self._total)

    def _object(self) -> None:
        offset = self._source.offset
        kind, size = self._header()
        if kind == OFS_DELTA:
            base = self._place_of(offset - self._distance())
            self._delta(size, self._kinds[base], self._depths[base] + 1, offset)
        elif kind == REF_DELTA:
            self._source.take(_HASH_BYTES)
            self._delta(size, _UNKNOWN, 1, offset)
        elif kind in _NAMES:
            self._require(kind, size)
            self._inflate(size)
            self._note(offset, kind, 0)
        else:
            raise _unsound(f"an object has the kind {kind}")

    def _delta(self, size: int, kind: int, depth: int, offset: int) -> None:
        """The sizes that a delta claims are checked as those of whole objects are."""
        if depth > self._limits.depth:
            raise ChangeTooLargeError(
                f"The bundle has {depth} deltas on one another; {self._limits.depth} are accepted."
            )
        self._require(kind, size)
        begin = self._inflate(size)
        base_size, at = _number(begin, 0)
        result_size, _ = _number(begin, at)
        if base_size > self._limits.of(kind):
            raise self._over(kind, base_size)
        self._require(kind, result_size)
        self._note(offset, kind, depth)

    def _header(self) -> tuple[int, int]:
        """Kind and claimed size: four bits and then seven a byte, the lowest first."""
        [byte] = self._source.take(1)
        kind, size, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 0x80:
            if shift > 7 * _LONGEST_NUMBER_BYTES:
                raise _unsound("a size does not end")
            [byte] = self._source.take(1)
            size |= (byte & 0x7F) << shift
            shift += 7
        return kind, size

    def _distance(self) -> int:
        """How far before a delta its base begins; each further byte adds one to what came."""
        [byte] = self._source.take(1)
        distance = byte & 0x7F
        for _ in range(_LONGEST_NUMBER_BYTES):
            if not byte & 0x80:
                return distance
            [byte] = self._source.take(1)
            distance = (distance + 1 << 7) | (byte & 0x7F)
        raise _unsound("an offset does not end")

    def _place_of(self, offset: int) -> int:
        place = bisect_left(self._offsets, max(offset, 0))
        if offset < 0 or place == len(self._offsets) or self._offsets[place] != offset:
            raise _unsound("a delta has no base")
        return place

    def _require(self, kind: int, size: int) -> None:
        """Count a size that git will allocate; it is one of an object, and of the whole pack."""
        if size > self._limits.of(kind):
            raise self._over(kind, size)
        self._total += size
        if self._total > self._limits.total_bytes:
            raise ChangeTooLargeError(
                f"The change is larger than {self._limits.total_bytes:,} bytes."
            )

    def _over(self, kind: int, size: int) -> ChangeTooLargeError:
        name = _NAMES.get(kind, "file")
        return ChangeTooLargeError(
            f"A {name} is larger than {self._limits.of(kind):,} bytes: it has {size:,}."
        )

    def _inflate(self, size: int) -> bytes:
        """Go through one stream; returns its beginning. It holds `size` bytes, neither more."""
        stream, seen, begin = zlib.decompressobj(), 0, b""
        while not stream.eof:
            self._look_at_clock()
            given = self._source.some(min(_PIECE_BYTES, max(64, size - seen + 64)))
            if not given:
                raise _unsound("an object breaks off")
            try:
                made = stream.decompress(given, min(_PIECE_BYTES, size - seen + 1))
            except zlib.error:
                raise _unsound("an object cannot be inflated") from None
            # at the end of a stream what is left may stand in both of zlib's places
            left = stream.unused_data if stream.eof else stream.unconsumed_tail
            self._source.skip(len(given) - len(left))
            seen += len(made)
            begin = begin if len(begin) >= 2 * _LONGEST_NUMBER_BYTES else begin + made[:64]
            if seen > size:
                raise _unsound("an object is larger than it says")
        if seen != size:
            raise _unsound("an object is smaller than it says")
        return begin

    def _note(self, offset: int, kind: int, depth: int) -> None:
        self._offsets.append(offset)
        self._kinds.append(kind)
        self._depths.append(depth)

    def _look_at_clock(self) -> None:
        self._looks += 1
        if self._looks % _CLOCK_EVERY == 0 and time.monotonic() > self._until:
            raise ChangeTooLargeError(
                f"The bundle cannot be read within {self._limits.seconds:.0f} seconds."
            )


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A size in a delta's beginning, seven bits a byte, and where the next one stands."""
    number = shift = 0
    while at < len(data) and shift <= 7 * _LONGEST_NUMBER_BYTES:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return number, at
        shift += 7
    raise _unsound("a delta has no sizes")


def _unsound(what: str) -> BundleRejectedError:
    return BundleRejectedError(f"The bundle is not sound: {what}.")
