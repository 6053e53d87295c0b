"""The link that signs a browser in to the dashboard."""

from __future__ import annotations

from paid.settings import Settings
from paid.store import sessions
from paid.store.opening import open_database


def new_login_url(settings: Settings) -> str:
    """A new link to the dashboard that signs in one browser, once."""
    database = open_database(settings)
    try:
        with database.session() as session:
            token = sessions.new_login_link(session)
    finally:
        database.close()
    return f"{settings.dashboard_url}/login?token={token}"
