"""Makes PostgreSQL and Temporal agree about what goes on.

A workflow may be terminated, or lost with a server that kept nothing; a process may die between
a record and the call that follows it. The rows are the truth: what they want is made so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import structlog
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from paid import control, polls
from paid.contracts import RunInput, RunStatus
from paid.models import Run
from paid.store import clock, projects, runs
from paid.store.database import Database
from paid.temporal import RPC_TIMEOUT

YOUNG = timedelta(seconds=30)
"""Whoever recorded the run is about to start it."""

_log = structlog.get_logger(__name__)


class Reconciler:
    """Asks `connect` for a client each time, because Temporal may have been away."""

    def __init__(
        self, database: Database, connect: Callable[[], Awaitable[Client]], task_queue: str
    ) -> None:
        self._database, self._connect, self._task_queue = database, connect, task_queue

    async def reconcile(self) -> None:
        """Look at every live run and every active project once."""
        client = await self._connect()
        with self._database.session() as session:
            live = runs.live(session)
            begun_before = clock.now(session) - YOUNG
            watched = [projects.number(project) for project in projects.active(session)]
        await polls.start_polls(client, watched, self._task_queue)
        for run in live:
            if run.created_at < begun_before:
                await self._reconcile_run(client, run)

    async def _reconcile_run(self, client: Client, run: Run) -> None:
        status = await _workflow_status(client, run.workflow_id)
        if status is WorkflowExecutionStatus.RUNNING:
            if run.cancel_requested_at is not None:
                await control.tell_cancelled(client, run.workflow_id)
            return
        if run.cancel_requested_at is not None:
            await self._end(client, run, RunStatus.CANCELLED, "cancelled", "Cancelled.")
        elif status is None:
            _log.info("run.started_again", run=run.id)
            await control.start_run(client, run, self._task_queue)
        else:
            word = status.name.lower().replace("_", " ")
            await self._end(
                client, run, RunStatus.FAILED, "workflow_ended", f"Its workflow was {word}."
            )

    async def _end(
        self, client: Client, run: Run, status: RunStatus, code: str, message: str
    ) -> None:
        """End the run on record, and have its people told on GitHub by whoever has the token."""
        _log.warning("run.ended_by_reconciler", run=run.id, status=str(status), code=code)
        assert run.id is not None  # noqa: S101 - it was read
        with self._database.session() as session:
            runs.end(session, run.id, status, code, message)
        with suppress(WorkflowAlreadyStartedError):
            await client.start_workflow(
                "ReportEndWorkflow",
                RunInput(run.id),
                id=f"report:{run.workflow_id}",
                task_queue=self._task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                rpc_timeout=RPC_TIMEOUT,
            )


async def _workflow_status(client: Client, workflow_id: str) -> WorkflowExecutionStatus | None:
    """None when Temporal knows nothing of it."""
    try:
        handle = client.get_workflow_handle(workflow_id)
        return (await handle.describe(rpc_timeout=RPC_TIMEOUT)).status
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None
