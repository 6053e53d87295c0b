"""What a worker does first: it takes the place of one that was killed on the same host.

Temporal would notice the loss when the heartbeat time-out, a minute, is over. The new worker knows
it at once: the kernel lets go of a dead worker's lock, and notes in the data folder name what it
was doing.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

import structlog
from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetStickyTaskQueueRequest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from paid.errors import ConfigurationError
from paid.queues import poll_workflow_id
from paid.settings import Settings
from paid.store import projects, runs
from paid.store.database import Database
from paid.temporal import RPC_TIMEOUT

AT_ONCE = timedelta(milliseconds=100)
"""Before the next attempt: its worker is the one that says so."""
ANSWER_SECONDS = 2.0
"""How long an attempt's note outlives it, because its answer is on the way to Temporal. The note of
one that was answered does no harm."""

_log = structlog.get_logger(__name__)


def only_worker_here(settings: Settings) -> int:
    """Own the data folder's workspaces and mirrors until this process ends.

    Returns the lock's descriptor, which must stay open. Raises ConfigurationError when another
    worker has it.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o711)
    path = settings.data_dir / "worker.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigurationError(
            f"Another worker uses the data folder {settings.data_dir}.",
            hint="One worker a host is enough: raise PAID_RUN_SLOTS, or set PAID_DATA_DIR.",
        ) from None
    return descriptor


class OpenAttempts(Interceptor):
    """Notes each attempt at an activity in a file for as long as it is open.

    The kernel keeps what a killed process wrote, so its successor knows what was lost.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder = _attempts_of(settings)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap the next interceptor."""
        return _Noting(next, self._folder)


class _Noting(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, folder: Path) -> None:
        super().__init__(next)
        self._folder = folder

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        if activity.info().is_local:  # lost with its workflow's task, which Temporal gives anew
            return await self.next.execute_activity(input)
        note = self._folder / f"{quote(activity.info().workflow_id or '', safe='')}~{uuid4().hex}"
        with suppress(OSError):  # on a full disk Temporal notices a loss in its own time
            note.write_bytes(activity.info().task_token)
        try:
            return await self.next.execute_activity(input)
        finally:
            loop = asyncio.get_running_loop()
            loop.call_later(ANSWER_SECONDS, partial(note.unlink, missing_ok=True))


async def take_over(client: Client, database: Database, settings: Settings) -> None:
    """Tell Temporal what this host's last worker has lost, so that it goes on here at once."""
    notes = list(_attempts_of(settings).glob("*"))
    if not notes:
        return
    await _forget_memory(client, database)
    known: dict[str, list[bytes]] = {}
    for note in notes:
        known.setdefault(unquote(note.name.partition("~")[0]), []).append(note.read_bytes())
    lost = await asyncio.gather(*(_lose(client, *each) for each in known.items()))
    for note in notes:
        note.unlink()
    _log.info("takeover.attempts_lost", number=sum(lost))


async def _lose(client: Client, workflow_id: str, task_tokens: Sequence[bytes]) -> int:
    """Fail one workflow's attempts, one after the other; how many were open.

    Each behind a reset of its own: Temporal keeps a reset in its memory alone, and forgets it
    there with every attempt that is refused because it is over. The workflow's next task would
    then be offered to the dead process again.
    """
    lost = 0
    for token in task_tokens:
        await _forget_worker_of(client, workflow_id)
        lost += await tell_lost(client, token)
    await _forget_worker_of(client, workflow_id)
    return lost


async def _forget_memory(client: Client, database: Database) -> None:
    """Let any worker have the next tasks of what goes on.

    Temporal would offer each for some seconds (`worker.MEMORY_HOLDS`) to the process that had the
    workflow in its memory. Where that is another host's and lives, it costs the reading of a
    short history.
    """
    with database.session() as session:
        known = [run.workflow_id for run in runs.live(session)]
        known += [poll_workflow_id(projects.number(it)) for it in projects.active(session)]
    await asyncio.gather(*(_forget_worker_of(client, workflow_id) for workflow_id in known))


async def _forget_worker_of(client: Client, workflow_id: str) -> None:
    execution = WorkflowExecution(workflow_id=workflow_id)
    request = ResetStickyTaskQueueRequest(namespace=client.namespace, execution=execution)
    with _unless_over():
        await client.workflow_service.reset_sticky_task_queue(request, timeout=RPC_TIMEOUT)


def _attempts_of(settings: Settings) -> Path:
    return settings.data_dir / "attempts"


async def tell_lost(client: Client, task_token: bytes) -> bool:
    """False when the attempt is over, or Temporal has given the activity to somebody else."""
    if not task_token:
        return False
    error = ApplicationError(
        "The worker was lost.", type="WorkerLostError", next_retry_delay=AT_ONCE
    )
    with _unless_over():
        handle = client.get_async_activity_handle(task_token=task_token)
        await handle.fail(error, rpc_timeout=RPC_TIMEOUT)
        return True
    return False


@contextmanager
def _unless_over() -> Iterator[None]:
    """Temporal does not know any more what was over before."""
    try:
        yield
    except RPCError as refusal:
        if refusal.status is not RPCStatusCode.NOT_FOUND:
            raise
