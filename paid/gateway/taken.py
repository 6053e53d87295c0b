"""Which reservations ahead were taken for a request, for the gateway that follows a killed one.

The ledger knows that they were made, but not whether a request went out under them: to ask it
would be the very wait that they save. So their ids are written to a file, which the kernel keeps
when the process is killed. What it says is worth nothing after the machine was started anew.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from uuid import UUID

_ID_BYTES = 16
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class TakenFile:
    """Ids in the order in which they were taken, behind the name of the machine's start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self.count = 0

    def left_behind(self) -> frozenset[UUID] | None:
        """The ids that an earlier gateway wrote; None when that cannot be known."""
        boot = _boot()
        try:
            head, found, ids = self._path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        if not found or not boot or head != boot:
            return None
        whole = len(ids) - len(ids) % _ID_BYTES
        return frozenset(UUID(bytes=ids[n : n + _ID_BYTES]) for n in range(0, whole, _ID_BYTES))

    def begin(self, ids: Collection[UUID] = ()) -> None:
        """Begin anew, with these."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        file = os.open(fresh, flags, 0o600)
        os.write(file, _boot() + b"\n" + b"".join(each.bytes for each in ids))
        fresh.replace(self._path)
        self.close()
        self._file, self.count = file, len(ids)

    def add(self, taken: UUID) -> None:
        """Note one, before its request goes out. Raises OSError."""
        assert self._file is not None  # noqa: S101 - begun at the start
        os.write(self._file, taken.bytes)
        self.count += 1

    def close(self) -> None:
        """Close it, if it was ever begun."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _boot() -> bytes:
    """This start of the machine; nothing where the kernel does not tell."""
    try:
        return _BOOT.read_bytes().strip()
    except OSError:
        return b""
