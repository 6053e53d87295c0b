"""Takes one regular file out of what a container offers, and nothing else."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from paid.errors import BundleRejectedError, ContainerError

CHUNK_BYTES = 1024 * 1024


def extract_one(stream: Iterable[bytes], into: Path, max_bytes: int) -> None:
    """Write the first member of a tar stream to `into`, if it is a regular file of that size.

    Names inside the archive are never used, so that none of them can point elsewhere.
    """
    with tarfile.open(fileobj=_Stream(stream), mode="r|") as tar:
        try:
            member = tar.next()
        except tarfile.TarError as error:
            raise ContainerError(f"The engine sent a broken archive: {error}") from error
        if member is None or member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise BundleRejectedError("What the workspace offers is not a regular file.")
        _check_size(member.size, max_bytes)
        source = tar.extractfile(member)
        if source is None:
            raise BundleRejectedError("What the workspace offers cannot be read.")
        _write(source, into, max_bytes)


def copy_regular(root: Path, path: str, into: Path, max_bytes: int) -> None:
    """Copy `root/path` to `into`, following no link in any part of `path`.

    For a folder of this host that a container wrote: opening never blocks on a pipe.
    """
    descriptor = _open_beneath(root, path)
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise BundleRejectedError("What the workspace offers is not a regular file.")
    with os.fdopen(descriptor, "rb") as source:
        _check_size(facts.st_size, max_bytes)
        _write(source, into, max_bytes)


def _open_beneath(root: Path, path: str) -> int:
    *folders, name = path.split("/")
    if not name or {"", ".", ".."} & {*folders, name}:
        raise BundleRejectedError(f"{path!r} is not a plain path.")
    current = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            below = os.open(folder, flags, dir_fd=current)
            os.close(current)
            current = below
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=current)
    except FileNotFoundError as error:
        raise BundleRejectedError(f"The workspace has no {path}.") from error
    except PermissionError:
        raise
    except OSError as error:
        raise BundleRejectedError(f"{path} is no regular file: {error.strerror}.") from error
    finally:
        os.close(current)


def _write(source: IO[bytes], into: Path, max_bytes: int) -> None:
    """Write a new file and put it in place whole; a growing source is cut off by an error."""
    into.parent.mkdir(parents=True, exist_ok=True)
    draft = into.with_name(into.name + ".part")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    size = 0
    try:
        with os.fdopen(descriptor, "wb") as target:
            while chunk := source.read(CHUNK_BYTES):
                size += len(chunk)
                _check_size(size, max_bytes)
                target.write(chunk)
        draft.replace(into)
    finally:
        draft.unlink(missing_ok=True)


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise BundleRejectedError(
            f"What the workspace offers is larger than {max_bytes} bytes.",
            hint="The agent may have committed large files; raise the limit if they belong there.",
        )


class _Stream(io.BufferedIOBase):
    """A file to read, made of chunks; never holds more than one chunk and what was asked for."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._left = b""

    def read(self, size: int | None = -1) -> bytes:
        """`size` bytes, fewer at the end."""
        parts = []
        size = size if size is not None and size >= 0 else CHUNK_BYTES
        while size > 0:
            if not self._left:
                self._left = next(self._chunks, b"")
                if not self._left:
                    break
            parts.append(self._left[:size])
            size -= len(parts[-1])
            self._left = self._left[len(parts[-1]) :]
        return b"".join(parts)
