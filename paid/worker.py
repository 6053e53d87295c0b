"""The composition root: adapters → activities → workers. Run as `python -m paid.worker`.

One process polls the shared queue (workflows, GitHub, PostgreSQL), the claim queue (a slot of this
host for a run) and this host's own queue (containers and git). More machines means starting it on
each of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
import uvloop
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from paid import queues
from paid.activities import disk_full
from paid.activities.agent import AgentActivities
from paid.activities.github import GitHubActivities
from paid.activities.parts import Host
from paid.activities.poll import PollActivities
from paid.activities.publish import PublishActivities
from paid.activities.record import RecordActivities
from paid.activities.verify import VerifyActivities
from paid.activities.workspace import WorkspaceActivities
from paid.containers.disk import DiskGuard
from paid.containers.engine import DockerEngine
from paid.containers.mirror import Mirrors
from paid.containers.reaper import Reaper
from paid.containers.workspace import Workspaces
from paid.github.clients import GitHubClients
from paid.host_keeper import HostKeeper
from paid.logs import configure_logs
from paid.program import run_program
from paid.settings import Settings
from paid.store.credentials import SecretBox
from paid.store.opening import open_database
from paid.takeover import OpenAttempts, only_worker_here, take_over
from paid.temporal import ErrorTranslation, connect, require_namespace
from paid.workflows.agent_execution import AgentExecutionWorkflow
from paid.workflows.github_poll import GitHubPollWorkflow
from paid.workflows.report_end import ReportEndWorkflow
from paid.working import working

SHARED_SLOTS, LOCAL_SLOTS = 20, 10
GRACE = timedelta(seconds=5)
"""How long running activities may finish at a shutdown; then they let go of their containers."""

HEARTBEAT_THROTTLE = timedelta(seconds=1)
"""A cancel reaches an activity with the answer to a heartbeat, and the SDK holds heartbeats back
for 0.8 times their timeout, 48 s here, unless told otherwise."""

MEMORY_HOLDS = timedelta(seconds=3)
"""How long Temporal keeps a workflow's next task for the process that has the workflow in its
memory. A killed worker's successor takes longer to start, and need not wait for what was offered to
the dead (10 s by default). Another worker, or the same one when it is that busy, only reads a
history of some 60 events."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Parts:
    """Everything that a worker is made of; tests put other activities in the same places."""

    workflows: Sequence[type]
    shared: Sequence[Any]
    claims: Sequence[Any]
    host: Sequence[Any]


def make_host(settings: Settings) -> Host:
    """The adapters of this host."""
    engine = DockerEngine(settings)
    return Host(
        settings=settings,
        database=open_database(settings, pool_size=40),
        engine=engine,
        workspaces=Workspaces(engine, settings),
        mirrors=Mirrors(settings),
        box=SecretBox(settings.secret_key_path),
    )


def make_parts(host: Host) -> Parts:
    """The real workflows and activities."""
    clients = GitHubClients(host.database, host.box)
    record, github = (
        RecordActivities(host.database),
        GitHubActivities(host.settings, host.database, clients),
    )
    poll = PollActivities(host.database, clients, host.fetch_ahead)
    workspace = WorkspaceActivities(host, clients)
    agent, verify = AgentActivities(host), VerifyActivities(host)
    publish = PublishActivities(host, clients)
    return Parts(
        workflows=[AgentExecutionWorkflow, GitHubPollWorkflow, ReportEndWorkflow],
        shared=[
            record.check_budget,
            record.end_run,
            github.announce,
            github.report_end,
            *poll.all(),
        ],
        claims=[workspace.provision_container],
        host=[
            workspace.create_worktree,
            workspace.restore_work,
            workspace.release_container,
            workspace.cleanup_worktree,
            agent.run_agent,
            verify.verify,
            publish.create_pull_request,
        ],
    )


def make_workers(
    client: Client, settings: Settings, parts: Parts, threads: ThreadPoolExecutor
) -> list[Worker]:
    """Three workers on one client; the thread pool is as large as all their slots.

    Workflows run without the SDK's sandbox, which costs a fifth of this process's time. It finds
    mistakes, and finds them in the tests, where workflows run inside it.
    """
    shared, slots = settings.temporal_task_queue, host_slots(settings)
    common: dict[str, Any] = {
        "activity_executor": threads,
        "graceful_shutdown_timeout": GRACE,
        "max_heartbeat_throttle_interval": HEARTBEAT_THROTTLE,
        "interceptors": [ErrorTranslation(), OpenAttempts(settings)],
    }
    return [
        Worker(
            client,
            task_queue=shared,
            workflows=parts.workflows,
            workflow_runner=UnsandboxedWorkflowRunner(),
            sticky_queue_schedule_to_start_timeout=MEMORY_HOLDS,
            activities=parts.shared,
            max_concurrent_activities=SHARED_SLOTS,
            max_concurrent_local_activities=LOCAL_SLOTS,
            **common,
        ),
        Worker(
            client,
            task_queue=queues.claim_queue(shared),
            activities=parts.claims,
            max_concurrent_activities=1,
            **common,
        ),
        Worker(
            client,
            task_queue=queues.host_queue(shared, settings.host_name),
            activities=parts.host,
            max_concurrent_activities=slots,
            **common,
        ),
    ]


def host_slots(settings: Settings) -> int:
    """Activities at once on the host's queue: one of each run, and room for clean-up beside."""
    return settings.run_slots + 10


def _threads(settings: Settings) -> int:
    return SHARED_SLOTS + LOCAL_SLOTS + 1 + host_slots(settings)


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Work until `stop` is set; then let go of the containers, which go on."""
    host = make_host(settings)
    only_worker_here(settings)
    await asyncio.to_thread(host.database.migrate)
    client = await connect(settings)
    await require_namespace(client)
    await take_over(client, host.database, settings)
    keeper = HostKeeper(host, Reaper(host.engine, host.workspaces))
    keeper.start()
    guard = DiskGuard(host.engine, host.workspaces, partial(disk_full.tell, host.database))
    guard.start()
    threads = ThreadPoolExecutor(_threads(settings), "activity")
    async with working(*make_workers(client, settings, make_parts(host), threads)):
        _log.info("worker.ready", queue=settings.temporal_task_queue, host=settings.host_name)
        await stop.wait()
    await asyncio.to_thread(guard.stop)
    await asyncio.to_thread(keeper.stop)
    host.database.close()


if __name__ == "__main__":
    configure_logs()
    run_program(
        "temporal-worker",
        "A worker alone: it runs workflows, activities, and the containers of this host.",
        serve,
        run=uvloop.run,
    )
