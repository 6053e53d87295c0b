"""What a person's button does to a run: record it first, then tell Temporal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from paid.contracts import STEPS, RunInput
from paid.models import Run
from paid.store import runs
from paid.store.database import Database
from paid.temporal import RPC_TIMEOUT

WORKFLOW = "AgentExecutionWorkflow"


async def cancel_run(database: Database, client: Client, run_id: int, by: str, reason: str) -> Run:
    """Cancel a run.

    The intent and the dead gateway token are in PostgreSQL before Temporal is asked. The worker
    of the run's host hears of it from PostgreSQL and kills the containers, so the agent ends even
    when the workflow cannot run; a workflow that is gone is no error.
    """
    with database.session() as session:
        run = runs.request_cancel(session, run_id, by, reason)
    await tell_cancelled(client, run.workflow_id)
    return run


async def tell_cancelled(client: Client, workflow_id: str) -> bool:
    """Ask Temporal to cancel; False when it knows of no such open workflow."""
    try:
        await client.get_workflow_handle(workflow_id).cancel(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True


async def tell_budget_changed(client: Client, workflow_id: str) -> bool:
    """Let a paused run look again at its budget; False when it is not open."""
    handle = client.get_workflow_handle(workflow_id)
    try:
        await handle.signal("budget_changed", rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True


async def tell_budgets_changed(client: Client, workflow_ids: Iterable[str]) -> int:
    """The same for several runs; returns how many are open."""
    told = await asyncio.gather(
        *(tell_budget_changed(client, workflow_id) for workflow_id in set(workflow_ids))
    )
    return sum(told)


async def start_run(client: Client, run: Run, task_queue: str) -> None:
    """Start a recorded run's workflow; one that is there already is adopted."""
    assert run.id is not None  # noqa: S101 - a recorded run has an id
    await client.start_workflow(
        WORKFLOW,
        RunInput(run.id, STEPS),
        id=run.workflow_id,
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        rpc_timeout=RPC_TIMEOUT,
    )
