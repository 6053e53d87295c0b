"""Ports and socket paths that can be had on this machine."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from paid.embedded.process import Lock
from paid.embedded.temporal import choose_ports
from paid.errors import EmbeddedServiceError

LONGEST_SOCKET_PATH = 100
"""Bytes; Linux takes 107 and macOS 103."""


class PortClaims:
    """The ports that this installation would like to have, and has until `release`.

    Between the look whether a port is free and the server that binds it, another `paid up` could
    look too: a lock, which falls with its process, lets one of them have it.
    """

    def __init__(self) -> None:
        self._locks: list[Lock] = []

    def preferred(self, port: int) -> int:
        """The port if it is free and nobody else's, else 0 for any other."""
        lock = Lock(Path(tempfile.gettempdir()) / f"paid-{os.geteuid()}-port-{port}.lock")
        try:
            if port == 0 or not lock.take():
                return 0
            choose_ports((port, 0))
        except (EmbeddedServiceError, OSError):
            lock.release()
            return 0
        self._locks.append(lock)
        return port

    def release(self) -> None:
        """Let others have them; safe to call twice."""
        for lock in self._locks:
            lock.release()
        self._locks.clear()


def short_enough(socket_path: Path) -> Path:
    """The path, or one in the temporary folder when no socket could have a path so long."""
    if len(os.fsencode(socket_path)) <= LONGEST_SOCKET_PATH:
        return socket_path
    digest = hashlib.sha256(os.fsencode(socket_path)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"paid-{os.geteuid()}-{digest}" / "gateway.sock"
