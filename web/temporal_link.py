"""Telling Temporal what a page changed, when it can be told.

PostgreSQL has the change already, and the worker and the poll find it there; these calls only make
things happen sooner. So they are made after the answer, are bounded, and never fail a page.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from paid import control, health, polls
from paid.errors import PaidError
from paid.models import Run
from paid.settings import Settings
from paid.temporal import RPC_TIMEOUT, connect

REACHABLE_SECONDS = 2.0

Call = Callable[[Client], Awaitable[object]]

log = structlog.get_logger("web.temporal")


class TemporalLink:
    """A client that is made when first needed, and again after a failure."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None

    async def run_cancelled(self, workflow_id: str) -> None:
        """Ask a run's workflow to stop."""
        await self._tell(
            "run_cancelled", lambda client: control.tell_cancelled(client, workflow_id)
        )

    async def run_opened(self, run: Run) -> None:
        """Start the workflow of a run that is to be published after all."""
        queue = self._settings.temporal_task_queue
        await self._tell("run_opened", lambda client: control.start_run(client, run, queue))

    async def budgets_changed(self, workflow_ids: Sequence[str]) -> None:
        """Let runs that wait for money look again."""
        await self._tell(
            "budgets_changed", lambda client: control.tell_budgets_changed(client, workflow_ids)
        )

    async def look_now(self, project_id: int) -> None:
        """Let a project's poll look at GitHub at once."""
        await self.project_changed(project_id, "look_now")

    async def project_changed(self, project_id: int, signal: str) -> None:
        """Tell a project's poll `look_now`, `pause` or `resume`."""
        await self._tell(signal, lambda client: polls.tell_poll(client, project_id, signal))

    async def reachable(self) -> bool:
        """Whether Temporal answers within a moment."""
        try:
            async with asyncio.timeout(REACHABLE_SECONDS):
                client = await self._connected()
                return await client.service_client.check_health()
        except (TimeoutError, PaidError, RPCError, RuntimeError):
            return False

    async def is_polled(self, queue: str) -> bool:
        """Whether somebody takes work from a queue; False, too, when Temporal does not answer."""
        try:
            async with asyncio.timeout(REACHABLE_SECONDS):
                client = await self._connected()
                return await health.is_polled(client, queue, time.time() - health.RECENT_SECONDS)
        except (TimeoutError, PaidError, RPCError, RuntimeError):
            return False

    async def _tell(self, what: str, call: Call) -> None:
        try:
            async with asyncio.timeout(RPC_TIMEOUT.total_seconds()):
                await call(await self._connected())
        except (TimeoutError, PaidError, RPCError, RuntimeError) as error:
            log.warning("temporal_not_told", what=what, error=str(error))

    async def _connected(self) -> Client:
        if self._client is None:
            self._client = await connect(self._settings)
        return self._client
