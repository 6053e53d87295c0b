"""Telling paused runs that a limit was changed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from paid import control
from paid.cli import connection
from paid.settings import Settings


def wake(settings: Settings, workflow_ids: Sequence[str]) -> None:
    """Let paused runs look again; one that nobody wakes does so by itself, later."""
    if not workflow_ids:
        return
    if not connection.tell_temporal(
        settings, lambda client: control.tell_budgets_changed(client, workflow_ids)
    ):
        print("Temporal does not answer: what waits goes on when it is back.", file=sys.stderr)
