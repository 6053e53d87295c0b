"""Telling paused runs that a limit was changed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from temporalio.client import Client

from paid import control
from paid.cli import connection
from paid.errors import ConfigurationError
from paid.settings import Settings


def wake(settings: Settings, workflow_ids: Sequence[str]) -> None:
    """Let paused runs look again; one that nobody wakes does so by itself, later."""
    if not workflow_ids:
        return

    async def tell(client: Client) -> int:
        return await control.tell_budgets_changed(client, workflow_ids)

    try:
        connection.ask_temporal(settings, tell)
    except ConfigurationError:
        print("Temporal does not answer: what waits goes on when it is back.", file=sys.stderr)
