"""Which database a program uses: the one that its settings name."""

from __future__ import annotations

from paid.errors import ConfigurationError
from paid.settings import Settings
from paid.store.database import Database


def open_database(settings: Settings, *, pool_size: int = 5) -> Database:
    """The database that the settings name. Raises ConfigurationError when they name none."""
    if settings.database_url is None:
        raise ConfigurationError(
            "Paid is not running here, and no server is named.",
            hint="Start `paid up` in another terminal, or set DATABASE_URL.",
        )
    return Database(settings.database_url.get_secret_value(), pool_size=pool_size)
