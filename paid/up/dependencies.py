"""Whether the servers answer that every program of Paid needs in order to begin."""

from __future__ import annotations

import socket

import psycopg

from paid.settings import Settings
from paid.store.database import libpq_url

LOOK_SECONDS = 2
"""libpq takes less for this; a server that is frozen holds a look up for so long."""


def away(settings: Settings) -> str:
    """The name of a server that does not answer; empty when all do."""
    if settings.database_url is not None and not _postgres(
        settings.database_url.get_secret_value()
    ):
        return "PostgreSQL"
    return "" if _accepts(settings.temporal_address) else "Temporal"


def _postgres(url: str) -> bool:
    """Also one that recovers from a crash accepts connections, and refuses each."""
    try:
        psycopg.connect(libpq_url(url), connect_timeout=LOOK_SECONDS).close()
    except psycopg.Error:
        return False
    return True


def _accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=LOOK_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True
