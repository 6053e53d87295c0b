"""What a person's change of a project means for its poll: start it, or make it look at once."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from paid.contracts import PollInput
from paid.queues import poll_workflow_id
from paid.temporal import RPC_TIMEOUT

WORKFLOW = "GitHubPollWorkflow"


async def start_poll(client: Client, project_id: int, task_queue: str) -> None:
    """Start a project's poll; one that runs already is left as it is."""
    await client.start_workflow(
        WORKFLOW,
        PollInput(project_id),
        id=poll_workflow_id(project_id),
        task_queue=task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        rpc_timeout=RPC_TIMEOUT,
    )


async def start_polls(client: Client, project_ids: Iterable[int], task_queue: str) -> None:
    """Make sure that every one of the projects is polled."""
    for project_id in project_ids:
        await start_poll(client, project_id, task_queue)


async def tell_poll(client: Client, project_id: int, signal: str) -> bool:
    """Send `look_now`, `pause` or `resume`; False when the project is not polled."""
    handle = client.get_workflow_handle(poll_workflow_id(project_id))
    try:
        await handle.signal(signal, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True
