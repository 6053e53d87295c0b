"""What a worker does first: it takes the place of one that was killed on the same host.

Temporal would notice the loss when the heartbeat time-out, a minute, is over. The new worker knows
it at once: the kernel lets go of a dead worker's lock, and PostgreSQL names what it was doing.
"""

from __future__ import annotations

import fcntl
import os
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from paid.errors import ConfigurationError
from paid.models import Step
from paid.settings import Settings
from paid.store import steps
from paid.store.database import Database
from paid.temporal import RPC_TIMEOUT

AT_ONCE = timedelta(milliseconds=100)
"""Before the next attempt: its worker is the one that says so."""

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


async def take_over(client: Client, database: Database, host: str) -> None:
    """Tell Temporal that the attempts of this host's last worker are lost, so that it retries."""
    with database.session() as session:
        left = steps.running_on(session, host)
    for step in left:
        if await _tell_lost(client, step):
            _log.info("takeover.attempt_lost", run=step.run_id, container=step.container)


async def _tell_lost(client: Client, step: Step) -> bool:
    activity = step.report.get("activity")
    if activity is None:
        return False
    handle = client.get_async_activity_handle(**activity)
    try:
        await handle.fail(
            ApplicationError(
                "The worker was lost.", type="WorkerLostError", next_retry_delay=AT_ONCE
            ),
            rpc_timeout=RPC_TIMEOUT,
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True
