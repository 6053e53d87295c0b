"""Ports for servers that have to be told theirs before they start."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack
from pathlib import Path

FIRST, LAST = 12_000, 32_000
"""Below what kernels give to outgoing connections, so that none of those takes one meanwhile."""


def free_ports(count: int) -> int:
    """The first of `count` ports in a row that are free on loopback."""
    while True:
        first = random.randrange(FIRST, _last() - count)  # noqa: S311
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    listener = stack.enter_context(socket.socket())
                    listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return first


def _last() -> int:
    try:
        outgoing = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    except OSError:
        return LAST
    below = int(outgoing.split()[0])
    return min(LAST, below) if below > FIRST + 1000 else LAST
