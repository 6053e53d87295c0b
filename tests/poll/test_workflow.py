"""The poll's workflow on a real Temporal server: ticks, children, signals, ends."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from paid.contracts import PollInput, PollResult, RunInput
from paid.embedded import TemporalServer
from paid.temporal import CONVERTER
from paid.workflows.github_poll import GitHubPollWorkflow
from tests.poll.polling import Script, WaitingRun, becomes, ids, polling, status, terminate, until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(temporal_server: TemporalServer) -> Client:
    return await Client.connect(temporal_server.address, data_converter=CONVERTER)


async def test_it_looks_again_and_again_from_where_it_was(client: Client) -> None:
    script = Script()
    async with polling(client, script):
        await until(lambda: len(script.looks) >= 3)
    assert [look.ticks for look in script.looks[:3]] == [0, 1, 2]
    assert script.looks[0].since is None
    assert script.looks[2].since == "2026-01-01T00:00:01+00:00"


async def test_what_is_recorded_is_started_once_and_outlives_the_poll(client: Client) -> None:
    script, runs = Script(), ids(5)
    script.record = PollResult(0.05, starts=runs)
    async with polling(client, script) as handle:
        await until(lambda: len(script.looks) >= 4)
        await terminate(handle)
        for run in runs:
            assert await status(client, run.workflow_id) is WorkflowExecutionStatus.RUNNING
    for run in runs:
        await client.get_workflow_handle(run.workflow_id).terminate()


async def test_a_run_that_is_there_already_is_adopted(client: Client) -> None:
    script, (run,) = Script(), ids(1)
    async with polling(client, script) as handle:
        queue = (await handle.describe()).task_queue
        await client.start_workflow(
            WaitingRun.run, RunInput(run.run_id), id=run.workflow_id, task_queue=queue
        )
        script.record = PollResult(0.05, starts=(run,))
        seen = len(script.looks)
        await until(lambda: len(script.looks) >= seen + 3)
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        await client.get_workflow_handle(run.workflow_id).terminate()


async def test_a_run_that_has_ended_is_not_started_again(client: Client) -> None:
    script, (run,) = Script(), ids(1)
    script.record = PollResult(0.05, starts=(run,))
    async with polling(client, script):
        await becomes(client, run.workflow_id, WorkflowExecutionStatus.RUNNING)
        child = client.get_workflow_handle(run.workflow_id)
        await child.signal("finish")
        assert await child.result() == run.run_id
        first = (await child.describe()).run_id
    seen = len(script.looks)
    async with polling(client, script):
        await until(lambda: len(script.looks) >= seen + 3)
        assert (await child.describe()).run_id == first


async def test_a_run_that_is_to_be_cancelled_is_cancelled(client: Client) -> None:
    script, (run,) = Script(), ids(1)
    script.record = PollResult(0.05, starts=(run,))
    async with polling(client, script):
        await becomes(client, run.workflow_id, WorkflowExecutionStatus.RUNNING)
        script.record = PollResult(0.05, cancel_workflow_ids=(run.workflow_id, "run:9:9:9"))
        await becomes(client, run.workflow_id, WorkflowExecutionStatus.CANCELED)
        seen = len(script.looks)
        await until(lambda: len(script.looks) >= seen + 2)


@pytest.mark.parametrize("signal", ["look_now", "pause", "resume"])
async def test_a_signal_makes_it_look_at_once(signal: str, client: Client) -> None:
    script = Script()
    script.record = PollResult(wait_seconds=3600)
    async with polling(client, script) as handle:
        await until(lambda: len(script.looks) == 1)
        await handle.signal(signal)
        await until(lambda: len(script.looks) == 2)
        assert (script.looks[1].since is None) == (signal == "resume")


async def test_it_says_whether_it_waits_or_is_paused(client: Client) -> None:
    script = Script()
    script.record = PollResult(wait_seconds=3600, paused=True)
    async with polling(client, script) as handle:

        async def is_paused() -> bool:
            return await handle.query(GitHubPollWorkflow.state) == "paused"

        await until(is_paused)
        assert await handle.query(GitHubPollWorkflow.ticks) == 1


async def test_a_look_that_fails_starts_what_is_on_record_and_looks_at_all_next(
    client: Client,
) -> None:
    script, (run,) = Script(), ids(1)
    script.fail_look = True
    script.record = PollResult(0.05, starts=(run,))
    async with polling(client, script, PollInput(7, 3, "2026-01-01T00:00:00+00:00")):
        await becomes(client, run.workflow_id, WorkflowExecutionStatus.RUNNING)
        await until(lambda: len(script.looks) >= 2)
        assert script.looks[1].since is None
        await client.get_workflow_handle(run.workflow_id).terminate()


async def test_an_outage_of_github_is_waited_out_where_a_person_can_wake_the_poll(
    client: Client,
) -> None:
    script = Script()
    script.fail_look = script.may_pass = True
    script.record = PollResult(wait_seconds=3600)
    async with polling(client, script) as handle:

        async def waits() -> bool:
            return await handle.query(GitHubPollWorkflow.state) == "waiting"

        await until(waits)
        script.fail_look = False
        seen = len(script.looks)
        await handle.signal("look_now")
        await until(lambda: len(script.looks) > seen)


async def test_behind_a_look_that_failed_the_next_one_comes_soon(client: Client) -> None:
    script = Script()
    script.fail_look = True
    script.record = PollResult(wait_seconds=3600)
    async with polling(client, script):
        await until(lambda: len(script.looks) >= 2)


async def test_it_outlives_a_database_that_is_away(client: Client) -> None:
    script = Script()
    script.fail_record = True
    async with polling(client, script) as handle:
        await until(lambda: len(script.looks) == 1)
        script.fail_record = False
        await asyncio.sleep(0.2)
        await handle.signal("look_now")
        await until(lambda: len(script.looks) >= 3)


async def test_it_leaves_github_alone_for_as_long_as_a_limit_wants(client: Client) -> None:
    script = Script()
    script.least_seconds = 3600
    async with polling(client, script):
        await until(lambda: len(script.looks) == 1)
        await asyncio.sleep(0.5)
        assert len(script.looks) == 1


async def test_it_ends_when_the_project_is_removed(client: Client) -> None:
    script = Script()
    script.record = PollResult(0.05, stop=True)
    async with polling(client, script) as handle:
        await asyncio.wait_for(handle.result(), 60)


async def test_it_continues_as_new_before_its_history_grows_large(client: Client) -> None:
    script, runs = Script(), ids(2)
    script.ballast = "x" * 700_000
    script.record = PollResult(0.05, starts=runs)
    async with polling(client, script) as handle:
        first = (await handle.describe()).run_id

        async def has_continued() -> bool:
            return (await client.get_workflow_handle(handle.id).describe()).run_id != first

        await until(has_continued)
        script.ballast = ""
        seen = len(script.looks)
        await until(lambda: len(script.looks) >= seen + 2)
        assert [look.ticks for look in script.looks] == list(range(len(script.looks)))
        for run in runs:
            assert await status(client, run.workflow_id) is WorkflowExecutionStatus.RUNNING
            await client.get_workflow_handle(run.workflow_id).terminate()
        await client.get_workflow_handle(handle.id).terminate()


async def test_a_project_that_is_resumed_is_looked_at_as_a_whole_also_over_continue_as_new(
    client: Client,
) -> None:
    script = Script()
    script.ballast = "x" * 700_000
    script.record = PollResult(wait_seconds=3600)
    async with polling(client, script) as handle:

        async def waits() -> bool:
            return await handle.query(GitHubPollWorkflow.state) == "waiting"

        async def is_long() -> bool:
            """Whether the next tick continues as new."""
            history = await handle.fetch_history()
            begun = [
                event.workflow_task_started_event_attributes.suggest_continue_as_new
                for event in history.events
                if event.HasField("workflow_task_started_event_attributes")
            ]
            return begun[-1]

        await until(waits)
        while not await is_long():
            seen = len(script.looks)
            await handle.signal("look_now")
            await until(lambda: len(script.looks) > seen)  # noqa: B023 - awaited at once
            await until(waits)
        script.ballast, seen = "", len(script.looks)
        await handle.signal("resume")
        await until(lambda: len(script.looks) > seen)
        assert script.looks[-1].since is None
        await client.get_workflow_handle(handle.id).terminate()


async def test_a_look_that_broke_off_goes_on_at_once(client: Client) -> None:
    script = Script()
    script.after = 4
    script.record = PollResult(wait_seconds=3600)
    async with polling(client, script):
        await until(lambda: len(script.looks) == 2)
        await asyncio.sleep(0.5)
        assert [(look.ticks, look.after) for look in script.looks] == [(0, 0), (0, 4)]
