"""PostgreSQL and a real Temporal server, brought to agree."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.worker import Worker

from paid import control
from paid.contracts import RunInput, RunStatus
from paid.embedded import TemporalServer
from paid.jobs.reconciler import Reconciler
from paid.models import Run
from paid.queues import poll_workflow_id
from paid.settings import Settings
from paid.store import projects, runs
from paid.store.database import Database
from paid.temporal import connect
from paid.workflows.report_end import ReportEndWorkflow
from tests.jobs.conftest import MakeRun
from tests.off_clock import Elsewhere, opened

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(temporal_server: TemporalServer) -> Client:
    return await connect(Settings(temporal_address=temporal_server.address))


@pytest.fixture
def queue() -> str:
    return f"queue-{uuid.uuid4()}"


@pytest.fixture
async def reconciler(database: Database, client: Client, queue: str) -> Reconciler:
    async def connected() -> Client:
        return client

    return Reconciler(database, connected, queue)


def read(database: Database, run_id: int) -> Run:
    with database.session() as session:
        return runs.get(session, run_id)


async def status(client: Client, run: Run) -> WorkflowExecutionStatus | None:
    return (await client.get_workflow_handle(run.workflow_id).describe()).status


async def test_a_run_that_temporal_has_lost_is_started_again(
    reconciler: Reconciler, client: Client, database: Database, make_run: MakeRun
) -> None:
    run_id = make_run()
    await reconciler.reconcile()
    await reconciler.reconcile()
    assert await status(client, read(database, run_id)) is WorkflowExecutionStatus.RUNNING


async def test_a_run_that_was_recorded_just_now_is_left_to_its_starter(
    reconciler: Reconciler, client: Client, database: Database, make_run: MakeRun
) -> None:
    run_id = make_run(age=timedelta(0))
    await reconciler.reconcile()
    with pytest.raises(Exception, match="not found"):
        await status(client, read(database, run_id))


async def test_whether_a_run_is_just_recorded_is_the_same_on_every_host(
    client: Client,
    database: Database,
    make_run: MakeRun,
    queue: str,
    temporal_server: TemporalServer,
    elsewhere: Elsewhere,
) -> None:
    young, lost = make_run(age=timedelta(0)), make_run()
    elsewhere.do(_reconcile, database.url, temporal_server.address, queue)
    with pytest.raises(Exception, match="not found"):
        await status(client, read(database, young))
    assert await status(client, read(database, lost)) is WorkflowExecutionStatus.RUNNING


def _reconcile(url: str, temporal_address: str, queue: str) -> None:
    settings = Settings(temporal_address=temporal_address)
    with opened(url) as database:
        reconciler = Reconciler(database, lambda: connect(settings), queue)
        asyncio.run(reconciler.reconcile())


async def test_a_run_whose_workflow_was_terminated_has_failed(
    reconciler: Reconciler, client: Client, database: Database, make_run: MakeRun, queue: str
) -> None:
    run_id = make_run()
    run = read(database, run_id)
    await control.start_run(client, run, queue)
    await client.get_workflow_handle(run.workflow_id).terminate()
    await reconciler.reconcile()
    ended = read(database, run_id)
    assert (ended.status, ended.error_code) == (RunStatus.FAILED, "workflow_ended")
    assert "terminated" in ended.error_message


async def test_people_are_told_on_github_of_a_run_that_it_has_ended(
    reconciler: Reconciler, client: Client, database: Database, make_run: MakeRun, queue: str
) -> None:
    run = read(database, make_run())
    await control.start_run(client, run, queue)
    await client.get_workflow_handle(run.workflow_id).terminate()
    await reconciler.reconcile()
    told: list[RunInput] = []

    @activity.defn(name="report_end")
    async def report_end(given: RunInput) -> None:
        told.append(given)

    async with Worker(
        client, task_queue=queue, workflows=[ReportEndWorkflow], activities=[report_end]
    ):
        await client.get_workflow_handle(f"report:{run.workflow_id}").result()
    assert told == [RunInput(run.id or 0)]


async def test_a_cancelled_run_without_a_workflow_ends(
    reconciler: Reconciler, database: Database, make_run: MakeRun
) -> None:
    run_id = make_run()
    with database.session() as session:
        runs.request_cancel(session, run_id, "maria", "")
    await reconciler.reconcile()
    assert read(database, run_id).status == RunStatus.CANCELLED


async def test_a_workflow_that_did_not_hear_of_its_cancel_is_told(
    reconciler: Reconciler, client: Client, database: Database, make_run: MakeRun, queue: str
) -> None:
    run_id = make_run()
    run = read(database, run_id)
    await control.start_run(client, run, queue)
    with database.session() as session:
        runs.request_cancel(session, run_id, "maria", "")
    await reconciler.reconcile()
    history = await client.get_workflow_handle(run.workflow_id).fetch_history()
    assert any(
        event.HasField("workflow_execution_cancel_requested_event_attributes")
        for event in history.events
    )
    assert read(database, run_id).status == RunStatus.QUEUED


async def test_every_active_project_is_polled(
    reconciler: Reconciler, client: Client, project_id: int
) -> None:
    await reconciler.reconcile()
    handle = client.get_workflow_handle(poll_workflow_id(project_id))
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    await handle.terminate()


async def test_a_paused_project_is_not_polled_anew(
    reconciler: Reconciler, client: Client, database: Database, project_id: int
) -> None:
    with database.session() as session:
        projects.pause(session, project_id, "", by="maria")
    before = client.get_workflow_handle(poll_workflow_id(project_id))
    await reconciler.reconcile()
    with pytest.raises(Exception, match=r"not found|already completed"):
        await before.signal("look_now")
