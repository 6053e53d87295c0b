"""The server with a clock that jumps, which set-up makes from Temporal's Java packages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from paid.settings import load_settings
from paid.setup import test_tools as tools
from tests.conftest import missing

pytestmark = pytest.mark.anyio


@workflow.defn(sandboxed=False)
class Week:
    """Sleeps for seven days and says how long that was."""

    @workflow.run
    async def run(self) -> float:
        started = workflow.now()
        await workflow.sleep(timedelta(days=7))
        return (workflow.now() - started).total_seconds()


async def test_seven_days_pass_in_a_moment() -> None:
    program = tools.test_server_path(load_settings().cache_dir)
    if not program.exists():
        missing("the time-skipping server is not there: bin/setup --dev")
    environment = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(program),
        # a JVM beside two other test processes has taken longer than the SDK's five seconds
        test_server_startup_timeout=timedelta(minutes=1),
    )
    async with (
        environment,
        Worker(environment.client, task_queue="weeks", workflows=[Week]),
    ):
        slept = await environment.client.execute_workflow(Week.run, id="w", task_queue="weeks")
    assert slept >= timedelta(days=7).total_seconds()


def test_the_pinned_packages_hold_the_server() -> None:
    names = [line.split()[1] for line in tools.JAR_DIGESTS.read_text().splitlines()]
    assert f"temporal-test-server-{tools.TEST_SERVER_VERSION}.jar" in names
    assert names == sorted(names)
