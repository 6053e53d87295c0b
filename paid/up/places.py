"""Ports and socket paths that can be had on this machine."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from paid.embedded.temporal import choose_ports
from paid.errors import EmbeddedServiceError

LONGEST_SOCKET_PATH = 100
"""Bytes; Linux takes 107 and macOS 103."""


def preferred(port: int) -> int:
    """The port if it is free, else 0 for any other."""
    try:
        return choose_ports((port, 0))[0]
    except EmbeddedServiceError:
        return 0


def short_enough(socket_path: Path) -> Path:
    """The path, or one in the temporary folder when no socket could have a path so long."""
    if len(os.fsencode(socket_path)) <= LONGEST_SOCKET_PATH:
        return socket_path
    digest = hashlib.sha256(os.fsencode(socket_path)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"paid-{os.geteuid()}-{digest}" / "gateway.sock"
