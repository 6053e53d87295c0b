"""The clock: Temporal's schedules put jobs in the outbox, and what those jobs do."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlmodel import select
from temporalio.worker import Worker

from paid.embedded import TemporalServer
from paid.jobs.periodic import PeriodicActivities
from paid.jobs.schedules import PERIODS, ensure_schedules, jobs_queue
from paid.models import Outbox
from paid.settings import Settings
from paid.store import usage
from paid.store.database import Database
from paid.temporal import connect
from paid.workflows.periodic_job import EnqueueInput, PeriodicJobWorkflow
from tests.jobs.conftest import MakeRun
from tests.waiting import happens


@pytest.mark.anyio
async def test_each_schedule_puts_its_job_in_the_outbox(
    database: Database, temporal_server: TemporalServer
) -> None:
    client = await connect(Settings(temporal_address=temporal_server.address))
    shared = f"queue-{uuid.uuid4()}"
    activities = PeriodicActivities(database)
    with ThreadPoolExecutor(2) as threads:
        worker = Worker(
            client,
            task_queue=jobs_queue(shared),
            workflows=[PeriodicJobWorkflow],
            activities=[activities.enqueue_job],
            activity_executor=threads,
        )
        async with worker:
            await ensure_schedules(client, shared)
            await ensure_schedules(client, shared)
            await happens(lambda: actors(database) == set(PERIODS), "the jobs of all schedules")
    for job in PERIODS:
        await client.get_schedule_handle(f"{shared}-{job}").delete()


def actors(database: Database) -> set[str]:
    with database.session() as session:
        return set(session.exec(select(Outbox.actor)))


def test_a_firing_that_is_tried_twice_is_one_job(database: Database) -> None:
    activities = PeriodicActivities(database)
    for _ in range(2):
        activities.enqueue_job(EnqueueInput("roll_up", "job:roll_up-1"))
    with database.session() as session:
        assert len(session.exec(select(Outbox)).all()) == 1


def spend(database: Database, run_id: int, day: date, microdollars: int) -> None:
    with database.session() as session:
        session.connection().execute(
            text(
                "INSERT INTO ledger_entry (request_id, run_id, issue_id, project_id, account_ids,"
                " at, day, vendor, model, agent, basis, input_tokens, output_tokens,"
                " amount_microdollars)"
                " SELECT gen_random_uuid(), r.id, r.issue_id, r.project_id, '{}', now(), :day,"
                " 'openai', 'm', 'codex', 'vendor', 100, 10, :amount FROM run r WHERE r.id = :run"
            ),
            {"run": run_id, "day": day, "amount": microdollars},
        )


def test_days_are_added_up_from_the_ledger_and_the_runs(
    database: Database, make_run: MakeRun, project_id: int
) -> None:
    today = datetime.now(UTC).date()
    first = make_run(age=timedelta(0))
    make_run(age=timedelta(0))
    spend(database, first, today, 1500)
    spend(database, first, today, 500)
    spend(database, first, today - timedelta(days=1), 70)
    for _ in range(2):
        with database.session() as session:
            usage.roll_up(session)
    with database.session() as session:
        before, now_ = usage.of_project(session, project_id, today - timedelta(days=7))
    assert (before.runs, before.requests, before.amount_microdollars) == (0, 1, 70)
    assert (now_.runs, now_.requests, now_.amount_microdollars) == (2, 2, 2000)
    assert now_.tokens == 220
