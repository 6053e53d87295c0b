"""Writes packs and bundles by hand, sound ones and others, as an agent in a container could."""

from __future__ import annotations

import hashlib
import random
import zlib
from dataclasses import dataclass, field

BRANCH = "paid/issue-3-41"
COMMIT, TREE, BLOB, TAG, OFS_DELTA, REF_DELTA = 1, 2, 3, 4, 6, 7
NAMES = {COMMIT: "commit", TREE: "tree", BLOB: "blob", TAG: "tag"}
PERSON = b"A <a@example.org> 1700000000 +0000"


def sha(kind: int, data: bytes) -> str:
    head = f"{NAMES[kind]} {len(data)}\0".encode()
    return hashlib.sha1(head + data, usedforsecurity=False).hexdigest()


def header(kind: int, size: int) -> bytes:
    """The beginning of an object in a pack."""
    byte, size = kind << 4 | size & 15, size >> 4
    made = bytearray()
    while size:
        made.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    return bytes([*made, byte])


def number(value: int) -> bytes:
    """A size at the beginning of a delta."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def distance(value: int) -> bytes:
    """How far before a delta its base begins."""
    made = [value & 0x7F]
    while value := value >> 7:
        value -= 1
        made.insert(0, value & 0x7F | 0x80)
    return bytes(made)


def delta(base_size: int, result_size: int, instructions: bytes = b"") -> bytes:
    return number(base_size) + number(result_size) + instructions


def copy(offset: int, size: int) -> bytes:
    """A delta's instruction that copies from its base."""
    return b"\xff" + offset.to_bytes(4, "little") + size.to_bytes(3, "little")


def entry(name: bytes | str, mode: str, of: str) -> bytes:
    """One line of a tree."""
    name = name.encode() if isinstance(name, str) else name
    return f"{mode} ".encode() + name + b"\0" + bytes.fromhex(of)


@dataclass
class Base:
    """The commit that a run starts from, its tree, and a blob of 32 bytes in it."""

    commit: str
    tree: str
    blob: str


@dataclass
class Pack:
    """A pack in the making. What is odd about one is written with `raw`."""

    base: Base
    objects: list[bytes] = field(default_factory=list)
    size: int = 12
    version: int = 2
    count: int | None = None
    level: int = 6
    refs: list[tuple[str, str]] = field(default_factory=list)

    def raw(self, data: bytes) -> int:
        """Put an object's bytes as they are; returns where it begins."""
        place, self.size = self.size, self.size + len(data)
        self.objects.append(data)
        return place

    def put(self, kind: int, data: bytes, says: int | None = None, squeezed: bytes = b"") -> str:
        """Put an object; `says` is the size that its header claims."""
        size = len(data) if says is None else says
        self.raw(header(kind, size) + (squeezed or zlib.compress(data, self.level)))
        return sha(kind, data) if kind in NAMES else ""

    def put_delta(self, on: int, data: bytes) -> int:
        """Put a delta on the object that begins at `on`."""
        return self.raw(
            header(OFS_DELTA, len(data)) + distance(self.size - on) + zlib.compress(data)
        )

    def blob(self, data: bytes) -> str:
        return self.put(BLOB, data)

    def tree(self, *entries: bytes) -> str:
        return self.put(TREE, b"".join(entries))

    def commit(
        self, tree: str, *parents: str, message: bytes = b"work\n", more: bytes = b""
    ) -> str:
        """A commit on the base, unless other parents are named."""
        lines = [f"tree {tree}\n", *(f"parent {one}\n" for one in parents or (self.base.commit,))]
        data = "".join(lines).encode() + b"author " + PERSON + b"\ncommitter " + PERSON + b"\n"
        return self.put(COMMIT, data + more + b"\n" + message)

    def file(self, data: bytes, name: str = "new.txt", **of_commit: bytes) -> str:
        """A commit that has one file beside those of the base."""
        blob = self.blob(data)
        old = entry("README.md", "100644", self.base.blob)
        return self.commit(self.tree(old, entry(name, "100644", blob)), **of_commit)

    def written(self) -> bytes:
        """The pack as a file."""
        count = len(self.objects) if self.count is None else self.count
        head = b"PACK" + self.version.to_bytes(4, "big") + count.to_bytes(4, "big")
        whole = head + b"".join(self.objects)
        return whole + hashlib.sha1(whole, usedforsecurity=False).digest()

    def bundle(self, head: str, first: str = "# v2 git bundle\n", ref: str = BRANCH) -> bytes:
        """The pack behind a bundle's header."""
        lines = f"{first}-{self.base.commit} base\n{head} refs/heads/{ref}\n\n"
        return lines.encode() + self.written()


def shuffled_lines(count: int, seed: int) -> bytes:
    lines = [b"%d\n" % number for number in range(count)]
    random.Random(seed).shuffle(lines)  # noqa: S311 - not a secret
    return b"".join(lines)
