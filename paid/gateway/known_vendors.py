"""What a worker asks its host's gateway: which vendors it has keys for."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

PATH = "/vendors"
ANSWER_SECONDS = 2.0


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("gateway", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER_SECONDS)
        self.sock.connect(str(self._path))


def vendors_with_keys(gateway_socket: Path) -> frozenset[str] | None:
    """The vendors' names; None when the gateway does not say."""
    connection = _Unix(gateway_socket)
    try:
        connection.request("GET", PATH)
        answer = connection.getresponse()
        text = answer.read().decode("ascii", "replace")
        return frozenset(text.split()) if answer.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
